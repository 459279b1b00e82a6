"""Slopes against numpy, on levels near 100, and exactly 0 where nothing moves."""

from __future__ import annotations

import numpy as np

from include.features.kernels.extremes import still
from include.features.kernels.trend import slope


def test_against_polyfit():
    x = 100 + np.cumsum(np.random.default_rng(1).normal(0, 1e-3, 400))
    wanted = [
        np.polyfit(np.arange(20), w - w[0], 1)[0] for w in np.lib.stride_tricks.sliding_window_view(x, 20)
    ]
    values = slope(x, 20, np.zeros(400, np.bool_))
    np.testing.assert_allclose(values[19:], wanted, rtol=1e-9, atol=1e-15)
    assert np.isnan(values[:19]).all()


def test_straight_line_and_flat_line():
    np.testing.assert_allclose(
        slope(0.25 * np.arange(50.0), 20, np.zeros(50, np.bool_))[19:], 0.25, rtol=1e-15
    )
    noise = 100 + np.random.default_rng(2).choice([0.0, 1.4e-14], 50)
    assert (slope(noise, 20, still(noise, 20, 1e-9) >= 20)[19:] == 0).all()


def test_a_null_costs_its_windows_and_no_other():
    x = np.arange(100.0)
    x[40] = np.nan
    rows = np.arange(100)
    null = (rows < 19) | ((rows >= 40) & (rows < 60))
    np.testing.assert_array_equal(np.isnan(slope(x, 20, still(x, 20, 1e-9) >= 20)), null)
