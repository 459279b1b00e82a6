"""The parabola kernel on curves whose coefficients are known."""

from __future__ import annotations

import numpy as np
import pytest

from include.features.kernels.extremes import still
from include.features.kernels.jit import BLOCK
from include.features.kernels.regression import METRICS, quadratic


def fit(y, w, eps=1e-9):
    y = np.asarray(y, np.float64)
    return quadratic(y, w, still(y, w, eps) >= w, eps)


def test_recovers_a_parabola():
    x = np.arange(30.0)
    got = {name: values[-1] for name, values in fit(100 + 0.25 * x**2 - 3 * x, 30).items()}
    s = np.std(0.25 * x**2 - 3 * x, ddof=1)
    assert got["a2_norm"] == pytest.approx(0.25 * 29**2 / s, rel=1e-12)
    assert got["a1_norm"] == pytest.approx(-3 * 29 / s, rel=1e-12)
    assert got["accel"] == pytest.approx(0.5, rel=1e-12)
    assert got["quad_apex"] == pytest.approx((6 - 29) / 29, rel=1e-12)
    assert got["r2"] == pytest.approx(1, abs=1e-12)
    assert got["resid_std"] == pytest.approx(0, abs=1e-12)
    assert got["resid_z"] == 0  # a perfect fit has no residuals to be measured in


def test_line_has_no_turning_point():
    got = {name: values[-1] for name, values in fit(100 + 1e-3 * np.arange(45.0), 45).items()}
    assert got["lin_slope"] == pytest.approx(1e-3, rel=1e-9)
    assert got["quad_apex"] == 0
    assert got["r2"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("bend", "expected"), [(1e-6, -5.0), (-1e-6, 5.0)])
def test_turning_point_far_away_is_clipped(bend, expected):
    """A rise that barely accelerates turned long ago, one that barely slows down turns far ahead."""
    x = np.arange(30.0)
    assert fit(x + bend * x**2, 30)["quad_apex"][-1] == expected


def test_slope_is_that_of_the_line_not_of_the_parabola():
    y = np.random.default_rng(3).normal(0, 1, 60)
    assert fit(y, 60)["lin_slope"][-1] == pytest.approx(np.polyfit(np.arange(60), y, 1)[0], rel=1e-10)


def test_last_third_of_the_residuals():
    y = np.random.default_rng(4).normal(0, 1, 15)
    x = np.arange(15)
    residuals = y - np.polyval(np.polyfit(x, y, 2), x)
    got = fit(y, 15)
    assert got["resid_mean"][-1] == pytest.approx(residuals[-5:].mean() / y.std(ddof=1), rel=1e-9)
    assert got["resid_norm"][-1] == pytest.approx(residuals[-1] / y.std(ddof=1), rel=1e-9)


def test_flat_window_gives_zero_in_every_metric():
    y = 100.1 + np.tile([0.0, 4e-14], 40)
    for name, values in fit(y, 30).items():
        assert (values[29:] == 0).all(), name
        assert not np.signbit(values[29:]).any(), name


@pytest.mark.parametrize("rows", [0, 14, 15])
def test_short_input(rows):
    for values in fit(np.arange(float(rows)), 15).values():
        assert np.isnan(values).sum() == min(rows, 14)


def test_a_null_empties_its_own_windows_only():
    y = 100 + np.cumsum(np.random.default_rng(5).normal(0, 1e-3, 2 * BLOCK + 40))
    holed, row = y.copy(), BLOCK + 10
    holed[row] = np.nan
    clean, got = fit(y, 45), fit(holed, 45)
    for name in METRICS:
        expected = clean[name].copy()
        expected[row : row + 45] = np.nan
        np.testing.assert_array_equal(got[name], expected, err_msg=name)
