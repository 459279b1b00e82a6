"""Parquet files: ours, see `SCHEMA`, and those that pandas writes of a table of a provider.

Volume and spread may be null or left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.features.arrays import Floats
from include.market.checks import RawBars
from include.market.declared import NOTHING, Declaration
from include.market.formats import clock, header, plain, spread, zone
from include.market.formats.layout import IGNORED, REQUIRED, Layout
from include.market.formats.text import check_symbol
from include.market.problems import bad

MAGIC = b"PAR1"
OPTIONAL = ("volume", "spread")

SCHEMA = pa.schema(
    [("ts_utc", pa.timestamp("us", tz="UTC")), *((name, pa.float64()) for name in (*REQUIRED, *OPTIONAL))]
)
_UTC = {"utc", "etc/utc", "gmt", "z", "+00:00"}


def read(
    content: bytes,
    source: str,
    pair: str,
    timezone: str | None,
    declaration: Declaration = NOTHING,
    most_rows: int | None = None,
) -> RawBars:
    """Read a Parquet file.

    Args:
        content: the whole file, which begins with `MAGIC`.
        source: path, to name it in errors.
        pair: pair it is loaded as.
        timezone: clock declared for the load, or None; a timestamp with a zone is an instant and needs none.
        declaration: what ``bars.yaml`` says of the file.
        most_rows: read no more than these first rows; None reads all.

    Raises:
        BadInput: see docs/market_data.md, "Parquet" and "Columns".
    """
    table = _decode(content, source, most_rows)
    layout = header.layout(tuple(name.lower() for name in table.column_names), "", source)
    columns = _columns(table, layout, source)
    if not table.num_rows:
        raise bad("no-rows", source, "the file has columns and no rows")
    for name, meaning in zip(table.column_names, layout.columns, strict=True):
        if meaning == "symbol":
            check_symbol(table[name].combine_chunks().cast(pa.string()), pair, source)
    for name in REQUIRED:
        _refuse_nulls(columns[name], name, "price-missing", source)
    ms, told_clock = _in_utc(columns, layout, declaration, timezone, source)
    opened, high, low, close = prices = [_floats(columns[name]) for name in REQUIRED]
    absent = np.full(table.num_rows, np.nan)
    volume = _floats(columns["volume"]) if "volume" in columns else absent
    width, told_unit = _spread(columns, layout, pair, prices, declaration, source)
    name = "Parquet" if layout.dialect is plain.OURS else f"Parquet, {layout.dialect.name}"
    told = {"format": name, "clock": told_clock, "spread": told_unit}
    flags = (layout.dialect.counts_ticks, layout.dialect.has_fillers)
    return RawBars(source, ms, opened, high, low, close, volume, width, *flags, told)


def _decode(content: bytes, source: str, most_rows: int | None) -> Any:
    if not content.endswith(MAGIC) or len(content) < 12:
        text = f"after {len(content):,} bytes the closing {MAGIC.decode()} is missing"
        raise bad("parquet-truncated", source, text)
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        if most_rows is None or file.metadata.num_rows <= most_rows:
            return file.read()
        return pa.Table.from_batches([next(file.iter_batches(batch_size=most_rows))])
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise bad("parquet-damaged", source, f"the file cannot be decoded: {reason}") from None


def _columns(table: Any, layout: Layout, source: str) -> dict[str, Any]:
    """Columns by their meaning, of types that hold such values exactly."""
    columns = {}
    for number, meaning in enumerate(layout.columns):
        if meaning in (IGNORED, "symbol"):
            continue
        column = table.column(number)
        is_time = meaning in ("time", "date", "clock")
        if not is_time and not _holds_numbers(column.type, meaning):
            raise bad("column-type", source, f"{layout.header[number]} is {column.type}, not float64")
        columns[meaning] = column
    return columns


def _holds_numbers(kind: Any, meaning: str) -> bool:
    if meaning not in REQUIRED and (pa.types.is_integer(kind) or pa.types.is_null(kind)):
        return True
    return bool(pa.types.is_float64(kind) or pa.types.is_decimal(kind))


def _in_utc(
    columns: dict[str, Any], layout: Layout, declaration: Declaration, timezone: str | None, source: str
) -> tuple[Any, str]:
    """Milliseconds in UTC, and which clock was taken."""
    if "date" in columns:
        raise bad("column-type", source, "date and time of day are two columns")
    name = layout.header[layout.columns.index("time")]
    column, kind = columns["time"], columns["time"].type
    _refuse_nulls(column, name, "time-missing", source)
    is_ours, is_utc = layout.dialect is plain.OURS, layout.is_utc
    if pa.types.is_timestamp(kind):
        if kind.tz is None and is_utc and declaration.clock is None:
            raise bad("time-naive", source, f"{name} is {kind}: its time zone is unknown")
        is_offset = kind.tz is not None and kind.tz.lower() not in _UTC
        times = clock.Clock(_milliseconds(column), kind.tz is not None, is_offset=is_offset)
    elif is_ours or not (_is_text(kind) or pa.types.is_integer(kind)):
        raise bad("column-type", source, f"{name} is {kind}, not a timestamp")
    else:
        texts = column.combine_chunks().cast(pa.string())
        times = clock.parse(texts, tuple(clock.PATTERNS), source)
        is_utc |= layout.epoch_is_utc and times.is_epoch
    stated = zone.Stated(layout.dialect.name, is_utc, layout.dialect.server_clock)
    return zone.resolve(times, stated, declaration, timezone, source)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _spread(
    columns: dict[str, Any],
    layout: Layout,
    pair: str,
    prices: Sequence[Floats],
    declaration: Declaration,
    source: str,
) -> tuple[Floats, str]:
    """The spread in price units, and what was decided about its unit."""
    name = next((name for name in spread.COLUMNS if name in columns), None)
    if name is None:
        return np.full(prices[0].size, np.nan), spread.ABSENT
    values = _floats(columns[name])
    if not np.nan_to_num(values).any():
        return values, spread.ABSENT
    is_whole = bool(pa.types.is_integer(columns[name].type))
    unit = spread.Unit.of(name, layout.dialect.spread_unit, declaration.unit, is_whole=is_whole)
    return spread.in_price_units(values, spread.Quotes.of(pair, prices), unit, source)


def _refuse_nulls(column: Any, name: str, code: str, source: str) -> None:
    if column.null_count:
        missing = np.asarray(pc.is_null(column))
        row = int(missing.argmax())
        raise bad(code, source, f"{name} is null", row=row + 1, count=int(missing.sum()))


def _floats(column: Any) -> Floats:
    return np.array(pc.fill_null(column.cast(pa.float64()), float("nan")))


def _milliseconds(column: Any) -> Any:
    """Milliseconds since the epoch; a part of one rounds up, so that it still shows as off the minute."""
    counts = np.asarray(column.cast(pa.int64()))
    unit = column.type.unit
    if unit == "s":
        return counts * 1000
    return -(-counts // {"ms": 1, "us": 1000, "ns": 1_000_000}[unit])
