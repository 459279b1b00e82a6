"""Writing: NumPy arrays in PostgreSQL's binary COPY format.

Rows of one COPY have the same fields, so a block of rows is one packed structured array: a
whole column is encoded by one assignment and no value passes through a Python object. The
format is fixed since PostgreSQL 7.4 (documentation of COPY, "Binary Format").

Time: arrays carry int64 minutes since 1970-01-01 UTC, PostgreSQL int64 microseconds since
2000-01-01 UTC. NULL: NaN in arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
BLOCK_ROWS = 8192

_MINUTE = 60_000_000  # microseconds
_PG_EPOCH = 15_778_080  # 2000-01-01 in minutes since 1970-01-01

FloatArray = NDArray[np.float64]
MinuteArray = NDArray[np.int64]


class _Field(NamedTuple):
    """One field of the row: its wire type, its width in bytes, and its values."""

    wire: str | None  # None: NULL in every row, nothing follows the length
    width: int
    values: FloatArray | bytes


def minutes_of(keys: NDArray[np.int64]) -> MinuteArray:
    """Epoch minutes of timestamps as PostgreSQL sends them."""
    minutes: MinuteArray = keys // _MINUTE + _PG_EPOCH
    return minutes


def _field(values: FloatArray | str | None, sql_type: str) -> _Field:
    if values is None:
        return _Field(None, -1, b"")
    if isinstance(values, str):
        text = values.encode()
        return _Field(f"S{len(text)}", len(text), text)
    if np.isnan(values).all():
        return _Field(None, -1, b"")
    if sql_type == "SMALLINT":
        return _Field(">i2", 2, values)
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return _Field(">i8", 8, (values - _PG_EPOCH) * _MINUTE)  # whole and below 2**53: exact
    return _Field(">f8", 8, values)


def encode(
    ts: MinuteArray, columns: Mapping[str, FloatArray | str | None], types: Mapping[str, str]
) -> Iterator[bytes]:
    """Rows for ``COPY ... FROM STDIN (FORMAT binary)``, in blocks.

    Args:
        ts: shape (n,), epoch minutes, the first field of each row.
        columns: the other fields in order: shape (n,) with NaN for NULL, or one text for all rows,
            or None for NULL in all rows.
        types: SQL type of each column; SMALLINT is sent as two bytes, other numbers as float8, and those
            of a TIMESTAMP WITH TIME ZONE are epoch minutes.
    """
    fields = [_field(values, types[name]) for name, values in columns.items()]
    layout: list[tuple[str, str]] = [("fields", ">i2"), ("ts_length", ">i4"), ("ts", ">i8")]
    for i, field in enumerate(fields):
        layout.append((f"length{i}", ">i4"))
        if field.wire is not None:
            layout.append((f"value{i}", field.wire))
    dtype = np.dtype(layout)
    yield HEADER
    for start in range(0, len(ts), BLOCK_ROWS):
        yield _encode_block(ts[start : start + BLOCK_ROWS], start, fields, dtype)
    yield TRAILER


def _encode_block(ts: MinuteArray, start: int, fields: Sequence[_Field], dtype: np.dtype[Any]) -> bytes:
    rows = np.empty(len(ts), dtype)
    rows["fields"] = len(fields) + 1
    rows["ts_length"] = 8
    rows["ts"] = (ts - _PG_EPOCH) * _MINUTE
    absent: list[tuple[int, NDArray[np.bool_]]] = []
    for i, (wire, width, values) in enumerate(fields):
        rows[f"length{i}"] = width
        if wire is None:
            continue
        if isinstance(values, bytes):
            rows[f"value{i}"] = values
            continue
        block = values[start : start + len(ts)]
        null = np.isnan(block)
        if null.any():
            rows[f"length{i}"][null] = -1
            absent.append((i, null))
            block = np.where(null, 0.0, block)
        rows[f"value{i}"] = block
    return _without_nulls(rows, absent)


def _without_nulls(rows: NDArray[Any], absent: list[tuple[int, NDArray[np.bool_]]]) -> bytes:
    """A NULL has a length of -1 and no bytes: cut the placeholder bytes out."""
    if not absent:
        return rows.tobytes()
    assert rows.dtype.fields is not None
    raw = rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
    kept = np.ones(raw.shape, dtype=np.bool_)
    for i, null in absent:
        value_type, offset, *_ = rows.dtype.fields[f"value{i}"]
        kept[null, offset : offset + value_type.itemsize] = False
    return raw[kept].tobytes()
