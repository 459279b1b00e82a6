"""Loading bars: look at every file first, then write months of ``m1_{pair}`` and ``bqx_{pair}``.

Two steps, because a bad file must be found before anything is written: `prepare` reads and checks
everything and decides the baselines, `load_pair` writes one pair. Bars that are already in the
database in the origin's layout are registered and read in place, never rewritten.
"""

from __future__ import annotations

import logging
import time
from hashlib import blake2b
from typing import Any

import numpy as np

from include.errors import BadParameter
from include.features.bars import Bars
from include.market.baseline import choose_baselines
from include.market.request import LoadRequest
from include.market.rows import m1_columns
from include.market.sources import DatabaseSource, FileSource, Source
from include.names import SCHEMA, Month, months_between, table, to_datetime
from include.storage.bars import is_origin_layout
from include.storage.build import build
from include.storage.connection import Connection, connect
from include.storage.copying import encode
from include.storage.log import baseline_of, baselines, built_from, record_baseline, record_build, record_load
from include.storage.partitions import Kept, lock_month, replace_month
from include.storage.schema import columns_of, ensure_tables
from include.storage.tables import BQX_COLUMNS, table_of

log = logging.getLogger(__name__)


def prepare(url: str, request: LoadRequest, *, dry_run: bool = False) -> dict[str, Any]:
    """Check every source, then create tables and store baselines and the watermark.

    Nothing is written unless all files are good and every pair gets a baseline.

    Args:
        url: libpq connection string.
        request: what to load.
        dry_run: check and report, write nothing.

    Returns:
        Plain values: ``pairs`` to load, the ``derived`` among them, ``bars`` per pair (first, last),
        ``baseline`` per pair and ``watermark`` as ISO times.

    Raises:
        BadInput: a file is bad; the message names file, row and remedy.
        BadParameter: the source holds no pair wanted, or a table of the origin would be rewritten.
        MissingInput: a pair has no bar to take its base from.
    """
    with connect(url) as connection:
        source = _open(connection, request)
        limits = {pair: source.limits(pair) for pair in source.pairs}
        stored = baselines(connection) if columns_of(connection, "baseline_rates") else {}
        bases = choose_baselines(source, stored)
        newest = max(last for _, last in limits.values())
        if not dry_run:
            newest = _store(connection, request, source, bases, newest)
    derived = [pair for pair in source.pairs if isinstance(source, FileSource) and source.is_derived(pair)]
    return {
        "pairs": source.pairs,
        "derived": derived,
        "bars": {pair: [to_datetime(minute).isoformat() for minute in both] for pair, both in limits.items()},
        "baseline": {pair: to_datetime(base.minute).isoformat() for pair, base in bases.items()},
        "watermark": to_datetime(newest).isoformat(),
    }


def _open(connection: Connection, request: LoadRequest) -> Source:
    if request.source is None:
        return DatabaseSource(connection, request)
    source = FileSource(request)
    _refuse_rewriting(connection, source)
    source.check()
    return source


def _refuse_rewriting(connection: Connection, source: Source) -> None:
    in_place = [pair for pair in source.pairs if is_origin_layout(connection, pair)]
    if in_place:
        raise BadParameter(
            f"{SCHEMA}.m1 tables of {', '.join(in_place)} exist in the origin's layout and are never "
            "rewritten. Leave source empty to use the bars that are there, or leave these pairs out."
        )


def _store(
    connection: Connection, request: LoadRequest, source: Source, bases: dict[str, Any], newest: int
) -> int:
    with connection.transaction():
        families = ("m1", "bqx") if request.source is not None else ("bqx",)
        tables = [table_of(name, pair) for pair in source.pairs for name in families]
        ensure_tables(connection, [one for one in tables if not _is_origin_bqx(connection, one.name)])
        for pair, base in bases.items():
            record_baseline(connection, pair, base)
        return record_load(
            connection,
            source=request.source or "database",
            pairs=source.pairs,
            price_side=request.price_side,
            watermark=newest,
        )


def load_pair(url: str, request: LoadRequest, pair: str) -> dict[str, Any]:
    """Write the bars of one pair month by month, then build its BQX series.

    A month whose bars, baseline and price side are those of its last load is left alone. Bars in the
    database outside the range the source covers are kept. A ``bqx_{pair}`` in the origin's layout is
    left as it is.

    Returns:
        Plain values: pair, months written, BQX months built, rows written, seconds.
    """
    started = time.monotonic()
    months = rows = 0
    with connect(url) as connection:
        if request.source is not None:
            source = FileSource(request)
            bars, derived = source.everything(pair), source.is_derived(pair)
            for month in months_between(int(bars.ts[0]), int(bars.ts[-1])):
                part = bars.slice(month.first_minute, month.end_minute)
                count = _write_month(connection, pair, month, part, request.price_side, derived=derived)
                months += count > 0
                rows += count
        skip_bqx = _is_origin_bqx(connection, table("bqx", pair))
    bqx = {"built": 0, "rows": 0} if skip_bqx else build(url, pair, ["bqx"])
    return {
        "pair": pair,
        "months": months,
        "bqx_months": bqx["built"],
        "rows": rows + int(str(bqx["rows"])),
        "seconds": round(time.monotonic() - started, 2),
    }


def _is_origin_bqx(connection: Connection, name: str) -> bool:
    columns = columns_of(connection, name)
    return name.startswith("bqx_") and bool(columns) and not set(BQX_COLUMNS) <= set(columns)


def _write_month(
    connection: Connection, pair: str, month: Month, bars: Bars, price_side: str, *, derived: bool
) -> int:
    if not len(bars):
        return 0
    target = table_of("m1", pair)
    rate = baseline_of(connection, pair).rate
    if derived and price_side != "mid":
        price_side = "unknown"  # a product or quotient of two bids is no bid
    fingerprint = _fingerprint(bars, f"{rate!r} {price_side} {derived}")
    started = time.monotonic()
    with connection.transaction():
        lock_month(connection, target.name, month)
        last = built_from(connection, target.name, month)
        if last is not None and last[0] == fingerprint:
            return 0
        rows = encode(bars.ts, m1_columns(bars, rate, price_side, derived=derived), target.columns)
        keep = Kept(int(bars.ts[0]), int(bars.ts[-1]))
        count = replace_month(connection, target, month, rows, keep=keep).rows
        seconds = time.monotonic() - started
        record_build(connection, target.name, month, rows=count, input_hash=fingerprint, seconds=seconds)
    log.info("%s %s: %s bars in %.2f s", target.name, month, f"{count:,}", seconds)
    return count


def _fingerprint(bars: Bars, rest: str) -> str:
    digest = blake2b(rest.encode(), digest_size=16)
    for name in ("ts", "open", "high", "low", "close", "volume", "spread"):
        digest.update(np.ascontiguousarray(getattr(bars, name)).tobytes())
    return digest.hexdigest()
