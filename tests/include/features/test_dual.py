"""The rate index against BQX by hand, at its bounds and in degenerate windows."""

from __future__ import annotations

import numpy as np
import pytest

from include.features import dual, engine
from include.features.catalogue import FAMILIES
from include.features.kernels.line import line
from tests.include.features.markets import series_of


def last(close):
    return {name: values[-1] for name, values in engine.compute("dual", series_of(close)).items()}


def walk(rows, seed=1, scale=1e-2):
    return 100 + np.cumsum(np.random.default_rng(seed).normal(0, scale, rows))


def test_line_by_hand():
    """Through (0, 0), (1, 1), (2, 3): slope 3/2, residuals 1/6, -1/3, 1/6, their sd sqrt(1/6)."""
    fit = line(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 2.0]), 3, 1e-12, 1e-12)
    assert fit.slope[2] == pytest.approx(1.5, rel=1e-15)
    assert fit.resid_z[2] == pytest.approx((1 / 6) / np.sqrt(1 / 6), rel=1e-14)
    assert np.isnan(fit.slope[:2]).all()


def test_line_where_there_is_nothing_to_fit():
    rng = np.random.default_rng(1)
    x, flat = rng.normal(size=40), np.full(40, 7.0)
    assert line(x, flat, 30, 1e-12, 1e-12).slope[-1] == 0
    assert line(x, flat, 30, 1e-12, 1e-12).resid_z[-1] == 0
    assert line(flat, x, 30, 1e-12, 1e-12).slope[-1] == pytest.approx(0, abs=1e-15)
    assert line(flat, x, 30, 1e-12, 1e-12).resid_z[-1] == 0
    exact = line(3 * x + 1, x, 30, 1e-12, 1e-12)
    assert exact.slope[-1] == pytest.approx(3, rel=1e-13)
    assert exact.resid_z[-1] == 0
    nearly = 3 * x + 1e-10 * rng.normal(size=40)
    assert line(nearly, x, 30, 1e-12, 1e-12).resid_z[-1] != 0
    assert line(nearly, x, 30, 1e-9, 1e-12).resid_z[-1] == 0
    x[35] = np.nan
    assert np.isnan(line(flat, x, 30, 1e-12, 1e-12).slope[35:]).all()
    assert np.isnan(line(x, flat, 30, 1e-12, 1e-12).slope[35:]).all()


def test_against_least_squares_of_numpy():
    close = walk(200)
    series, columns = series_of(close), last(close)
    for name, y, x in (
        ("reg_rate_bqx", series.b, series.S - 100),
        ("reg_bqx_rate", series.dS, series.db),
    ):
        slope, constant = np.polyfit(x[-30:], y[-30:], 1)
        residuals = y[-30:] - slope * x[-30:] - constant
        assert columns[f"{name}_beta_30"] == pytest.approx(slope, rel=1e-9)
        assert columns[f"{name}_resid_z_30"] == pytest.approx(
            residuals[-1] / np.sqrt((residuals**2).sum() / 28), rel=1e-8
        )
        assert columns[f"{name}_r2_30"] == pytest.approx(np.corrcoef(x[-30:], y[-30:])[0, 1] ** 2, rel=1e-9)
    assert columns["reg_decoupling_flag"] == (columns["reg_rate_bqx_r2_30"] < 0.25)


def test_a_random_walk_has_log_ratios_of_about_zero():
    """The constant 240 = var(db)/var(r); wrong by 15 or 225 it would be off by 2.7 or 0.06."""
    columns = engine.compute("dual", series_of(100 * np.exp(1e-5 * (walk(60_000, scale=1.0) - 100))))
    assert np.nanmedian(columns["var_ratio_bqx_idx_60"]) == pytest.approx(0, abs=0.15)
    assert np.nanmedian(columns["vol_ratio_bqx_idx_30"]) == pytest.approx(0, abs=0.1)
    sd = np.nanmean(columns["vol_diff_bqx_idx_30"])
    assert abs(sd) < 0.01  # of about 0.1 bps


def test_bqx_moves_against_the_rate():
    """On a random walk db is -15 times the newest return plus the 15 before it: variance 240."""
    columns = engine.compute("dual", series_of(walk(20_000)))
    for k, weight in ((0, -15), (1, 1), (5, 1), (15, 1)):
        mean = np.nanmean(columns[f"xcorr_idx_bqx_lag_{k}"])
        assert mean == pytest.approx(weight / np.sqrt(240), abs=0.02), k
    assert np.nanmedian(columns["reg_rate_bqx_beta_30"]) < 0


def test_one_side_still():
    """B still moves for 15 rows after the price has stopped: every comparison stays finite."""
    close = np.concatenate([walk(300), np.full(60, 101.0)])
    columns = engine.compute("dual", series_of(close))
    assert all(np.isfinite(values[254:]).all() for values in columns.values())
    row = 299 + 31  # 30 returns and differences of 0, the window of db still has movement
    for name in ("vol_ratio_bqx_idx_30", "reg_rate_bqx_beta_30", "reg_rate_bqx_r2_30", "reg_bqx_rate_r2_30"):
        assert columns[name][row] == 0, name
    assert columns["vol_diff_bqx_idx_30"][row] > 0


def test_logarithms_are_clipped():
    """The price has almost come to rest, BQX still has the movement of 15 rows before in its window."""
    rest = 101 + 1e-7 * np.random.default_rng(4).normal(size=40)
    columns = engine.compute("dual", series_of(np.concatenate([walk(300), rest])))
    for name, row, limit in (
        ("var_ratio_bqx_idx_20", 299 + 23, 10),
        ("vol_ratio_bqx_idx_30", 299 + 33, 10),
        ("bb_bandwidth_ratio_20", 299 + 23, 5),
    ):
        assert columns[name][row] == limit, name


def test_null_beside_stillness_is_null():
    """A close is absent: 20 rows later the returns stand still, BQX does not know it yet."""
    close = np.full(400, 101.0)
    close[300] = np.nan
    columns = engine.compute("dual", series_of(close))
    hidden = {"var_ratio_bqx_idx_20": 336, "vol_ratio_bqx_idx_30": 346, "bb_breakout_divergence": 335}
    for name, known in hidden.items():
        assert np.isnan(columns[name][300:known]).all(), name
        assert (columns[name][known:] == 0).all(), name


def test_a_price_on_the_band_is_not_outside():
    """Of 20 prices 16 equal and then 4 at another one: two sds from the mean, whatever the rounding."""
    for step in np.random.default_rng(3).uniform(1e-3, 1e-2, 50):
        close = np.concatenate([walk(40), np.full(17, 101.3), np.full(4, 101.3 + step)])
        series = series_of(close)
        assert engine.compute("bollinger_idx", series)["bb_percent_b_20"][-1] == pytest.approx(1, rel=1e-9)
        side = dual._bands(series.view("idx")).side
        assert (side[-2], side[-1]) == (1, 0)


def test_breakout_on_both_sides():
    close = np.concatenate([walk(60, scale=1e-3), [105.0]])
    assert last(close)["bb_breakout_divergence"] == -2  # the rate above its bands, BQX below
    close[-1] = 95
    assert last(close)["bb_breakout_divergence"] == 2


def test_bounds_are_attained():
    close = np.full(80, 100.0)
    close[-1] = 101
    columns = last(close)
    features = {feature.name: feature for feature in FAMILIES["dual"].columns}
    for name in ("skew_diff_bqx_idx_20", "bb_z_diff_bqx_idx_20"):
        assert columns[name] == pytest.approx(features[name].low, rel=1e-9)
    assert columns["kurt_diff_bqx_idx_20"] == pytest.approx(0, abs=1e-9)


def test_bands_of_a_series_that_stops_have_no_slope():
    close = np.concatenate([walk(300), np.full(200, 100.0)])
    columns = engine.compute("dual", series_of(close))
    assert columns["bb_slope_diff_20"][-1] == 0
    assert columns["bb_bandwidth_ratio_20"][-1] == 0
    assert columns["bb_regime_mismatch_flag"][-1] == 0
