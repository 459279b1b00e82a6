"""Sums and weighted sums against numpy, row by row."""

from __future__ import annotations

import numpy as np

from include.features.kernels.weighted import tilt, total

VIEW = np.lib.stride_tricks.sliding_window_view


def test_total():
    x = np.random.default_rng(1).uniform(0, 9, 1300)
    np.testing.assert_allclose(total(x, 20)[19:], VIEW(x, 20).sum(axis=1), rtol=1e-14)
    assert np.isnan(total(x, 20)[:19]).all()


def test_tilt_makes_a_weighted_mean():
    rng = np.random.default_rng(2)
    x, weight = 100 + rng.normal(0, 1e-3, 1300), rng.poisson(3, 1300) * 1.0
    mean = x + tilt(x, weight, 20) / total(weight, 20)
    wanted = [np.average(a - 100, weights=w) for a, w in zip(VIEW(x, 20), VIEW(weight, 20), strict=True)]
    np.testing.assert_allclose(mean[19:] - 100, wanted, atol=1e-13)


def test_no_running_sum():
    """What has left the window has left the result, to the last bit; so has a NaN."""
    x = np.ones(200)
    x[50], x[90] = 1e17, np.nan
    assert (total(x, 20)[70:90] == 20).all()
    assert (total(x, 20)[110:] == 20).all()
    assert np.isnan(total(x, 20)[90:110]).all()
    weight = np.ones(200)
    weight[120] = np.nan
    assert np.isnan(tilt(np.ones(200), weight, 20)[120:140]).all()
    assert (tilt(np.ones(200), weight, 20)[140:] == 0).all()
