"""Extremes against pandas, stillness against the range that defines it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.features.kernels.extremes import extremes, still


@pytest.fixture(scope="module")
def x():
    """Ticks with many repeats, a long stillness, and rounding noise inside it."""
    steps = np.random.default_rng(1).integers(-1, 2, 900) * 1e-3
    steps[300:500] = 0.0
    close = 100 + np.cumsum(steps)
    close[300:500] += np.tile([0.0, 2.8e-14], 100)
    return close


@pytest.mark.parametrize("windows", [(14,), (4, 5, 14, 33, 120), (1, 2, 3), (7, 8, 9), (64, 128)])
def test_extremes_are_exact(x, windows):
    low, high = x - 1, x + 1
    for n, (bottom, top, extent) in extremes(low, high, windows).items():
        np.testing.assert_array_equal(bottom, pd.Series(low).rolling(n).min())
        np.testing.assert_array_equal(top, pd.Series(high).rolling(n).max())
        np.testing.assert_array_equal(extent, top - bottom)


@pytest.mark.parametrize("rows", [0, 1, 13, 14])
def test_short_input(rows):
    x = np.arange(float(rows))
    assert np.isnan(extremes(x, x, (14,))[14].extent).sum() == min(rows, 13)
    assert still(x, 14, 1e-9).tolist() == [1] * rows


@pytest.mark.parametrize("n", [2, 5, 20, 120])
@pytest.mark.parametrize("eps", [1e-9, 1.5e-3])
def test_a_window_is_flat_where_its_range_is_nothing(x, n, eps):
    """Drifts of a tick at a time too: each step is below the largest eps, their sum is not."""
    flat = extremes(x, x, (n,))[n].extent <= eps
    for limit in (n, n + 7):
        np.testing.assert_array_equal(still(x, limit, eps) >= n, flat)
    assert flat.any()
    assert not flat.all()


@pytest.mark.parametrize("row", [0, 250, 400, 899])
def test_a_null_is_not_stillness(x, row):
    holed = x.copy()
    holed[row] = np.nan
    for n in (2, 20):
        flat = extremes(holed, holed, (n,))[n].extent <= 1e-9
        np.testing.assert_array_equal(still(holed, 120, 1e-9) >= n, flat)
        assert np.isnan(extremes(holed, holed, (n,))[n].extent[row : row + n]).all()
