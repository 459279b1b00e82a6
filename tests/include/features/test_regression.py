"""Regression columns against TA-Lib and polyfit, and their degenerate cases."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from include.features import regression
from tests.include.features.markets import series_of
from tests.oracles.compare import relative_error

WINDOWS = (15, 30, 45, 60, 75, 90)


@pytest.fixture(scope="module")
def close():
    return 100 + np.cumsum(np.random.default_rng(6).normal(0, 1e-2, 1500))


@pytest.fixture(scope="module")
def columns(close):
    return regression.compute(series_of(close), "idx")


@pytest.mark.parametrize("w", WINDOWS)
def test_slope_against_talib(close, columns, w):
    """Levels minus 100: TA-Lib's sums of raw levels would lose the digits that are compared."""
    expected = talib.LINEARREG_SLOPE(close - 100, w)
    assert relative_error(columns[f"w{w}_lin_slope"], expected).max() < 1e-9


@pytest.mark.parametrize("w", WINDOWS)
def test_against_polyfit(close, columns, w):
    x = np.arange(w)
    for t in (100, 777, 1499):
        y = close[t - w + 1 : t + 1] - close[t]
        a2, a1, b0 = np.polyfit(x, y, 2)
        residuals, s = y - np.polyval((a2, a1, b0), x), y.std(ddof=1)
        assert columns[f"w{w}_a2_norm"][t] == pytest.approx(a2 * (w - 1) ** 2 / s, rel=1e-7)
        assert columns[f"w{w}_a1_norm"][t] == pytest.approx(a1 * (w - 1) / s, rel=1e-7)
        assert columns[f"w{w}_b_norm"][t] == pytest.approx((b0 - y.mean()) / s, rel=1e-7)
        assert columns[f"w{w}_resid_std"][t] == pytest.approx(
            np.sqrt((residuals**2).sum() / (w - 3)), rel=1e-9
        )
        d60 = np.diff(close[t - 60 : t + 1]).std(ddof=1)
        assert columns[f"w{w}_rmse_norm"][t] == pytest.approx(np.sqrt((residuals**2).mean()) / d60, rel=1e-9)


def test_accel_and_a2_norm_are_one_coefficient(close, columns):
    for w in WINDOWS:
        s = np.array([close[t - w + 1 : t + 1].std(ddof=1) for t in range(100, 110)])
        np.testing.assert_allclose(
            columns[f"w{w}_accel"][100:110] * (w - 1) ** 2 / 2 / s,
            columns[f"w{w}_a2_norm"][100:110],
            rtol=1e-9,
        )


def test_still_market_is_zero_everywhere():
    for domain in ("idx", "bqx"):
        for name, values in regression.compute(series_of(np.full(150, 101.3)), domain).items():
            assert (values[~np.isnan(values)] == 0).all(), name


def test_flat_differences_scale_nothing():
    """A straight line with a kink: its last 60 differences are equal, so rmse_norm is 0, not infinite."""
    close = 100 + np.concatenate([np.zeros(60), 1e-3 * np.arange(1, 121)])
    columns = regression.compute(series_of(close), "idx")
    assert columns["w90_resid_std"][140] > 1e-6
    assert columns["w90_rmse_norm"][140] == 0


def test_perfect_fit_of_one_window_gives_log_ratio_zero():
    """15 points on a parabola inside 60 that are not: ln(0/...) is 0 by definition."""
    close = 100 + np.random.default_rng(3).normal(0, 1e-2, 120)
    close[-15:] = 100 + 1e-4 * np.arange(15) ** 2
    columns = {name: values[-1] for name, values in regression.compute(series_of(close), "idx").items()}
    assert columns["rmse_ratio_15_60"] == 0
    assert columns["rmse_ratio_30_90"] != 0


def test_signs_agree_on_a_curve_and_are_zero_inside_epsilon():
    x = np.arange(150.0)
    curve = regression.compute(series_of(100 + 1e-5 * x**2), "idx")
    assert curve["a2_sign_agree"][-1] == curve["a1_sign_agree"][-1] == 1
    fall = regression.compute(series_of(100 - 1e-5 * x**2), "idx")
    assert fall["a2_sign_agree"][-1] == fall["a1_sign_agree"][-1] == -1
    line = regression.compute(series_of(100 + 1e-3 * x), "idx")
    assert line["a2_sign_agree"][-1] == 0
    assert line["a1_sign_agree"][-1] == 1


def test_bounded_ratio_stays_bounded_around_zero():
    close = 100 + np.cumsum(np.random.default_rng(8).normal(0, 1e-2, 3000))
    columns = regression.compute(series_of(close), "idx")
    ratio = columns["a2_ratio_15_60"][90:]
    assert np.abs(ratio).max() <= 1
    opposite = np.sign(columns["w15_a2_norm"][90:]) != np.sign(columns["w60_a2_norm"][90:])
    np.testing.assert_allclose(np.abs(ratio[opposite]), 1, atol=1e-9)
