"""Trend regimes and jumps by hand."""

from __future__ import annotations

import numpy as np
import pytest

from include.features.regimes import jumps, trend_regime

QUIET = np.tile([1e-4, -1e-4], 31)  # sd of 60: 1e-4*sqrt(60/59)


@pytest.mark.parametrize(
    ("closes", "regime"),
    [
        ([1, 2, 3, 4], 2),  # a line explains all of it
        ([4, 3, 2, 1], -2),
        ([1, 3, 2, 4], 1),  # R2 = 0.64
        ([2, 1, 2, 1], 0),  # 0.2
        ([1, 1, 1, 1], 0),
        ([4, 1, 2, 1], -1),  # slope -0.8, R2 = 16/30 = 0.533
        ([1, 2, 2, 1], 0),  # no slope at all
    ],
)
def test_trend_regime(closes, regime):
    values = trend_regime(100 + np.array(closes, np.float64) / 1000, 4)
    assert np.isnan(values[:3]).all()
    assert values[3] == regime


@pytest.mark.parametrize(("slope", "share", "regime"), [(0.8, 0.5, 1), (1.6, 0.8, 2), (0.79, 0.494, 0)])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 7e-3, 1e-4 / 3])
def test_rounding_does_not_decide_a_share_that_is_the_limit(slope, share, regime, scale):
    """Residuals with a sum of squares of 3.2 around a line that explains 5*slope^2."""
    residuals = np.array([-0.4, 1.2, -1.2, 0.4])
    closes = 100 + scale * (slope * np.arange(4) + residuals)
    assert np.corrcoef(closes, np.arange(4))[0, 1] ** 2 == pytest.approx(share, abs=1e-3)
    assert trend_regime(closes, 4)[-1] == regime


def test_a_null_inside_makes_it_null():
    closes = 100 + np.arange(10.0)
    closes[2] = np.nan
    np.testing.assert_array_equal(np.isnan(trend_regime(closes, 4)), [True] * 6 + [False] * 4)


def test_a_jump_is_measured_by_the_returns_before_it():
    sd = 1e-4 * np.sqrt(60 / 59)
    for size, jump in ((2.51, 1.0), (-2.51, 1.0), (2.49, 0.0)):
        r = np.append(QUIET, size * sd)
        values = jumps(r, 2.5)
        assert np.isnan(values[:60]).all()
        assert values[60:].tolist() == [0.0, 0.0, jump]


def test_nothing_jumps_out_of_stillness():
    assert jumps(np.append(np.zeros(60), 0.01), 2.5)[-1] == 0
