"""Lags by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.features import engine, lags
from include.features.grid import make_grid
from include.features.series import Series
from tests.include.features.markets import bars_of, series_of


def test_values_by_hand():
    columns = lags.compute(series_of(np.array([100.0, 101.0, 99.0, 102.0])), "shared")
    assert columns["rate_idx_lag_1"].tolist()[1:] == [100, 101, 99]
    assert columns["rate_idx_lag_3"].tolist()[3:] == [100]
    assert np.isnan(columns["rate_idx_lag_3"][:3]).all()
    assert columns["return_lag_1"][2:].tolist() == pytest.approx([math.log(1.01), math.log(99 / 101)])
    assert np.isnan(columns["return_lag_1"][:2]).all()
    assert np.isnan(columns["bqx_lag_1"]).all()


def test_first_bqx_by_hand():
    """15 closes at 100, then 101: b = 15*(100-101)/101, seen one row later."""
    close = np.array([100.0] * 15 + [101.0, 101.0])
    columns = engine.compute("lag", series_of(close))
    assert columns["bqx_lag_1"][16] == pytest.approx(-15 / 101, rel=1e-15)
    assert np.isnan(columns["bqx_lag_1"][:16]).all()


def test_lags_count_rows_across_a_break_and_through_filled_rows():
    """A bar, then an hour without bars: five filled rows, and the next bar is the sixth after it."""
    bars = bars_of(np.array([1000, 1060, 1061]), np.array([1.0, 1.1, 1.2]))
    columns = engine.compute("lag", Series.of(make_grid(bars, 1061), 1.0))
    assert columns["rate_idx_lag_6"][6] == 100.0
    assert columns["return_lag_1"].tolist()[2:] == pytest.approx([0, 0, 0, 0, 0, math.log(1.1)])
