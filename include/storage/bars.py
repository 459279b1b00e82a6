"""Minute bars in PostgreSQL: read from our layout or, in place, from the origin's.

Our ``m1_{pair}`` has the key ``ts_utc TIMESTAMPTZ``; the origin's has ``time TIMESTAMP`` that means
UTC, NUMERIC prices and partitions named in its own way. Both are read through the parent table, so
partition names do not matter; the origin's tables are never written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from psycopg import sql

from include.errors import MissingInput, SchemaMismatch
from include.features.bars import Bars
from include.names import SCHEMA, Month, table, to_datetime, to_minute
from include.storage.arrays import read_columns
from include.storage.connection import Connection, qualified, statement
from include.storage.copying import FloatArray, MinuteArray
from include.storage.schema import columns_of

PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume", "spread")


class Source(NamedTuple):
    """Where the bars of a pair are: the table, its key column, the key as TIMESTAMPTZ."""

    table: sql.Identifier
    column: sql.Identifier
    key: sql.Composable
    naive: bool

    def moment(self, minute: int) -> datetime:
        """A bound in the type of the key column, so that its index and partitions are used."""
        moment = to_datetime(minute)
        return moment.replace(tzinfo=None) if self.naive else moment

    def field(self, name: str) -> sql.Identifier:
        """The column of one of `FIELDS`."""
        return sql.Identifier("spread_close" if name == "spread" else name)


def is_origin_layout(connection: Connection, pair: str) -> bool:
    """Whether ``m1_{pair}`` exists with the origin's key column ``time``."""
    return "time" in columns_of(connection, table("m1", pair))


def _source(connection: Connection, pair: str) -> Source:
    return source_of(pair, columns_of(connection, table("m1", pair)))


def source_of(pair: str, columns: Mapping[str, str]) -> Source:
    """How the bars of a pair are read.

    Args:
        pair: the currency pair.
        columns: name and SQL type of the columns of its table; none if there is no table.

    Raises:
        MissingInput: the pair has no table of bars.
        SchemaMismatch: the table has neither our columns nor the origin's.
    """
    name = table("m1", pair)
    if not columns:
        raise MissingInput(f"Table {SCHEMA}.{name} does not exist: load bars of {pair} first (DAG bqx_load).")
    missing = [column for column in (*FIELDS[:5], "spread_close") if column not in columns]
    key = "ts_utc" if "ts_utc" in columns else "time"
    if missing or key not in columns:
        raise SchemaMismatch(
            f"Table {SCHEMA}.{name} is not a table of minute bars: no column "
            f"{', '.join(missing) or 'ts_utc or time'}. Rename it or give it that column."
        )
    column = sql.Identifier(key)
    naive = not columns[key].endswith("WITH TIME ZONE")
    utc = sql.SQL("({} AT TIME ZONE 'UTC')").format(column) if naive else column
    return Source(qualified(name), column, utc, naive)


def read_bars(connection: Connection, pair: str, first: int, end: int, before: int = 0) -> Bars:
    """Real bars of a pair in time order.

    Args:
        connection: a session from `include.storage.connection.connect`.
        pair: the currency pair.
        first: first epoch minute wanted.
        end: epoch minute just after the last one wanted.
        before: how many real bars in front of `first` to read as well.

    Raises:
        MissingInput: the pair has no table of bars, or a bar in it is none: a price is NULL or not above
            zero, or two bars belong to one minute.
        SchemaMismatch: the table has neither our columns nor the origin's.
    """
    source = _source(connection, pair)
    query = statement("storage/read_bars", table=source.table, column=source.column, key=source.key)
    bounds = {"first": source.moment(first), "end": source.moment(end), "before": before}
    ts, columns = read_columns(connection, query, bounds, FIELDS)
    refuse_impossible(pair, ts, columns)
    return Bars(ts=ts, **columns)


def refuse_impossible(
    pair: str, ts: MinuteArray, columns: Mapping[str, FloatArray], prices: Sequence[str] = PRICES
) -> None:
    """Somebody may have changed the table by hand: the first bar that cannot be is named.

    Raises:
        MissingInput: one of these prices is NULL or not above zero, or two bars belong to one minute.
    """
    for name in prices:
        bad = ~(np.isfinite(columns[name]) & (columns[name] > 0))
        if bad.any():
            row = int(bad.argmax())
            raise _impossible(pair, int(ts[row]), f"its {name} is {_shown(float(columns[name][row]))}")
    twice = np.diff(ts) <= 0
    if twice.any():
        raise _impossible(pair, int(ts[int(twice.argmax())]), "a second bar has the same minute")


def _shown(value: float) -> str:
    return "NULL" if np.isnan(value) else f"{value:g}"


def _impossible(pair: str, minute: int, what: str) -> MissingInput:
    return MissingInput(
        f"The bar of {pair} at {to_datetime(minute):%Y-%m-%d %H:%M} UTC in {SCHEMA}.{table('m1', pair)} "
        f"cannot be used: {what}. Load the bars of {pair} again (DAG bqx_load), or correct that row, then "
        "clear this task."
    )


def range_of_bars(connection: Connection, pair: str) -> tuple[int, int] | None:
    """First and last epoch minute with a bar, or None for an empty table.

    Raises:
        MissingInput: the pair has no table of bars.
    """
    source = _source(connection, pair)
    row = connection.execute(
        statement("storage/range_of_bars", table=source.table, key=source.key)
    ).fetchone()
    if row is None or row[0] is None:
        return None
    first, last = row
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return to_minute(first), to_minute(last)


def last_bar_before(connection: Connection, pair: str, end: int) -> int | None:
    """Epoch minute of the pair's newest bar before a minute, or None if there is none.

    Raises:
        MissingInput: the pair has no table of bars.
    """
    source = _source(connection, pair)
    query = statement("storage/last_bar_before", table=source.table, column=source.column, key=source.key)
    row = connection.execute(query, {"end": source.moment(end)}).fetchone()
    if row is None:
        return None
    assert isinstance(row[0], datetime)
    return to_minute(row[0])


def close_at_or_after(connection: Connection, pair: str, minute: int) -> tuple[int, float] | None:
    """Epoch minute and close of the pair's bar at a minute, or of its first bar after it.

    Raises:
        MissingInput: the pair has no table of bars, or that bar has no close.
    """
    source = _source(connection, pair)
    query = statement("storage/close_at_baseline", table=source.table, column=source.column, key=source.key)
    row = connection.execute(query, {"baseline": source.moment(minute)}).fetchone()
    if row is None:
        return None
    moment, close = row
    assert isinstance(moment, datetime)
    if close is None:
        raise _impossible(pair, to_minute(moment), "its close is NULL")
    return to_minute(moment), float(str(close))


def price_side_of(connection: Connection, pair: str, month: Month, end: int | None = None) -> str:
    """Which price the bars of a month record; the origin recorded bids.

    Args:
        connection: a session.
        pair: the currency pair.
        month: the month.
        end: epoch minute just after the last bar that counts; None for all of the month.

    Returns:
        bid, mid, ask, or unknown: also where a month mixes sides.
    """
    name = table("m1", pair)
    if "price_side" not in columns_of(connection, name):
        return "bid"
    bounds = [to_datetime(month.first_minute), to_datetime(month.end_minute if end is None else end)]
    query = sql.SQL("SELECT DISTINCT price_side FROM {} WHERE ts_utc >= %s AND ts_utc < %s")
    sides = [str(side) for (side,) in connection.execute(query.format(qualified(name)), bounds)]
    return sides[0] if len(sides) == 1 else "unknown"
