"""The newest bars of several pairs at once, for a reader that waits: one statement, no bar too many.

`include.storage.bars` reads months. Here the number of bars is given, so the server walks the key backwards
from the end. A lower bound keeps it to the partitions behind that; a pair that has too few bars there is read
again without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from psycopg import sql

from include.features.bars import Bars
from include.names import SCHEMA, table
from include.storage.arrays import read_unsorted
from include.storage.bars import FIELDS, PRICES, Source, refuse_impossible, source_of
from include.storage.connection import Connection, statement
from include.storage.copying import FloatArray, MinuteArray

__all__ = ["Asked", "Found", "read_newest"]

CLOSES = ("close",)
WEEK, WEEKEND = 7 * 1440, 2 * 1440 + 720  # minutes; a weekend with an hour of a holiday around it


class Asked(NamedTuple):
    """What is asked for of one pair.

    Attributes:
        rows: real bars, counted back from the end.
        closes_only: nothing but closes is needed; every other price is the close then.
    """

    rows: int
    closes_only: bool = False


class Found(NamedTuple):
    """What there is.

    Attributes:
        bars: in time order, at most as many as were asked for.
        all_there_are: the pair has no bar before the first of these.
    """

    bars: Bars
    all_there_are: bool


def read_newest(connection: Connection, asked: Mapping[str, Asked], end: int) -> dict[str, Found]:
    """The last bars of several pairs before a minute.

    Args:
        connection: a session from `include.storage.connection.connect`.
        asked: how many bars of each pair.
        end: epoch minute just after the last one wanted.

    Raises:
        MissingInput: a pair has no table of bars, or a bar in it is none, see `include.storage.bars`.
        SchemaMismatch: a table has neither our columns nor the origin's.
    """
    if not asked:
        return {}
    sources = _sources(connection, list(asked))
    near = {pair: end - _span(one.rows) for pair, one in asked.items()}
    bars = _read(connection, sources, asked, near, end)
    short = {pair: one for pair, one in asked.items() if len(bars[pair]) < one.rows}
    if short:
        bars |= _read(connection, sources, short, {}, end)
    return {pair: Found(bars[pair], len(bars[pair]) < one.rows) for pair, one in asked.items()}


def _span(rows: int) -> int:
    """Minutes in which that many bars usually lie: every week begun costs a weekend."""
    weeks = 1 + rows // (WEEK - WEEKEND)
    return rows + rows // 20 + weeks * WEEKEND


def _sources(connection: Connection, pairs: Sequence[str]) -> dict[str, Source]:
    names = [table("m1", pair) for pair in pairs]
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    query = statement("storage/describe_bars")
    for name, column, kind in connection.execute(query, {"tables": names, "schema": SCHEMA}):
        found[str(name)][str(column)] = str(kind)
    return {pair: source_of(pair, found[table("m1", pair)]) for pair in pairs}


def _read(
    connection: Connection,
    sources: Mapping[str, Source],
    asked: Mapping[str, Asked],
    since: Mapping[str, int],
    end: int,
) -> dict[str, Bars]:
    branches = [
        sql.SQL("({})").format(_branch(number, sources[pair], one, since.get(pair), end))
        for number, (pair, one) in enumerate(asked.items())
    ]
    query = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(sql.SQL("\nUNION ALL\n").join(branches))
    ts, columns = read_unsorted(connection, query, {}, ("number", *FIELDS))
    order = np.lexsort((ts, columns["number"]))
    limits = np.searchsorted(columns["number"][order], np.arange(len(asked) + 1))
    bars = {}
    for number, (pair, one) in enumerate(asked.items()):
        rows = order[limits[number] : limits[number + 1]]
        bars[pair] = _bars(pair, ts[rows], {name: columns[name][rows] for name in FIELDS}, one)
    return bars


def _branch(number: int, source: Source, asked: Asked, since: int | None, end: int) -> sql.Composed:
    wanted = CLOSES if asked.closes_only else FIELDS
    fields = [
        sql.SQL("{}::FLOAT8").format(source.field(name)) if name in wanted else sql.SQL("NULL::FLOAT8")
        for name in FIELDS
    ]
    first = sql.SQL("'-infinity'") if since is None else sql.Literal(source.moment(since))
    return statement(
        "storage/newest_bars",
        key=source.key,
        number=sql.Literal(number),
        fields=sql.SQL(", ").join(fields),
        table=source.table,
        column=source.column,
        since=first,
        end=sql.Literal(source.moment(end)),
        rows=sql.Literal(asked.rows),
    )


def _bars(pair: str, ts: MinuteArray, columns: dict[str, FloatArray], asked: Asked) -> Bars:
    refuse_impossible(pair, ts, columns, CLOSES if asked.closes_only else PRICES)
    if asked.closes_only:
        columns |= dict.fromkeys(PRICES, columns["close"])
    return Bars(ts=ts, **columns)
