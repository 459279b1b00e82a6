"""Volume columns of both domains against their oracle, without ticks, without volume, at their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from include.features import engine
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.series import Series
from tests.include.features import currencies
from tests.include.features.markets import recorded, series_of
from tests.oracles import volume as oracle
from tests.oracles.compare import relative_error, worst
from tests.oracles.market import bqx, grid_rows

NAMES = ("volume_idx", "volume_bqx")


def expected(bars):
    rows = grid_rows(bars, int(bars.ts[-1]))
    base = float(bars.close[0])
    S, H, L = (
        np.array([100 * getattr(row, name) / base for row in rows]) for name in ("close", "high", "low")
    )
    V, is_filled = (np.array([getattr(row, name) for row in rows]) for name in ("volume", "is_filled"))
    return {
        "volume_idx": oracle.of_index(V, S, H, L, is_filled),
        "volume_bqx": oracle.of_bqx(V, bqx(S, 15)),
    }


def assert_equal_to_oracle(bars):
    series, reference = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0])), expected(bars)
    for family in NAMES:
        columns = engine.compute(family, series)
        for feature in FAMILIES[family].columns:
            values, wanted = columns[feature.name], reference[family][feature.name]
            error = relative_error(values, wanted)
            assert error.max() < 1e-9, f"{feature.name} {worst(values, wanted)}"
            known = values[~np.isnan(values)]
            assert known.size, feature.name
            assert feature.low is None or known.min() >= feature.low - 1e-9, feature.name
            assert feature.high is None or known.max() <= feature.high + 1e-9, feature.name
            assert not feature.classes or set(known) == set(feature.classes), feature.name


@pytest.mark.parametrize("pair", ["eurusd", "gbpnzd", "usdjpy"])
def test_simulated_bars(pair):
    assert_equal_to_oracle(currencies.market()[pair])


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "first", "end"),
    [
        ("volume_spread_2023/audnzd", "2023-07-02", "2023-07-07"),
        ("tick_volume_2021/usdjpy", "2021-01-28", "2021-02-02"),
    ],
)
def test_recorded_bars(folder, first, end):
    assert_equal_to_oracle(recorded(f"extra/{folder}", first, end))


def volume_series(V, close=None, rows=None):
    rng = np.random.default_rng(9)
    close = 100 + np.cumsum(rng.normal(0, 1e-2, len(V))) if close is None else close
    series = series_of(close, close + 0.01, close - 0.02)
    values = {name: getattr(series, name) for name in series.__dataclass_fields__}
    return Series(**values | {"V": np.asarray(V, np.float64)})


def last(family, series):
    return {name: values[-1] for name, values in engine.compute(family, series).items()}


def test_twenty_bars_without_a_tick():
    V = np.concatenate([np.random.default_rng(1).poisson(30, 100), np.zeros(20)])
    series = volume_series(V)
    columns = last("volume_idx", series)
    mean = ((series.S + series.H + series.L) / 3)[-20:].mean()
    assert columns.pop("vol_weighted_price_20") == pytest.approx(mean, rel=1e-14)
    assert columns.pop("volume_regime") == 1
    assert set(columns.values()) == {0.0}
    columns = last("volume_bqx", series)
    zero = (
        "vol_bqx_corr_20", "volume_confirms_bqx_flag", "volume_diverges_bqx_flag", "high_vol_high_bqx_flag",
    )  # fmt: skip
    assert {columns[name] for name in zero} == {0.0}
    assert columns["bqx_per_volume_20"] == pytest.approx(series.b[-1] - series.b[-21])
    assert np.isfinite(list(last("volume_bqx", volume_series(np.zeros(140))).values())).all()


@pytest.mark.parametrize("family", NAMES)
def test_a_market_without_ticks_or_moves(family):
    """Neutral, or the level of the input: 0 ticks, a price of 100."""
    series = volume_series(np.zeros(200), np.full(200, 100.0))
    for feature in FAMILIES[family].columns:
        values = engine.compute(family, series)[feature.name][feature.first_row :]
        level = 100 - 0.01 / 3 if feature.name == "vol_weighted_price_20" else 0.0
        wanted = level if feature.neutral is None else feature.neutral
        np.testing.assert_allclose(values, wanted, rtol=1e-15, atol=0, err_msg=feature.name)


@pytest.mark.parametrize("family", NAMES)
def test_one_absent_volume_makes_its_windows_null_and_no_other(family):
    V = np.random.default_rng(2).poisson(30, 500) * 1.0
    whole = engine.compute(family, volume_series(V))
    V[300] = np.nan
    holed = engine.compute(family, volume_series(V))
    rows, windows = np.arange(500), {"volume_level": 1, "vol_bqx_corr_60": 60}
    for feature in FAMILIES[family].columns:
        lost = (rows >= 300) & (rows < 300 + windows.get(feature.name, 20))
        if feature.name == "volume_change_5":
            lost = (rows == 300) | (rows == 305)
        if feature.name.startswith("vol_during"):
            lost = (rows >= 300) & (rows < 360)
        null = lost | (rows < feature.first_row)
        np.testing.assert_array_equal(np.isnan(holed[feature.name]), null, err_msg=feature.name)
        np.testing.assert_array_equal(holed[feature.name][~null], whole[feature.name][~null])


@pytest.mark.parametrize("family", NAMES)
def test_absent_everywhere_is_null_everywhere(family):
    for name, values in engine.compute(family, volume_series(np.full(300, np.nan))).items():
        assert np.isnan(values).all(), name


def test_bounds_are_attained():
    V = np.full(60, 10.0)
    V[-1] = 50
    columns = last("volume_idx", volume_series(V))
    assert columns["volume_z_20"] == pytest.approx(19 / np.sqrt(20), rel=1e-9)
    assert (columns["volume_spike_flag"], columns["volume_regime"]) == (1, 2)
    assert columns["trade_count_20"] == 20
    line = 100 + 1e-3 * np.arange(60)
    for sign in (1, -1):
        columns = last("volume_idx", volume_series(sign * (line - 100) * 1e3 + 200, line))
        assert columns["vol_price_corr_20"] == pytest.approx(sign, rel=1e-12)
    columns = last("volume_idx", volume_series(V, line))
    assert (columns["uptick_ratio_20"], columns["downtick_ratio_20"]) == (1, 0)
    assert columns["net_flow_20"] == pytest.approx(0.1, rel=2e-3)  # one thousandth of a percent a bar
    columns = last("volume_idx", volume_series(V, line[::-1].copy()))
    assert (columns["uptick_ratio_20"], columns["downtick_ratio_20"]) == (0, 1)


def test_weights_are_the_ticks():
    """All ticks in one bar: the weighted price is that bar's, the flow its return."""
    V = np.zeros(60)
    V[-7] = 4
    series = volume_series(V)
    columns = last("volume_idx", series)
    typical = (series.S[-7] + series.H[-7] + series.L[-7]) / 3
    assert columns["vol_weighted_price_20"] == pytest.approx(typical, rel=1e-15)
    assert columns["net_flow_20"] == pytest.approx(1e4 * series.r[-7], rel=1e-9)
    assert columns["uptick_ratio_20"] + columns["downtick_ratio_20"] == 1
    assert columns["trade_count_20"] == 1


def test_filled_bars_have_no_ticks_and_are_no_trades():
    bars = currencies.market()["eurusd"]
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))
    columns = engine.compute("volume_idx", series)
    count = np.convolve((series.V > 0) & ~series.is_filled, np.ones(20))[: len(series)]
    known = ~np.isnan(columns["trade_count_20"])
    np.testing.assert_array_equal(columns["trade_count_20"][known], count[known])
    assert (columns["volume_level"][series.is_filled & known] == 0).all()


def test_no_surge_in_the_last_hour_is_zero():
    close = np.full(300, 100.0)
    columns = last("volume_bqx", volume_series(np.full(300, 5.0), close))
    assert (columns["vol_during_bqx_surge"], columns["vol_during_bqx_drop"]) == (0, 0)


def test_surge_counts_the_volume_of_the_surge_only():
    """A fall makes b surge; ticks only then: the ratio is the mean while it lasts over the hour's."""
    close = np.full(300, 100.0)
    close[-10:] -= 0.5 * np.arange(1, 11)
    series = volume_series(np.zeros(300), close)
    surge = engine.compute("volume_bqx", series)
    z = engine.compute("statistics_bqx", series)
    assert z["z_score_20"][-1] > 1
    V = np.where(series.b > 0, 8.0, 0.0)
    ratio = last("volume_bqx", volume_series(V, close))["vol_during_bqx_surge"]
    assert ratio > last("volume_bqx", volume_series(V, close))["vol_during_bqx_drop"] == 0
    assert surge["vol_during_bqx_surge"][-1] == 0
    assert ratio == pytest.approx(8 / (V[-60:].mean() + 1), rel=1e-12)
