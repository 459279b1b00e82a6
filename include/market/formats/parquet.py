"""Our Parquet files: one per pair, in UTC by the type of their time column; see `SCHEMA`.

Volume and spread may be null or left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.features.arrays import Floats
from include.market.checks import RawBars
from include.market.formats.layout import REQUIRED
from include.market.formats.text import check_symbol
from include.market.problems import bad

MAGIC = b"PAR1"
OPTIONAL = ("volume", "spread")
SYMBOLS = ("symbol", "pair")

SCHEMA = pa.schema(
    [("ts_utc", pa.timestamp("us", tz="UTC")), *((name, pa.float64()) for name in (*REQUIRED, *OPTIONAL))]
)


def read(content: bytes, source: str, pair: str, timezone: str | None) -> RawBars:
    """Read a Parquet file.

    Args:
        content: the whole file, which begins with `MAGIC`.
        source: path, to name it in errors.
        pair: pair it is loaded as.
        timezone: declared clock; a timestamp with a zone is an instant, so only None or UTC fit.

    Raises:
        BadInput: see docs/market_data.md, "Parquet" and "Columns".
    """
    table = _decode(content, source)
    _check_columns(table.schema, source)
    if not table.num_rows:
        raise bad("no-rows", source, "the file has columns and no rows")
    if timezone not in (None, "utc", "UTC"):
        raise bad("timezone-contradicted", source, f"ts_utc is an instant in UTC, not {timezone!r}")
    for name in set(SYMBOLS) & set(table.column_names):
        check_symbol(table[name].combine_chunks().cast(pa.string()), pair, source)
    _refuse_nulls(table, "ts_utc", "time-missing", source)
    for name in REQUIRED:
        _refuse_nulls(table, name, "price-missing", source)
    opened, high, low, close = (_floats(table[name]) for name in REQUIRED)
    absent = np.full(table.num_rows, np.nan)
    volume, spread = (_floats(table[name]) if name in table.column_names else absent for name in OPTIONAL)
    return RawBars(source, _milliseconds(table["ts_utc"]), opened, high, low, close, volume, spread)


def _decode(content: bytes, source: str) -> Any:
    if not content.endswith(MAGIC) or len(content) < 12:
        text = f"after {len(content):,} bytes the closing {MAGIC.decode()} is missing"
        raise bad("parquet-truncated", source, text)
    try:
        return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise bad("parquet-damaged", source, f"the file cannot be decoded: {reason}") from None


def _check_columns(schema: Any, source: str) -> None:
    names = schema.names
    for name in ("ts_utc", *REQUIRED):
        if name not in names:
            raise bad("column-missing", source, f"column {name!r} is missing; found {', '.join(names)}")
    for name in names:
        if names.count(name) > 1:
            raise bad("column-duplicate", source, f"column {name!r} occurs {names.count(name)} times")
        if name not in (*SCHEMA.names, *SYMBOLS):
            raise bad("column-unknown", source, f"column {name!r} is not one of ours")
    time = schema.field("ts_utc").type
    if not pa.types.is_timestamp(time):
        raise bad("column-type", source, f"ts_utc is {time}, not a timestamp")
    if time.tz is None:
        raise bad("time-naive", source, f"ts_utc is {time}: its time zone is unknown")
    for name in (*REQUIRED, *(name for name in OPTIONAL if name in names)):
        kind = schema.field(name).type
        whole_volume = name == "volume" and pa.types.is_integer(kind)
        empty = name in OPTIONAL and pa.types.is_null(kind)
        if not (pa.types.is_float64(kind) or pa.types.is_decimal(kind) or whole_volume or empty):
            raise bad("column-type", source, f"{name} is {kind}, not float64")


def _refuse_nulls(table: Any, name: str, code: str, source: str) -> None:
    if table[name].null_count:
        missing = np.asarray(pc.is_null(table[name]))
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
