"""Bollinger bands against TA-Lib, their bounds, and b where it crosses zero."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from include.features import bollinger
from tests.include.features.markets import series_of
from tests.oracles.compare import relative_error


@pytest.mark.parametrize("n", [20, 50])
def test_against_talib(n):
    close = 100 + np.cumsum(np.random.default_rng(6).normal(0, 1e-2, 2000))
    columns = bollinger.compute(series_of(close), "idx")
    for name, expected in zip(("upper", "middle", "lower"), talib.BBANDS(close, n, 2, 2), strict=True):
        assert relative_error(columns[f"bb_{name}_{n}"], expected).max() < 1e-9


@pytest.mark.parametrize("n", [20, 50])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_spike_attains_the_bounds_of_percent_b(n, sign):
    close = np.full(150, 100.0)
    close[-1] += sign * 0.2
    percent = bollinger.compute(series_of(close), "idx")[f"bb_percent_b_{n}"][-1]
    assert percent == pytest.approx(0.5 + sign * np.sqrt(n - 1) / 4, rel=1e-9)


def test_bandwidth_where_b_crosses_zero():
    """The middle of the bands goes through zero; the bandwidth goes on as if nothing were there."""
    close = 100 + np.sin(np.arange(900) / 60)
    series = series_of(close)
    columns = bollinger.compute(series, "bqx")
    crossings = np.flatnonzero(np.diff(np.sign(columns["bb_middle_20"][140:]))) + 140
    assert crossings.size >= 3
    bandwidth = columns["bb_bandwidth_20"]
    assert np.isfinite(bandwidth[134:]).all()
    steps = np.abs(np.diff(bandwidth[134:]))
    assert steps[crossings - 134].max() <= steps.max() < 0.1


def test_bandwidth_of_bqx_is_zero_after_120_flat_rows():
    close = np.concatenate([100 + np.random.default_rng(1).normal(0, 0.1, 50), np.full(160, 100.0)])
    bandwidth = bollinger.compute(series_of(close), "bqx")["bb_bandwidth_20"]
    assert bandwidth[-1] == 0
    assert bandwidth[150] == 0  # 20 flat rows among 120 that moved: no width, but a scale


def test_flat_bands_meet_in_the_middle():
    columns = bollinger.compute(series_of(np.full(150, 101.7)), "idx")
    for n in (20, 50):
        last = {
            name: columns[f"bb_{name}_{n}"][-1]
            for name in ("upper", "middle", "lower", "percent_b", "bandwidth")
        }
        assert last == {"upper": 101.7, "middle": 101.7, "lower": 101.7, "percent_b": 0.5, "bandwidth": 0.0}


def test_scale_is_never_less_than_epsilon():
    """A step of 1e-11 in S: b moves, but its sd over 120 rows is smaller than 1e-12."""
    close = np.full(200, 100.0)
    close[122:] += 1e-11
    series = series_of(close)
    columns, t = bollinger.compute(series, "bqx"), 136
    window = series.b[t - 119 : t + 1]
    assert np.ptp(window) > 1e-12 > window.std(ddof=1)
    width = columns["bb_upper_20"][t] - columns["bb_lower_20"][t]
    assert width > 0
    assert columns["bb_bandwidth_20"][t] == pytest.approx(width / 1e-12, rel=1e-9)
