"""What a month must hold according to the bars: its keys, and where a column may be NULL.

A column is NULL in its warm-up and where an input that the catalogue names is absent, nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from include.build.chunks import Chunk, read_chunk, with_shared
from include.build.coverage import Keys
from include.features.catalogue import Feature
from include.names import Month
from include.pairs import PAIRS, USD_MAJORS
from include.storage.connection import Connection, statement
from include.storage.copying import FloatArray
from include.storage.log import baselines, watermark

Flags = NDArray[np.bool_]

LAST_AGE = 5  # minutes for which a real bar is followed by rows
OWN_INPUTS = {"V": "volume", "p": "spread"}  # a source may lack them
OTHER_PAIRS = frozenset(("r_ref", "b_ref", "b_usd", "b_all", "M", "M_db"))  # joined by the minute


class Allowed(NamedTuple):
    """How many rows of a column may and must be NULL in a month.

    Attributes:
        warm_up: rows before enough bars exist.
        absent: at most that many rows behind the warm-up have an absent input in their window.
        least: at least that many rows are NULL, by either reason.
        exact_start: the warm-up is exact; columns of other pairs may start sooner.
    """

    warm_up: int
    absent: int
    least: int
    exact_start: bool


class Expected(NamedTuple):
    """What the bars ask of one month of one pair.

    Attributes:
        chunk: grid bars of the month with the look-back of every family in front.
        keys: number and fingerprint of the rows the month must have.
    """

    chunk: Chunk
    keys: Keys

    @property
    def month(self) -> Month:
        """The month."""
        return self.chunk.month

    def absent(self, name: str) -> int:
        """Rows of the month without the input: ``volume`` or ``spread``."""
        return int(self._is_absent(name)[self.chunk.first_row :].sum())

    def allowed(self, column: Feature, values: FloatArray) -> Allowed:
        """Where a column may be NULL.

        A window of the pair's own bars may hold an absent input if one of its rows does: that is
        counted here, from the bars. Where another pair lacks a row, the join decides, on that
        pair's grid and on the dollar grid: that is taken from the recomputed values.

        Args:
            column: the column.
            values: the recomputed values of the month, NaN = NULL.
        """
        # With a full look-back in front, the month begins behind the warm-up of every column.
        warm_up = min(max(column.first_row - self.chunk.first_row, 0), len(self.chunk.rows_of_month))
        if not OTHER_PAIRS.isdisjoint(column.inputs):
            null = np.isnan(values)
            return Allowed(warm_up, int(null[warm_up:].sum()), int(null.sum()), exact_start=False)
        first = self.chunk.first_row + warm_up
        rows = self._inputs_absent(column)
        window = _within(rows, column.lookback + 1)
        return Allowed(
            warm_up, int(window[first:].sum()), warm_up + int(rows[first:].sum()), exact_start=True
        )

    def _inputs_absent(self, column: Feature) -> Flags:
        rows = np.zeros(len(self.chunk.grid), dtype=np.bool_)
        for symbol in OWN_INPUTS.keys() & column.inputs:
            rows |= self._is_absent(OWN_INPUTS[symbol])
        return rows

    def _is_absent(self, name: str) -> Flags:
        values: FloatArray = getattr(self.chunk.grid, name)
        return np.isnan(values)


def expect(
    connection: Connection, pair: str, month: Month, lookback: int, families: Iterable[str] = ()
) -> Expected:
    """Read the bars of a month and say what its tables must hold.

    Args:
        connection: a session from `include.storage.connection.connect`.
        pair: the currency pair.
        month: the month.
        lookback: bars to read in front of the month, at least the look-back of every column.
        families: what these read of what all pairs share is read too.

    Raises:
        MissingInput: the pair has no bars or no baseline.
    """
    chunk = read_chunk(connection, pair, month, lookback)
    return Expected(with_shared(connection, chunk, families), _keys(connection, chunk))


def own_inputs(columns: Iterable[Feature]) -> list[str]:
    """Inputs of the pair itself that the columns read and a source may lack."""
    read = {symbol for column in columns for symbol in column.inputs}
    return [name for symbol, name in OWN_INPUTS.items() if symbol in read]


def pairs_not_loaded(connection: Connection, columns: Iterable[Feature]) -> list[str]:
    """Other pairs that the columns read and that have no bars."""
    loaded = baselines(connection)
    return sorted({pair for column in columns for pair in _other_pairs(column) if pair not in loaded})


def _other_pairs(column: Feature) -> set[str]:
    """Whatever joins another pair needs the majors, and the pairs that the formula names."""
    if OTHER_PAIRS.isdisjoint(column.inputs):
        return set()
    if "b_all" in column.inputs:
        return set(PAIRS)
    return {*USD_MAJORS, *(pair for pair in PAIRS if pair in column.formula)}


def _keys(connection: Connection, chunk: Chunk) -> Keys:
    """A minute is a row if a real bar is at most `LAST_AGE` minutes old: not counted by the grid's code."""
    real = chunk.grid.ts[~chunk.grid.is_filled]
    minutes = np.unique((real[:, np.newaxis] + np.arange(LAST_AGE + 1)).ravel())
    end = min(chunk.month.end_minute, watermark(connection) + 1)
    minutes = minutes[(minutes >= chunk.month.first_minute) & (minutes < end)]
    query = statement("quality/fingerprint_minutes")
    row = connection.execute(query, {"minutes": minutes.tolist()}).fetchone()
    assert row is not None
    return Keys(int(str(row[0])), int(str(row[1] or 0)))


def _within(rows: Flags, window: int) -> Flags:
    """Rows with a flagged one among themselves and the `window` - 1 before."""
    if not rows.any():
        return rows
    total = np.concatenate([np.zeros(window, dtype=np.int64), np.cumsum(rows)])
    return np.asarray(total[window:] > total[:-window])
