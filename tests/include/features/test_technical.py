"""Technical columns against TA-Lib and in the delicate cases."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from include.features import technical
from tests.include.features.markets import series_of
from tests.oracles.compare import relative_error


@pytest.fixture(scope="module")
def ticks():
    """High, low, close in whole ticks: their differences are exact, so ties are ties for TA-Lib too."""
    rng = np.random.default_rng(12)
    close = 114_000.0 + np.cumsum(rng.integers(-12, 13, 3000))
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) + rng.integers(0, 7, 3000)
    return high, np.minimum(opened, close) - rng.integers(0, 7, 3000), close


@pytest.fixture(scope="module")
def columns(ticks):
    high, low, close = (100 * price / ticks[2][0] for price in ticks)
    return technical.compute(series_of(close, high, low), "idx")


SAME_FROM_THE_START = {
    "rsi_14": lambda high, low, close: talib.RSI(close, 14),
    "rsi_21": lambda high, low, close: talib.RSI(close, 21),
    "stoch_k_14": lambda high, low, close: talib.STOCHF(high, low, close, 14, 1, 0)[0],
    "stoch_d_3": lambda high, low, close: talib.STOCHF(high, low, close, 14, 3, 0)[1],
    "cci_20": lambda high, low, close: talib.CCI(high, low, close, 20),
    "williams_r_14": lambda high, low, close: talib.WILLR(high, low, close, 14),
    "roc_12": lambda high, low, close: talib.ROC(close, 12),
    "atr_14": lambda high, low, close: talib.ATR(high, low, close, 14) * 100 / close[0],
    "atr_pct_14": lambda high, low, close: talib.NATR(high, low, close, 14),
}
SEEDED_DIFFERENTLY = {
    "macd_line": lambda high, low, close: talib.MACD(close, 12, 26, 9)[0] * 100 / close[0],
    "macd_signal": lambda high, low, close: talib.MACD(close, 12, 26, 9)[1] * 100 / close[0],
    "macd_histogram": lambda high, low, close: talib.MACD(close, 12, 26, 9)[2] * 100 / close[0],
    "plus_di_14": lambda high, low, close: talib.PLUS_DI(high, low, close, 14),
    "minus_di_14": lambda high, low, close: talib.MINUS_DI(high, low, close, 14),
    "adx_14": lambda high, low, close: talib.ADX(high, low, close, 14),
}


@pytest.mark.parametrize("name", SAME_FROM_THE_START)
def test_against_talib(columns, ticks, name):
    expected = SAME_FROM_THE_START[name](*ticks)
    assert relative_error(columns[name][30:], expected[30:]).max() < 1e-9


@pytest.mark.parametrize("name", SEEDED_DIFFERENTLY)
def test_against_talib_from_the_warm_rows_on(columns, ticks, name):
    """TA-Lib starts EMA and directional movement from other seeds, which have decayed by row 600."""
    expected = SEEDED_DIFFERENTLY[name](*ticks)
    assert relative_error(columns[name][600:], expected[600:]).max() < 1e-9


def still_after(rng_seed: int, rows: int, still: int):
    """Bars that move, then `still` rows of one single price."""
    rng = np.random.default_rng(rng_seed)
    close = 100 + np.cumsum(rng.normal(0, 1e-2, rows))
    high, low = close + rng.uniform(0, 0.01, rows), close - rng.uniform(0, 0.01, rows)
    high[-1] = low[-1] = close[-1]
    rest = np.full(still, close[-1])
    return tuple(np.concatenate([x, rest]) for x in (close, high, low))


def test_fourteen_identical_bars():
    """After one more at that price: stochastic and Williams neutral, ATR decayed but not nothing."""
    columns = technical.compute(series_of(*still_after(1, 100, 15)), "idx")
    assert columns["stoch_k_14"][-1] == 50
    assert columns["williams_r_14"][-1] == -50
    assert columns["atr_14"][-1] == pytest.approx(columns["atr_14"][100] * (13 / 14) ** 14, rel=1e-12)
    assert columns["atr_14"][-1] > 0
    assert np.isfinite(columns["adx_14"][-1])


def test_recursive_columns_in_a_long_stillness():
    """RSI and DI hold while their averages decay together; when those are nothing, neutral values."""
    columns = technical.compute(series_of(*still_after(2, 100, 600)), "idx")
    for name, neutral in (("rsi_14", 50.0), ("rsi_21", 50.0), ("plus_di_14", 0.0), ("minus_di_14", 0.0)):
        values = columns[name]
        assert values[99 + 120] == pytest.approx(values[99], rel=1e-9)
        released = int(np.argmax(values == neutral))
        assert 99 + 150 < released < 99 + 400, name
        assert (values[released:] == neutral).all(), name
    assert columns["adx_14"][-1] < 1e-6
    assert (columns["cci_20"][99 + 20 :] == 0).all()
    assert (columns["stoch_d_3"][99 + 18 :] == 50).all()
    assert (columns["roc_12"][99 + 12 :] == 0).all()


def test_still_from_the_first_bar():
    for domain, lead in (("idx", 0), ("bqx", 15)):
        columns = technical.compute(series_of(np.full(200, 100.0)), domain)
        expected = {"rsi_14": 50, "rsi_21": 50, "stoch_k_14": 50, "stoch_d_3": 50, "williams_r_14": -50}
        for name, values in columns.items():
            known = values[~np.isnan(values)]
            assert known.size > 60 - lead, name
            assert (known == expected.get(name, 0)).all(), name


@pytest.mark.parametrize("sign", [1, -1])
def test_one_spike_attains_the_bound_of_cci(sign):
    close = np.full(60, 100.0)
    close[-1] += sign * 0.3
    assert technical.compute(series_of(close), "idx")["cci_20"][-1] == pytest.approx(
        sign * 19 / 20 / 0.015 * 20 / 1.9, rel=1e-9
    )


def test_redefined_bqx_columns_where_b_crosses_zero():
    """ROC and ATR% of b are differences in units of its sd: no pole where b changes sign."""
    series = series_of(100 + np.sin(np.arange(900) / 60))
    columns = technical.compute(series, "bqx")
    crossings = np.flatnonzero(np.diff(np.sign(series.b[200:]))) + 200
    assert crossings.size >= 3
    for name in ("roc_12", "atr_pct_14"):
        steps = np.abs(np.diff(columns[name][150:]))
        assert np.isfinite(columns[name][134:]).all()
        assert steps[crossings - 150].max() <= steps.max() < 5, name


def test_redefined_bqx_columns_are_zero_over_a_flat_scale():
    close = np.concatenate([100 + np.random.default_rng(1).normal(0, 0.1, 50), np.full(160, 100.0)])
    columns = technical.compute(series_of(close), "bqx")
    assert columns["roc_12"][-1] == 0
    assert columns["atr_pct_14"][-1] == 0
    assert columns["atr_14"][-1] > 0


def test_gap_return_of_one_percent_is_large_but_finite():
    close = 100 + np.cumsum(np.random.default_rng(9).normal(0, 1e-2, 400))
    close[200:] *= 1.01
    for domain in ("idx", "bqx"):
        columns = technical.compute(series_of(close), domain)
        assert all(np.isfinite(values[134:]).all() for values in columns.values())
    idx = technical.compute(series_of(close), "idx")
    assert idx["atr_14"][200] > 5 * idx["atr_14"][199]


def test_stochastic_of_bqx_never_leaves_its_range():
    """The close b lies inside its pseudo bar, to the last bit, so no rounding pushes %K out of [0, 100]."""
    rng = np.random.default_rng(10)
    close = np.round(100 + np.cumsum(rng.normal(0, 5e-3, 4000)), 3)
    k = technical.compute(series_of(close), "bqx")["stoch_k_14"]
    assert np.nanmin(k) >= 0
    assert np.nanmax(k) <= 100
    assert (k == 100).any()
    assert (k == 0).any()


def test_rounding_of_an_unchanged_price_is_no_deviation():
    close = np.full(60, 101.3) + np.tile([0.0, 2.8e-14], 30)
    columns = technical.compute(series_of(close), "idx")
    assert np.ptp(close) > 0
    assert (columns["cci_20"][19:] == 0).all()
    assert (columns["stoch_k_14"][13:] == 50).all()
