"""The checks catch what they are there for: every mutant must be found, honest columns must pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.features.grid import make_grid
from tests.include.features.markets import simulated
from tests.leakage.checks import (
    Market,
    Table,
    assert_blind_to_future,
    assert_chunks,
    assert_truncation,
    offence,
)

CUTS = (900, 1000, 1001, 1444)


def table_of(formula):
    """A computation with one column made from the closes of the grid."""

    def compute(market: Market, watermark: int) -> Table:
        grid = make_grid(market["eurusd"], watermark)
        return Table(grid.ts, {"column": np.asarray(formula(pd.Series(grid.close)), np.float64)})

    return compute


HONEST = {
    "mean of 20": lambda s: s.rolling(20).apply(np.mean, raw=True),
    "lag": lambda s: s.shift(3),
    "ema": lambda s: s.ewm(span=9, adjust=False).mean(),
}
MUTANTS = {
    "shift(-1)": lambda s: s.shift(-1),
    "centred window": lambda s: s.rolling(21, center=True).mean(),
    "backward fill": lambda s: s.where(np.arange(len(s)) % 7 == 0).bfill(),
    "interpolation": lambda s: s.where(np.arange(len(s)) % 7 == 0).interpolate(),
    "full-sample quantile": lambda s: (s > s.quantile(0.9)).astype(float),
    "full-sample scaling": lambda s: (s - s.mean()) / s.std(),
    "5-minute floor merge": lambda s: s.groupby(np.arange(len(s)) // 5).transform("last"),
}


@pytest.fixture
def market():
    bars = simulated()
    return {"eurusd": bars.slice(int(bars.ts[0]), int(bars.ts[0]) + 1600)}


@pytest.fixture
def minutes(market):
    return [int(market["eurusd"].ts[row]) for row in CUTS]


def end_of(market):
    return int(market["eurusd"].ts[-1])


@pytest.mark.parametrize("name", HONEST)
def test_honest_columns_pass(name, market, minutes):
    compute = table_of(HONEST[name])
    assert_truncation(compute, market, end_of(market), minutes)
    assert_blind_to_future(compute, market, end_of(market), minutes[0])


@pytest.mark.parametrize("name", MUTANTS)
def test_truncation_catches(name, market, minutes):
    with pytest.raises(AssertionError, match="column at row"):
        assert_truncation(table_of(MUTANTS[name]), market, end_of(market), minutes)


@pytest.mark.parametrize("name", MUTANTS)
def test_future_noise_catches(name, market, minutes):
    with pytest.raises(AssertionError, match=r"noise after minute .*: column at row"):
        assert_blind_to_future(table_of(MUTANTS[name]), market, end_of(market), minutes[1])


def test_cutting_one_pair_only_catches_a_mix_of_times(market, minutes):
    """A column that reads another pair's next bar is seen when only that pair's future changes."""
    both = market | {"gbpusd": market["eurusd"]}

    def compute(pairs, watermark):
        own, other = make_grid(pairs["eurusd"], watermark), make_grid(pairs["gbpusd"], watermark)
        ahead = dict(zip((other.ts - 1).tolist(), other.close.tolist(), strict=True))
        return Table(own.ts, {"column": np.array([ahead.get(minute, np.nan) for minute in own.ts.tolist()])})

    with pytest.raises(AssertionError, match="column at row"):
        assert_blind_to_future(compute, both, end_of(market), minutes[1], pairs={"gbpusd"})
    assert_blind_to_future(compute, both, end_of(market), minutes[1], pairs={"eurusd"})


def test_chunks_catch_a_short_warm_up(market, minutes):
    compute = table_of(HONEST["ema"])
    assert_chunks(compute, market, end_of(market), minutes, lookback=110)
    with pytest.raises(AssertionError, match="chunk from minute"):
        assert_chunks(compute, market, end_of(market), minutes, lookback=20)


def test_chunks_catch_a_running_sum(market, minutes):
    with pytest.raises(AssertionError, match="column at row"):
        assert_chunks(table_of(lambda s: s.cumsum()), market, end_of(market), minutes, lookback=500)


def test_an_offence_names_column_row_and_value():
    ts = np.arange(100, 103)
    right, wrong = np.array([np.nan, 1.0, 2.0]), np.array([np.nan, 1.0, 2.5])
    assert offence(Table(ts, {"x": right}), Table(ts, {"x": right})) is None
    message = offence(Table(ts, {"x": wrong}), Table(ts, {"x": right}))
    assert message == "x at row 2 (minute 102): np.float64(2.5) instead of np.float64(2.0), 1 such rows"
    assert "minute 102 is in one table only" in offence(
        Table(ts[:2], {"x": right[:2]}), Table(ts, {"x": right})
    )


def test_a_value_that_appears_or_vanishes_is_an_offence():
    ts = np.arange(2)
    with_value, without = Table(ts, {"x": np.array([1.0, 2.0])}), Table(ts, {"x": np.array([1.0, np.nan])})
    assert offence(with_value, without, tolerance=1e-9) is not None
    assert offence(without, with_value, tolerance=1e-9) is not None
