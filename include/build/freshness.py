"""Do the stored tables follow from what is there now? Asked of the bars, not of counts.

A month of a table is fresh if the log of builds says that it was made from exactly what it would be made
from now: bars with their look-back, baseline, price side, the shared columns and the code. A corrected bar, a
changed formula or a build of some months only leaves others stale, also those of other pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import NamedTuple, TypeVar

import numpy as np

from include.build.chunks import SHARED_INPUTS, Chunk, lookback_of, read_chunk, read_to_dollar_grid
from include.build.shared import cut, readable_months, shared_fingerprint
from include.errors import BqxError
from include.features.catalogue import STORED
from include.features.shared import SHARED_COLUMNS, SHARED_LOOKBACK, Shared
from include.names import SCHEMA, Month
from include.names import table as name_of
from include.pairs import PAIRS
from include.storage.arrays import read_rows
from include.storage.connection import Connection, connect
from include.storage.log import Built, builds_of, logged_months
from include.storage.partitions import count_rows, partition_of
from include.storage.schema import columns_of
from include.storage.tables import SHARED

T = TypeVar("T")

AT_ONCE = 2  # sessions of the database that look at months or pairs together
_NAMED = 3
_OTHER = "it was built from other bars, another base or by other code"
_UNBUILT = "it was not built"
_EMPTY = "no bar of the month is left, its rows are those of an earlier build"


class Stale(NamedTuple):
    """A month of a table that is not what a build would write now.

    Attributes:
        pair: whose table it is.
        table: its name.
        month: ``yyyy-mm``.
        reason: for people.
        built: it was built once; otherwise it is only missing.
    """

    pair: str
    table: str
    month: str
    reason: str
    built: bool = True

    def __str__(self) -> str:
        return f"{SCHEMA}.{self.table} {self.month}: {self.reason}"


class Freshness(NamedTuple):
    """What was found.

    Attributes:
        stale: months that are not fresh, by month, in the order of pairs and families.
        fingerprints: what each month of each table would be made from now: table to month to hash.
        inputs: by pair and month, one hash over its bars and the fingerprints of its tables.
    """

    stale: tuple[Stale, ...]
    fingerprints: dict[str, dict[str, str]]
    inputs: dict[str, dict[str, str]]


class Expected(NamedTuple):
    """What a month of some tables would be made from now. It follows from the bars, never from the log.

    Attributes:
        month: ``yyyy-mm``.
        rows: by pair, how many rows a build would write.
        fingerprints: by table.
        inputs: by pair, one hash over its bars and the fingerprints of its tables.
        shared: fingerprint of what all pairs share; None if no table reads it.
        error: why nothing can be said of the month; empty if something can.
    """

    month: str
    rows: dict[str, int]
    fingerprints: dict[str, str]
    inputs: dict[str, str]
    shared: str | None = None
    error: str = ""


class Scope(NamedTuple):
    """Which months of which pairs there are to look at.

    Attributes:
        loaded: every pair whose bars can be read.
        pairs: those of them that were asked for.
        months: every month that has bars or was built.
        unreadable: pairs that were asked for and cannot be read, and why.
    """

    loaded: tuple[str, ...]
    pairs: tuple[str, ...]
    months: tuple[Month, ...]
    unreadable: dict[str, str]

    @classmethod
    def of(cls, connection: Connection, pairs: Sequence[str], families: Sequence[str]) -> Scope:
        """Read it from the tables of bars and the log of builds."""
        available, unreadable = readable_months(connection)
        built = logged_months(connection, [name_of(family, pair) for pair in pairs for family in families])
        months = {*built}.union(*(available.get(pair, ()) for pair in pairs))
        return cls(
            tuple(sorted(available)),
            tuple(pair for pair in pairs if pair in available),
            tuple(sorted(months)),
            {pair: unreadable[pair] for pair in pairs if pair in unreadable},
        )


def check_freshness(
    url: str, pairs: Sequence[str], families: Sequence[str] = STORED, months: Sequence[str] = ()
) -> Freshness:
    """Compare every month of some tables with what it would be made from now. Reads only.

    Args:
        url: libpq connection string.
        pairs: pairs to look at.
        families: stored families of the catalogue.
        months: months as ``yyyy-mm``; empty means every month that has bars or was built.
    """
    with connect(url) as connection:
        if not columns_of(connection, "build_log"):
            return Freshness((), {}, {})
        scope = Scope.of(connection, pairs, families)

    def look(connection: Connection, month: Month) -> Freshness:
        return compare(connection, scope, families, expect(connection, scope, families, month))

    wanted = [Month.parse(text) for text in months] or scope.months
    found = _each_month(url, wanted, look)
    broken = [Stale(pair, name_of("m1", pair), "", why) for pair, why in scope.unreadable.items()]
    whole = Freshness((*broken, *(one for each in found for one in each.stale)), {}, {})
    for each in found:
        for table, hashes in each.fingerprints.items():
            whole.fingerprints.setdefault(table, {}).update(hashes)
        for pair, hashes in each.inputs.items():
            whole.inputs.setdefault(pair, {}).update(hashes)
    return whole


def expect_all(url: str, scope: Scope, families: Sequence[str]) -> list[Expected]:
    """What every month would be made from now; `compare` says which of them were made from that.

    Args:
        url: libpq connection string.
        scope: of these families.
        families: stored families of the catalogue.
    """
    return _each_month(
        url, scope.months, lambda connection, month: expect(connection, scope, families, month)
    )


def _each_month(url: str, months: Sequence[Month], look: Callable[[Connection, Month], T]) -> list[T]:
    """What a look at each month finds, which sees the tables as they were when it began."""

    def look_at(month: Month) -> T:
        with connect(url) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return look(connection, month)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(look_at, months))


def input_hash(chunk: Chunk, fingerprints: Iterable[str]) -> str:
    """One hash over the bars of a month and the fingerprints of the pair's tables, in order of families."""
    digest = blake2b(chunk.digest(), digest_size=8)
    digest.update(" ".join(fingerprints).encode())
    return digest.hexdigest()


def describe(stale: Sequence[Stale]) -> str:
    """What is stale and which run heals it, for people; empty if nothing is."""
    if not stale:
        return ""
    runs = (
        _run("bqx_load", [one for one in stale if one.table.startswith("bqx_")]),
        _run("bqx_features", [one for one in stale if not one.table.startswith("bqx_")]),
    )
    return f"{summary(stale)} {' '.join(filter(None, runs))}"


def summary(stale: Sequence[Stale]) -> str:
    """The first few, and how many more."""
    more = f" And {len(stale) - _NAMED:,} more months of tables." if len(stale) > _NAMED else ""
    return f"{'; '.join(map(str, stale[:_NAMED]))}.{more}"


def _run(dag: str, stale: Sequence[Stale]) -> str:
    """The run that makes some months fresh again."""
    if not stale:
        return ""
    pairs = [pair for pair in PAIRS if any(one.pair == pair for one in stale)]
    asked = [f'"pairs": {_listed(pairs)}' if len(pairs) < len(PAIRS) else "all pairs"]
    if dag == "bqx_features" and (months := sorted({one.month for one in stale if one.month})):
        asked.append(f'"months": {_listed(months)}')
    return f"Run the DAG {dag} with {', '.join(asked)}."


def expect(connection: Connection, scope: Scope, families: Sequence[str], month: Month) -> Expected:
    """What a month of each table would be made from now.

    Args:
        connection: a session.
        scope: of these families.
        families: stored families of the catalogue.
        month: the month.
    """
    shares = any(family in SHARED_INPUTS for family in families)
    try:
        chunks = _chunks(connection, scope.loaded if shares else scope.pairs, families, month, shares=shares)
    except BqxError as error:
        return Expected(str(month), {}, {}, {}, error=str(error))
    rows = {pair: len(chunk.rows_of_month) for pair, chunk in chunks.items()}
    found = Expected(str(month), rows, {}, {}, shared_fingerprint(cut(chunks, month)) if shares else None)
    shared = _read_shared(connection, [chunks[pair] for pair in scope.pairs]) if shares else None
    for pair in scope.pairs:
        chunk = _beside(chunks[pair], shared)
        prints = chunk.fingerprints(families)
        found.fingerprints.update({name_of(family, pair): value for family, value in prints.items()})
        found.inputs[pair] = input_hash(chunk, prints.values())
    return found


def compare(connection: Connection, scope: Scope, families: Sequence[str], expected: Expected) -> Freshness:
    """Compare what a month would be made from now with what the log says that it was made from.

    Args:
        connection: a session.
        scope: as it was for `expect`.
        families: as they were for `expect`.
        expected: the month.
    """
    month, told = Month.parse(expected.month), expected.month
    if expected.error:
        broken = [Stale(pair, name_of("m1", pair), told, expected.error) for pair in scope.pairs]
        return Freshness(tuple(broken), {}, {})
    log = builds_of(connection, [*expected.fingerprints, SHARED], [month])
    reason = _why_shared_is_stale(connection, expected, log.get((SHARED, month)))
    found = Freshness((), {}, {pair: {told: value} for pair, value in expected.inputs.items()})
    stale = []
    for pair, family in itertools.product(scope.pairs, families):
        table, rows = name_of(family, pair), expected.rows[pair]
        last, fingerprint = log.get((table, month)), expected.fingerprints[table]
        why = _why(last, fingerprint, rows=rows)
        if not why and last is not None and family in SHARED_INPUTS:
            why = reason
        if why:
            stale.append(Stale(pair, table, told, why, built=last is not None))
        if last is not None or rows:
            found.fingerprints[table] = {told: fingerprint}
    return found._replace(stale=tuple(stale))


def _chunks(
    connection: Connection, pairs: Sequence[str], families: Sequence[str], month: Month, *, shares: bool
) -> dict[str, Chunk]:
    """The month of several pairs with as much in front of it as any of the tables reads."""
    lookback = max(map(lookback_of, families))
    if shares:
        return read_to_dollar_grid(connection, pairs, month, max(lookback, SHARED_LOOKBACK))
    return {pair: read_chunk(connection, pair, month, lookback) for pair in pairs}


def _why(last: Built | None, expected: str, *, rows: int) -> str:
    """Why a month is stale; empty if it is fresh or there is nothing to build."""
    if last is None:
        return _UNBUILT if rows else ""
    if last.input_hash == expected:
        return ""
    return _OTHER if rows else _EMPTY


def _why_shared_is_stale(connection: Connection, expected: Expected, last: Built | None) -> str:
    if expected.shared is None:
        return ""
    why = _why(last, expected.shared, rows=sum(expected.rows.values()))
    if not why and last is not None and last.rows != _rows_of(connection, Month.parse(expected.month)):
        why = "rows of it were deleted or added since it was built"
    return f"what all pairs share ({SCHEMA}.{SHARED}) is not up to date: {why}" if why else ""


def _rows_of(connection: Connection, month: Month) -> int:
    """Rows of the shared table in a month, counted."""
    name = partition_of(connection, SHARED, month)
    return count_rows(connection, name) if name else 0


def _read_shared(connection: Connection, chunks: Sequence[Chunk]) -> Shared:
    """The shared columns over the minutes of all chunks."""
    limits = [(int(chunk.grid.ts[0]), int(chunk.grid.ts[-1])) for chunk in chunks if len(chunk.grid)]
    if not limits or not columns_of(connection, SHARED):
        return Shared(np.empty(0, np.int64), {name: np.empty(0) for name in SHARED_COLUMNS})
    first, last = min(first for first, _ in limits), max(last for _, last in limits)
    return Shared(*read_rows(connection, SHARED, list(SHARED_COLUMNS), first, last + 1))


def _beside(chunk: Chunk, shared: Shared | None) -> Chunk:
    """The chunk with the shared columns of its own minutes."""
    if shared is None or not len(chunk.grid):
        return chunk._replace(shared=shared)
    own = slice(*np.searchsorted(shared.ts, (chunk.grid.ts[0], chunk.grid.ts[-1] + 1)))
    return chunk._replace(
        shared=Shared(shared.ts[own], {name: values[own] for name, values in shared.columns.items()})
    )


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
