"""Recursions against pandas, plain loops and hand computation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.features.kernels import recursive
from tests.oracles import technical


@pytest.fixture(scope="module")
def bars():
    rng = np.random.default_rng(8)
    close = 100 + np.cumsum(rng.integers(-9, 10, 900)) * 1e-3
    return close + rng.integers(0, 5, 900) * 1e-3, close - rng.integers(0, 5, 900) * 1e-3, close


def with_lead(rows, *arrays):
    return tuple(np.concatenate([np.full(rows, np.nan), x]) for x in arrays)


@pytest.mark.parametrize("n", [2, 9, 200])
@pytest.mark.parametrize("lead", [0, 15])
def test_ema_starts_at_the_first_input(bars, n, lead):
    (x,) = with_lead(lead, bars[2])
    expected = with_lead(lead, pd.Series(bars[2]).ewm(span=n, adjust=False).mean().to_numpy())[0]
    np.testing.assert_allclose(recursive.ema(x, n), expected, rtol=1e-14)


def test_macd_line_is_zero_at_the_first_input_and_the_signal_starts_there(bars):
    line, signal = recursive.macd(bars[2], 12, 26, 9)
    assert line[0] == signal[0] == 0
    expected = recursive.ema(bars[2], 12) - recursive.ema(bars[2], 26)
    np.testing.assert_allclose(line, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(signal, recursive.ema(line, 9), rtol=0, atol=1e-15)


@pytest.mark.parametrize("n", [14, 21])
def test_rsi(bars, n):
    expected = np.array(technical.rsi(bars[2].tolist(), n, 1e-9), float)
    got = recursive.rsi(bars[2], n, 1e-9)
    assert np.isnan(got).sum() == n
    np.testing.assert_allclose(got, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("closes", "expected"), [([1, 2, 3, 4], 100.0), ([4, 3, 2, 1], 0.0), ([2, 2, 2, 2], 50.0)]
)
def test_rsi_of_pure_rise_fall_and_nothing(closes, expected):
    assert recursive.rsi(np.array(closes, float), 3, 1e-9)[3] == expected


def test_directional_by_hand():
    """Two rows: up moves 2 and 1, true ranges 3 and 2; then a fall of 3 with true range 4."""
    high, low, close = (
        np.array([[2.0, 4, 5, 3, 3]]),
        np.array([[1.0, 2, 3, 0, 2]]),
        np.array([[1.0, 3, 4, 1, 2]]),
    )
    got = recursive.directional(high[0], low[0], close[0], 2, 1e-9)
    np.testing.assert_allclose(got.atr, [np.nan, np.nan, 2.5, 3.25, 2.625])
    np.testing.assert_allclose(got.plus_di, [np.nan, np.nan, 60.0, 100 * 0.75 / 3.25, 100 * 0.375 / 2.625])
    np.testing.assert_allclose(got.minus_di, [np.nan, np.nan, 0.0, 100 * 1.5 / 3.25, 100 * 0.75 / 2.625])
    dx = [100.0, 100 / 3, 100 / 3]
    np.testing.assert_allclose(
        got.adx, [np.nan, np.nan, np.nan, (dx[0] + dx[1]) / 2, (dx[0] + dx[1]) / 4 + dx[2] / 2]
    )


def test_equal_ticks_count_for_neither_direction():
    """High and low move out by one tick each, which rounding makes unequal: neither may win."""
    ticks = np.arange(40) * 1e-5
    high, low = 100 * (1.14 + ticks) / 1.14, 100 * (1.14 - ticks) / 1.14
    assert (np.diff(high) > -np.diff(low)).any()
    assert (np.diff(high) < -np.diff(low)).any()
    got = recursive.directional(high, low, np.full(40, 100.0), 14, 1e-9)
    assert (got.plus_di[14:] == 0).all()
    assert (got.minus_di[14:] == 0).all()
    assert (got.adx[27:] == 0).all()


@pytest.mark.parametrize("rows", [0, 1, 14, 15, 27, 28])
def test_short_input(rows):
    x = np.arange(float(rows))
    known = {
        "ema": ~np.isnan(recursive.ema(x, 9)),
        "rsi": ~np.isnan(recursive.rsi(x, 14, 1e-9)),
        "atr": ~np.isnan(recursive.directional(x, x, x, 14, 1e-9).atr),
        "adx": ~np.isnan(recursive.directional(x, x, x, 14, 1e-9).adx),
    }
    expected = {"ema": rows, "rsi": max(0, rows - 14), "atr": max(0, rows - 14), "adx": max(0, rows - 27)}
    assert {name: int(values.sum()) for name, values in known.items()} == expected


def test_all_null_input_is_all_null():
    x = np.full(50, np.nan)
    assert np.isnan(recursive.ema(x, 5)).all()
    assert np.isnan(recursive.macd(x, 12, 26, 9)).all()
    assert np.isnan(recursive.rsi(x, 14, 1e-9)).all()
    assert np.isnan(recursive.directional(x, x, x, 14, 1e-9)).all()


@pytest.mark.parametrize("row", [5, 200])
def test_a_null_after_the_first_input_ends_a_recursion(bars, row):
    """Nothing is skipped or carried: what was averaged over it is not known any more."""
    high, low, close = (x.copy() for x in bars)
    high[row] = low[row] = close[row] = np.nan
    wilder = recursive.directional(high, low, close, 14, 1e-9)
    for values in (
        recursive.ema(close, 9),
        recursive.rsi(close, 14, 1e-9),
        *recursive.macd(close, 12, 26, 9),
        *wilder,
    ):
        assert np.isnan(values[row:]).all()
