"""Do the stored tables follow from what is there now? Asked of the bars, not of counts.

A month of a table is fresh if the log of builds says that it was made from exactly what it would be made
from now: bars with their look-back, baseline, price side, the shared columns and the code. A corrected bar, a
changed formula or a build of some months only leaves others stale, also those of other pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import NamedTuple

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

AT_ONCE = 2  # months that are looked at together
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
        available, unreadable = readable_months(connection)
        tables = [name_of(family, pair) for pair in pairs for family in families]
        built = logged_months(connection, tables)
        every = {*built}.union(*(available.get(pair, ()) for pair in pairs))
    wanted = [Month.parse(text) for text in months] or sorted(every)
    broken = [Stale(pair, name_of("m1", pair), "", unreadable[pair]) for pair in pairs if pair in unreadable]
    asked = [pair for pair in pairs if pair in available]

    def look(month: Month) -> Freshness:
        with connect(url) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return _check_month(connection, sorted(available), asked, families, month)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(look, wanted))
    whole = Freshness((*broken, *(one for each in found for one in each.stale)), {}, {})
    for each in found:
        for table, hashes in each.fingerprints.items():
            whole.fingerprints.setdefault(table, {}).update(hashes)
        for pair, hashes in each.inputs.items():
            whole.inputs.setdefault(pair, {}).update(hashes)
    return whole


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


def _check_month(
    connection: Connection,
    loaded: Sequence[str],
    pairs: Sequence[str],
    families: Sequence[str],
    month: Month,
) -> Freshness:
    shares = any(family in SHARED_INPUTS for family in families)
    try:
        chunks = _chunks(connection, loaded if shares else pairs, families, month, shares=shares)
    except BqxError as error:
        told = [Stale(pair, name_of("m1", pair), str(month), str(error)) for pair in pairs]
        return Freshness(tuple(told), {}, {})
    tables = [name_of(family, pair) for pair in pairs for family in families]
    log = builds_of(connection, [*tables, SHARED], [month])
    shared = _read_shared(connection, [chunks[pair] for pair in pairs]) if shares else None
    reason = _why_shared_is_stale(connection, chunks, month, log.get((SHARED, month))) if shares else ""
    found = Freshness((), {}, {})
    stale = []
    for pair in pairs:
        chunk = _beside(chunks[pair], shared)
        prints = chunk.fingerprints(families)
        for family, expected in prints.items():
            table = name_of(family, pair)
            last = log.get((table, month))
            why = _why(last, expected, rows=len(chunk.rows_of_month))
            if not why and last is not None and family in SHARED_INPUTS:
                why = reason
            if why:
                stale.append(Stale(pair, table, str(month), why, built=last is not None))
            if last is not None or len(chunk.rows_of_month):
                found.fingerprints.setdefault(table, {})[str(month)] = expected
        found.inputs.setdefault(pair, {})[str(month)] = input_hash(chunk, prints.values())
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


def _why_shared_is_stale(
    connection: Connection, chunks: Mapping[str, Chunk], month: Month, last: Built | None
) -> str:
    has_rows = any(len(chunk.rows_of_month) for chunk in chunks.values())
    why = _why(last, shared_fingerprint(cut(chunks, month)), rows=has_rows)
    if not why and last is not None and last.rows != _rows_of(connection, month):
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
