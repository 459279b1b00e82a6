"""Loading bars: look at every file first, then write months of ``m1_{pair}`` and ``bqx_{pair}``.

Two steps, because a bad file must be found before anything is written: `prepare` reads and checks
everything and decides the baselines, `load_pair` writes one pair. Bars that are already in the
database in the origin's layout are registered and read in place, never rewritten.
"""

from __future__ import annotations

import logging
import time
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from include.build.months import build
from include.errors import BadParameter
from include.features.bars import Bars
from include.market.baseline import choose_baselines
from include.market.request import LoadRequest
from include.market.rows import m1_columns
from include.market.sources import DatabaseSource, FileSource, Source
from include.names import SCHEMA, Month, months_between, table, to_datetime
from include.objects import ObjectStore
from include.storage.bars import is_origin_layout
from include.storage.connection import Connection, connect
from include.storage.content import KEY, Content, measure
from include.storage.copying import encode
from include.storage.log import (
    Built,
    baseline_of,
    baselines,
    built_from,
    record_baseline,
    record_build,
    record_load,
)
from include.storage.ownership import foreign_columns, owned_columns
from include.storage.partitions import Kept, lock_month, partition_of, replace_month
from include.storage.schema import columns_of, ensure_tables
from include.storage.stage_order import beside_others, refuse_unmigrated
from include.storage.tables import Table, table_of
from include.storage.upgrade import upgrade

log = logging.getLogger(__name__)


def prepare(
    url: str, request: LoadRequest, *, place: ObjectStore | None = None, dry_run: bool = False
) -> dict[str, Any]:
    """Check every source, then create tables and store baselines and the watermark.

    Nothing is written unless all files are good and every pair gets a baseline.

    Args:
        url: libpq connection string.
        request: what to load.
        place: the place in a bucket that the source names; None if it is a folder or the database.
        dry_run: check and report, write nothing.

    Returns:
        Plain values: ``pairs`` of the source, ``pairs_to_write`` (none in a dry run), the ``derived`` among
        them, ``bars`` per pair (first, last), ``baseline`` per pair and ``watermark`` as ISO times; of files
        also ``read``, what was decided on each by pair (format, clock, unit of the spread, rows that stand
        twice), and ``left_out``, files that name a pair and are not read, with why.

    Raises:
        BadInput: a file is bad; the message names file, row and remedy.
        BadParameter: the source holds no pair wanted, or a table that somebody else made would be rewritten.
        MigrationDue: stage 1.6.9 has to be done for some of the pairs first.
        MissingInput: a pair has no bar to take its base from.
    """
    with connect(url) as connection:
        source = _open(connection, request, place)
        refuse_unmigrated(connection, source.pairs)
        limits = {pair: source.limits(pair) for pair in source.pairs}
        bases = choose_baselines(source, baselines(connection))
        newest = max(last for _, last in limits.values())
        if not dry_run:
            newest = _store(connection, request, source, bases, newest)
    files = source if isinstance(source, FileSource) else None
    derived = [pair for pair in source.pairs if files and files.is_derived(pair)]
    return {
        "pairs": source.pairs,
        "pairs_to_write": [] if dry_run else source.pairs,
        "derived": derived,
        "bars": {pair: [to_datetime(minute).isoformat() for minute in both] for pair, both in limits.items()},
        "baseline": {pair: to_datetime(base.minute).isoformat() for pair, base in bases.items()},
        "watermark": to_datetime(newest).isoformat(),
        "read": files.read if files else {},
        "left_out": files.left_out if files else {},
    }


def _open(connection: Connection, request: LoadRequest, place: ObjectStore | None) -> Source:
    if request.source is None:
        return DatabaseSource(connection, request)
    source = FileSource(request, place)
    _refuse_rewriting(connection, source)
    source.check()
    return source


def _refuse_rewriting(connection: Connection, source: Source) -> None:
    upgrade(connection)
    foreign = foreign_columns(connection, [table_of("m1", pair) for pair in source.pairs])
    in_place = [
        pair for pair in source.pairs if is_origin_layout(connection, pair) or table("m1", pair) in foreign
    ]
    if in_place:
        raise BadParameter(
            f"{SCHEMA}.m1 tables of {', '.join(in_place)} were not made by this bundle and are never "
            "rewritten. Leave source empty to use the bars that are there, or leave these pairs out."
        )


def _store(
    connection: Connection, request: LoadRequest, source: Source, bases: dict[str, Any], newest: int
) -> int:
    with connection.transaction():
        families = ("m1", "bqx") if request.source is not None else ("bqx",)
        tables = [table_of(name, pair) for pair in source.pairs for name in families]
        ensure_tables(connection, [one for one in tables if not _is_foreign_bqx(connection, one)])
        for pair, base in bases.items():
            record_baseline(connection, pair, base)
        return record_load(
            connection,
            source=request.source or "database",
            pairs=source.pairs,
            price_side=request.price_side,
            watermark=newest,
        )


def load_pair(
    url: str, request: LoadRequest, pair: str, *, place: ObjectStore | None = None
) -> dict[str, Any]:
    """Write the bars of one pair month by month, then build its BQX series.

    A month is left alone if its bars, baseline and price side are those of its last load and the rows in the
    table are exactly those that this load left: rows that were deleted or changed since are restored. Bars
    in the database outside the range the source covers are kept. A ``bqx_{pair}`` that somebody else made
    is left as it is.

    Returns:
        Plain values: pair, months written, ``restored`` (of these, months whose rows were not those of the
        last load), ``partly_restored`` (of these, months that the source covers in part only: load the other
        files too), BQX months built, rows written, seconds.

    Raises:
        MigrationDue: stage 1.6.9 has to be done for the pair first.
        Busy: another run holds a month for too long, or a migration of the pair is at work.
    """
    started = time.monotonic()
    written: list[_Written] = []
    with connect(url) as connection, beside_others(connection, pair):
        if request.source is not None:
            source = FileSource(request, place)
            bars, derived, side = source.everything(pair), source.is_derived(pair), source.price_side(pair)
            for month in months_between(int(bars.ts[0]), int(bars.ts[-1])):
                part = bars.slice(month.first_minute, month.end_minute)
                if len(part):
                    one = _write_month(
                        connection, pair, month, part, side=side, derived=derived, rebuild=request.rebuild
                    )
                    written.append(one)
        skip_bqx = _is_foreign_bqx(connection, table_of("bqx", pair))
        bqx = {"built": 0, "rows": 0} if skip_bqx else build(url, pair, ["bqx"], rebuild=request.rebuild)
    return {
        "pair": pair,
        "months": sum(one.rows > 0 for one in written),
        "restored": sum(one.restored for one in written),
        "partly_restored": [one.partly for one in written if one.partly],
        "bqx_months": bqx["built"],
        "rows": sum(one.rows for one in written) + int(str(bqx["rows"])),
        "seconds": round(time.monotonic() - started, 2),
    }


class _Written(NamedTuple):
    """Rows of a month that was written, 0 if it was right.

    Attributes:
        restored: rows of its last load were not there, or changed.
        partly: the month, if some of its rows lie outside of what the source covers: these may be among
            those that were changed.
    """

    rows: int
    restored: bool = False
    partly: str = ""


def _is_foreign_bqx(connection: Connection, target: Table) -> bool:
    return target.family == "bqx" and bool(
        columns_of(connection, target.name) and not owned_columns(connection, target.name)
    )


def _write_month(
    connection: Connection, pair: str, month: Month, bars: Bars, *, side: str, derived: bool, rebuild: bool
) -> _Written:
    target = table_of("m1", pair)
    rate = baseline_of(connection, pair).rate
    fingerprint = _fingerprint(bars, f"{rate!r} {side} {derived}")
    started = time.monotonic()
    with connection.transaction():
        lock_month(connection, target.name, month)
        last = built_from(connection, target.name, month)
        intact = last is not None and _is_intact(connection, target, month, last)
        if intact and last is not None and last.input_hash == fingerprint and not rebuild:
            return _Written(0)
        rows = encode(bars.ts, m1_columns(bars, rate, side, derived=derived), target.columns)
        keep = Kept(int(bars.ts[0]), int(bars.ts[-1]))
        count = replace_month(connection, target, month, rows, keep=keep).rows
        record_build(
            connection,
            target.name,
            month,
            rows=count,
            input_hash=fingerprint,
            seconds=time.monotonic() - started,
            content_hash=_content(connection, target, month).fingerprint,
        )
    log.info("%s %s: %s bars in %.2f s", target.name, month, f"{count:,}", time.monotonic() - started)
    # Months that an older version loaded have no hash: nothing is known to have changed there.
    restored = last is not None and last.content_hash is not None and not intact
    partly = restored and count > len(bars)
    if restored:
        log.warning("%s %s: its rows were not those of the last load; restored", target.name, month)
    if partly:
        log.warning(
            "%s %s: %s rows lie outside of what this source covers; load the files that hold them as well",
            target.name, month, f"{count - len(bars):,}",
        )  # fmt: skip
    return _Written(count, restored, str(month) if partly else "")


def _is_intact(connection: Connection, target: Table, month: Month, last: Built) -> bool:
    """The table holds exactly the rows that the last load left there."""
    if partition_of(connection, target.name, month) is None:
        return False
    content = _content(connection, target, month)
    return (content.rows, content.fingerprint) == (last.rows, last.content_hash)


def _content(connection: Connection, target: Table, month: Month) -> Content:
    partition = partition_of(connection, target.name, month)
    assert partition is not None
    return measure(connection, partition, [KEY, *target.columns])


def _fingerprint(bars: Bars, rest: str) -> str:
    digest = blake2b(rest.encode(), digest_size=16)
    for name in ("ts", "open", "high", "low", "close", "volume", "spread"):
        digest.update(np.ascontiguousarray(getattr(bars, name)).tobytes())
    return digest.hexdigest()
