"""What the bars ask of a month, and where NULL may be: against sets and windows counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from include.features.catalogue import STORED, Feature, family
from include.features.grid import make_grid
from include.names import Month
from include.pairs import PAIRS, USD_MAJORS
from include.quality.expected import (
    OTHER_PAIRS,
    OWN_INPUTS,
    Allowed,
    Expected,
    expect,
    own_inputs,
    pairs_not_loaded,
)
from include.storage.connection import Connection, connect
from tests.include.storage.samples import sample_bars, store

BARS = sample_bars(days_around=1, months=1)
FEBRUARY = Month(2024, 2)
OWN = {"S", "H", "L", "b", "b_hi", "b_lo", "q15", "q30", "q45", "q60", "q75", "r", "dS", "db", "is_filled"}
VOLUME = {column.name: column for column in family("volume_idx").columns}
LOOKBACK = 200


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    store(database_url, "eurusd", BARS)
    with connect(database_url) as connection:
        yield connection


def expected(connection: Connection, month: Month = FEBRUARY) -> Expected:
    return expect(connection, "eurusd", month, LOOKBACK)


def allowed(found: Expected, column: Feature) -> Allowed:
    return found.allowed(column, np.zeros(len(found.chunk.rows_of_month)))


def test_the_gate_knows_every_input_of_the_stored_families() -> None:
    read = {symbol for name in STORED for column in family(name).columns for symbol in column.inputs}
    assert read <= OWN | OWN_INPUTS.keys() | OTHER_PAIRS
    assert OWN_INPUTS.keys() | OTHER_PAIRS <= read


def test_rows_are_counted_without_the_grid(connection: Connection) -> None:
    first, second = (expected(connection, month) for month in (Month(2024, 1), FEBRUARY))
    grid = make_grid(BARS, int(BARS.ts[-1]))
    assert first.keys.number + second.keys.number == len(grid)
    assert second.keys.number == (grid.ts >= FEBRUARY.first_minute).sum()


def test_the_warm_up_ends_in_the_month_where_it_ends(connection: Connection) -> None:
    column = VOLUME["volume_sma_20"]
    assert allowed(expected(connection, Month(2024, 1)), column) == (19, 0, 19, True)
    assert allowed(expected(connection), column) == (0, 0, 0, True)


def test_an_absent_input_excuses_the_windows_that_hold_it(database_url: str, connection: Connection) -> None:
    at = int(np.searchsorted(BARS.ts, FEBRUARY.first_minute + 100))
    assert BARS.ts[at + 1] == BARS.ts[at] + 1  # no filled bar repeats it
    volume = BARS.volume.copy()
    volume[at] = np.nan
    store(database_url, "eurusd", replace(BARS, volume=volume))
    found = expected(connection)
    assert (found.absent("volume"), found.absent("spread")) == (1, 0)
    assert allowed(found, VOLUME["volume_level"]) == (0, 1, 1, True)
    assert allowed(found, VOLUME["volume_sma_20"]) == (0, 20, 1, True)


def test_a_gap_at_the_end_of_a_month_reaches_into_the_next(database_url: str, connection: Connection) -> None:
    volume = np.where(BARS.ts < FEBRUARY.first_minute, np.nan, BARS.volume)
    store(database_url, "eurusd", replace(BARS, volume=volume))
    found = expected(connection)
    filled = found.absent("volume")  # minutes filled from the last bar of January
    assert allowed(found, VOLUME["volume_sma_20"]) == (0, 19 + filled, filled, True)
    before = expected(connection, Month(2024, 1))
    rows = before.keys.number
    assert allowed(before, VOLUME["volume_sma_20"]) == (19, rows - 19, rows, True)


def test_joined_columns_may_be_null_where_the_join_is(connection: Connection) -> None:
    found = expected(connection, Month(2024, 1))
    column = next(one for one in family("correlation_idx").columns if one.name == "cov_trace_20")
    values = np.ones(found.keys.number)
    values[:20] = values[100:130] = np.nan
    assert found.allowed(column, values) == (20, 30, 50, False)


def test_pairs_that_were_never_loaded_are_named(database_url: str, connection: Connection) -> None:
    def absent(name: str) -> list[str]:
        return pairs_not_loaded(connection, family(name).columns)

    assert absent("volume_idx") == []
    assert absent("correlation_idx") == sorted(set(USD_MAJORS) - {"eurusd"})
    assert absent("correlation_bqx") == sorted(set(PAIRS) - {"eurusd"})
    store(database_url, "usdjpy", BARS)
    assert "usdjpy" not in absent("correlation_idx")


def test_only_inputs_that_are_read_can_be_absent() -> None:
    assert own_inputs(family("volume_idx").columns) == ["volume"]
    assert own_inputs(family("reg_bqx").columns) == []
