"""The matrix of one pair: stored columns read back, the others computed from the bars, joined on the minute.

A month at a time, so that memory does not grow with the range. Training and validation read it through the
same two functions; what serves makes the same rows from the bars alone, see `include.serving.online`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, TypeVar

import numpy as np
import psycopg
from psycopg import sql

from include.build.chunks import Chunk, lookback_of, read_chunk, with_complete_bars, with_related
from include.build.freshness import input_hash
from include.dataset import targets
from include.errors import BadParameter, Incomplete
from include.features.arrays import Columns, Flags, Minutes
from include.features.catalogue import CATALOGUE, STORED, Family, Feature
from include.features.engine import compute
from include.names import SCHEMA, Month
from include.storage.arrays import read_rows
from include.storage.connection import Connection, connect, qualified
from include.storage.log import builds_of
from include.storage.tables import table_of

T = TypeVar("T")

UNDER_WAY = 2  # months that are read at the same time
FEATURES = tuple(column.full_name for family in CATALOGUE for column in family.columns)


class Matrix(NamedTuple):
    """Rows of one pair and month, every grid bar.

    Attributes:
        ts: epoch minutes, shape (rows,).
        features: ``table__column`` to float64 of shape (rows,), NaN = NULL, in catalogue order.
        base: reference columns, see `include.dataset.targets.base_columns`; never features.
        targets: the 25 raw targets.
    """

    pair: str
    month: Month
    ts: Minutes
    features: Columns
    base: Columns
    targets: Columns


def read_matrix(
    connection: Connection,
    pair: str,
    month: Month,
    names: Collection[str] | None = None,
    planned: str | None = None,
) -> Matrix:
    """One month of the matrix.

    Args:
        connection: a session outside of a transaction.
        pair: the currency pair.
        month: the month.
        names: features wanted, as ``table__column``; None for all 730.
        planned: refuse to read anything but these inputs, see `include.dataset.frame.Frame`.

    Raises:
        BadParameter: there is no such feature.
        Incomplete: a stored table has other rows than the bars ask for; it is named. Or the inputs are not
            those that were planned.
        MissingInput: the pair has no bars or no baseline.
    """
    with _one_moment(connection, pair, names):
        ts, features = _features(connection, pair, month, names, planned)
        base, raw = _reference(connection, pair, month, ts)
    return Matrix(pair, month, ts, features, base, raw)


def read_features(
    connection: Connection,
    pair: str,
    month: Month,
    names: Collection[str] | None = None,
    planned: str | None = None,
) -> tuple[Minutes, Columns]:
    """Rows and features of `read_matrix`, without what needs the first minutes of the month after.

    Raises:
        BadParameter, Incomplete, MissingInput: as `read_matrix`.
    """
    with _one_moment(connection, pair, names):
        return _features(connection, pair, month, names, planned)


def changed_since_plan(pair: str, month: str) -> Incomplete:
    """The error of a data set whose inputs are no longer those it was planned on."""
    return Incomplete(
        f"Bars, feature tables or code of {pair} in {month} changed since this data set was planned. Nothing "
        "is published of it. Run the DAG bqx_features, then start bqx_dataset again."
    )


@contextmanager
def _one_moment(connection: Connection, pair: str, names: Collection[str] | None) -> Iterator[None]:
    """Everything that is read inside is of one moment: a month that is being built waits for the end.

    A month that is swapped in would be seen at once, whatever an older snapshot says, so the parents are
    locked against that. Reading and writing of rows goes on.
    """
    families = ["m1", *(family.name for family, _ in _wanted(names) if family.stored)]
    tables = sql.SQL(", ").join(
        sql.SQL("ONLY {}").format(qualified(table_of(name, pair).name)) for name in families
    )
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        try:
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables))
        except psycopg.errors.UndefinedTable as error:
            raise Incomplete(
                f"{pair}: {error.diag.message_primary}. Load its bars (DAG bqx_load) and build its features "
                "(DAG bqx_features) first."
            ) from error
        yield


def _features(
    connection: Connection, pair: str, month: Month, names: Collection[str] | None, planned: str | None
) -> tuple[Minutes, Columns]:
    wanted = _wanted(names)
    features: Columns = {}
    chunk = _chunk(connection, pair, month, [family.name for family, _ in wanted if not family.stored])
    if planned is not None and planned != _inputs(connection, chunk):
        raise changed_since_plan(pair, str(month))
    for family, columns in wanted:
        part = _stored(connection, chunk, family, columns) if family.stored else _computed(chunk, family)
        features |= {column.full_name: part[column.name] for column in columns}
    return chunk.rows_of_month, features


def _inputs(connection: Connection, chunk: Chunk) -> str:
    """Hash over the bars of the month and what the stored tables of the pair were made from."""
    tables = [table_of(family, chunk.pair).name for family in STORED]
    log = builds_of(connection, tables, [chunk.month])
    hashes = (log[name, chunk.month].input_hash if (name, chunk.month) in log else "" for name in tables)
    return input_hash(chunk, hashes)


def ahead(url: str, read: Callable[[Connection, Month], T], months: Iterable[Month]) -> Iterator[T]:
    """What `read` gives for each month, in their order; the next ones are read while one is worked on.

    Each has a connection of its own: while the server prepares one month, the other is taken apart here.
    Memory: one month, and those under way.
    """
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(url)) for _ in range(UNDER_WAY)]
        pool = stack.enter_context(ThreadPoolExecutor(UNDER_WAY))
        under_way: deque[Future[T]] = deque()
        for number, month in enumerate(months):
            done = under_way.popleft().result() if len(under_way) == UNDER_WAY else None
            under_way.append(pool.submit(read, connections[number % UNDER_WAY], month))
            if done is not None:
                yield done
        while under_way:
            yield under_way.popleft().result()


def _wanted(names: Collection[str] | None) -> list[tuple[Family, list[Feature]]]:
    """Families with those of their columns that are wanted, in the order of the catalogue."""
    chosen = set(FEATURES if names is None else names)
    if unknown := sorted(chosen.difference(FEATURES)):
        raise BadParameter(f"The catalogue has no feature {', '.join(unknown[:5])}; see docs/features.md.")
    wanted = [(family, [one for one in family.columns if one.full_name in chosen]) for family in CATALOGUE]
    return [(family, columns) for family, columns in wanted if columns]


def _chunk(connection: Connection, pair: str, month: Month, computed: Iterable[str]) -> Chunk:
    """Bars of the month with the history that the computed families need."""
    families = list(computed)
    chunk = read_chunk(connection, pair, month, max(map(lookback_of, families), default=0))
    if "mres" in families:
        chunk = with_complete_bars(connection, chunk)
    return with_related(connection, chunk) if "xpair" in families else chunk


def _computed(chunk: Chunk, family: Family) -> Columns:
    columns = compute(family.name, chunk.series, pair=chunk.pair, related=chunk.related)
    return {name: values[chunk.first_row :] for name, values in columns.items()}


def _stored(connection: Connection, chunk: Chunk, family: Family, wanted: Iterable[Feature]) -> Columns:
    table, month = table_of(family.name, chunk.pair), chunk.month
    names = [column.name for column in wanted]
    ts, columns = read_rows(connection, table.name, names, month.first_minute, month.end_minute)
    if not np.array_equal(ts, chunk.rows_of_month):
        raise Incomplete(
            f"{SCHEMA}.{table.name} has {len(ts):,} rows in {month}, the bars ask for "
            f"{len(chunk.rows_of_month):,}: build that month first (DAG bqx_features)."
        )
    return columns


def _reference(connection: Connection, pair: str, month: Month, ts: Minutes) -> tuple[Columns, Columns]:
    """Reference columns and targets: these need the first minutes of the month after."""
    chunk = read_chunk(connection, pair, month.next, targets.LOOKBACK, since=month.first_minute)
    series = chunk.series
    own = (series.ts >= month.first_minute) & (series.ts < month.end_minute)
    assert np.array_equal(series.ts[own], ts), "both chunks come from the same bars"
    base, raw = targets.base_columns(series), targets.raw_targets(series)
    return _rows(base, own), _rows(raw, own)


def _rows(columns: Columns, which: Flags) -> Columns:
    return {name: values[which] for name, values in columns.items()}
