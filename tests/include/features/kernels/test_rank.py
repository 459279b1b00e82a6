"""Mid-rank against counting, its bounds and its ties."""

from __future__ import annotations

import numpy as np
import pytest

from include.features.kernels.rank import mid_rank


def test_by_counting():
    x = np.random.default_rng(1).integers(0, 12, 1500) / 7
    for n in (60, 600):
        wanted = [
            ((w < w[-1]).sum() + (w == w[-1]).sum() / 2) / n
            for w in np.lib.stride_tricks.sliding_window_view(x, n)
        ]
        np.testing.assert_allclose(mid_rank(x, n, 1e-9)[n - 1 :], wanted, rtol=1e-15)
        assert np.isnan(mid_rank(x, n, 1e-9)[: n - 1]).all()


def test_bounds_are_attained():
    x = np.arange(100.0)
    assert (mid_rank(x, 60, 1e-9)[59:] == 1 - 0.5 / 60).all()
    assert (mid_rank(-x, 60, 1e-9)[59:] == 0.5 / 60).all()


def test_rounding_decides_no_tie():
    x = np.tile([0.3, 0.1 + 0.2, 0.7], 40)
    assert 0.3 != 0.1 + 0.2
    np.testing.assert_allclose(mid_rank(x, 60, 1e-9)[117:120], [20 / 60, 20 / 60, 50 / 60])


def test_flat_is_the_middle_even_where_the_band_is_narrower():
    """Around 0 the relative band is nothing: the range of the window decides."""
    noise = np.random.default_rng(2).normal(0, 1e-11, 100)
    assert (mid_rank(noise, 60, 1e-9)[59:] == 0.5).all()
    assert np.unique(mid_rank(noise, 60, 1e-13)[59:]).size > 5


@pytest.mark.parametrize("values", ["moving", "still"])
def test_a_null_costs_its_windows_and_no_other(values):
    x = np.random.default_rng(3).normal(size=200) if values == "moving" else np.zeros(200)
    x[80] = np.nan
    rows = np.arange(200)
    null = (rows < 59) | ((rows >= 80) & (rows < 140))
    np.testing.assert_array_equal(np.isnan(mid_rank(x, 60, 1e-9)), null)
