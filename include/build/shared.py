"""Building what the correlation families of all pairs share: once per month, not once per pair."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

import numpy as np

from include.build.chunks import MARGIN, Chunk, dollar_rows_before, read_to_dollar_grid
from include.build.months import MonthBuild, available_months, empty_month, summary, write_month
from include.errors import BqxError
from include.features.shared import SHARED_LOOKBACK, compute_shared
from include.names import Month
from include.pairs import PAIRS, USD_MAJORS
from include.storage.connection import Connection, connect
from include.storage.copying import encode
from include.storage.log import baselines, logged_months
from include.storage.schema import columns_of, ensure_tables
from include.storage.tables import SHARED, table_of
from include.storage.upgrade import upgrade


def build_shared(
    url: str, months: Sequence[str] = (), *, rebuild: bool = False, dry_run: bool = False
) -> dict[str, object]:
    """Build the shared table from the bars of every pair that was loaded.

    Args:
        url: libpq connection string.
        months: months as ``yyyy-mm``; empty means every month in which any pair has bars.
        rebuild: build months again that are already right.
        dry_run: say what would be built, write nothing.

    Returns:
        Plain values: number of pairs it was made of, pairs that were never loaded (``absent``) or cannot
        be read (``left_out``, with the reason): columns that need them are NULL. Months built and
        already right, rows written, seconds.
    """
    started = time.monotonic()
    target = table_of(SHARED, "")
    with connect(url) as connection:
        upgrade(connection)
        available, left_out = readable_months(connection)
        pairs = sorted(available)
        if not dry_run:
            ensure_tables(connection, [target])
        built = logged_months(connection, [SHARED]) if columns_of(connection, "build_log") else []
        wanted = [Month.parse(text) for text in months] or sorted({*built}.union(*available.values()))
        results = [
            _build_month(connection, chunks, month, rebuild=rebuild, dry_run=dry_run)
            for month in wanted
            for chunks in [shared_chunks(connection, pairs, month)]
        ]
    absent = [pair for pair in PAIRS if pair not in available and pair not in left_out]
    found = {"pairs": len(pairs), "absent": absent, "left_out": left_out}
    return found | summary(results, started) | {"dry_run": dry_run}


def readable_months(connection: Connection) -> tuple[dict[str, list[Month]], dict[str, str]]:
    """Months of every loaded pair, and why others cannot be read: one broken pair stops nobody else."""
    available: dict[str, list[Month]] = {}
    left_out: dict[str, str] = {}
    for pair in baselines(connection):
        try:
            available[pair] = available_months(connection, pair)
        except BqxError as error:
            left_out[pair] = str(error)
    return available, left_out


def shared_chunks(connection: Connection, pairs: Sequence[str], month: Month) -> dict[str, Chunk]:
    """Chunks of all pairs that reach back over the same minutes: enough rows of the dollar grid."""
    return cut(read_to_dollar_grid(connection, pairs, month, SHARED_LOOKBACK), month)


def cut(chunks: Mapping[str, Chunk], month: Month) -> dict[str, Chunk]:
    """What of the chunks of all pairs the shared columns of a month follow from, however much was read.

    Without all majors there is no dollar grid, and each pair has as many rows of its own. A grid that does
    not reach far enough takes all there are.
    """
    if any(pair not in chunks for pair in USD_MAJORS):
        return {pair: chunk.trimmed(SHARED_LOOKBACK + MARGIN) for pair, chunk in chunks.items()}
    front = dollar_rows_before(chunks, month)
    if len(front) < SHARED_LOOKBACK:
        return dict(chunks)
    since = int(front[-SHARED_LOOKBACK])
    return {pair: _reaching_back(chunk, since) for pair, chunk in chunks.items()}


def shared_fingerprint(chunks: Mapping[str, Chunk]) -> str:
    """Hash of everything the shared columns of a month follow from; of the chunks that `cut` gives."""
    digest = blake2b(digest_size=16)
    for pair, chunk in sorted(chunks.items()):
        digest.update(f"{pair} {chunk.fingerprint_of_all()} ".encode())
    return digest.hexdigest()


def _reaching_back(chunk: Chunk, since: int) -> Chunk:
    """The chunk from `MARGIN` rows before a minute on: its first changes and BQX need them."""
    first = max(0, int(np.searchsorted(chunk.grid.ts, since)) - MARGIN)
    return chunk.since(int(chunk.grid.ts[first])) if first < len(chunk.grid) else chunk


def _build_month(
    connection: Connection, chunks: Mapping[str, Chunk], month: Month, *, rebuild: bool, dry_run: bool
) -> MonthBuild:
    target = table_of(SHARED, "")
    fingerprint = shared_fingerprint(chunks)
    if not any(len(chunk.rows_of_month) for chunk in chunks.values()):
        return empty_month(connection, target, month, fingerprint, dry_run=dry_run)

    def rows() -> Iterator[bytes]:
        shared = compute_shared({pair: chunk.series for pair, chunk in chunks.items()})
        own = shared.ts >= month.first_minute
        columns = {name: shared.columns[name][own] for name in target.columns}
        return encode(shared.ts[own], columns, target.columns)

    return write_month(connection, target, month, fingerprint, rows, rebuild=rebuild, dry_run=dry_run)
