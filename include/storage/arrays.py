"""Reading: columns of a query as NumPy arrays, one message per column instead of one per row.

``array_agg(x)`` arrives in PostgreSQL's binary array format (a header of 20 bytes, then length and value
of every element), which NumPy reads without a loop. psycopg hands out the rows of a COPY one by one, at
about 4 microseconds each: for narrow tables that costs more than everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from include.names import to_datetime
from include.storage.connection import Connection, qualified, statement
from include.storage.copying import FloatArray, MinuteArray

_HEADER = 20  # bytes: dimensions, flags, element type, length and lower bound of the one dimension
_HAS_NULL = 7  # last byte of the flags


class _ArrayLoader(Loader):
    """A one-dimensional array without NULL as a NumPy array."""

    format = Format.BINARY
    element: str

    def load(self, data: Buffer) -> np.ndarray[Any, Any]:
        content = bytes(data)
        if content[_HAS_NULL]:
            raise ValueError("An array has a NULL where the query may have none, e.g. a price of a bar.")
        elements = np.dtype([("length", ">i4"), ("value", self.element)])
        values = np.frombuffer(content, elements, offset=min(_HEADER, len(content)))["value"]
        return values.astype(values.dtype.newbyteorder("="))


class _Floats(_ArrayLoader):
    element = ">f8"


class _Integers(_ArrayLoader):
    element = ">i8"


def array_cursor(connection: Connection) -> psycopg.Cursor[tuple[Any, ...]]:
    """A cursor whose ``FLOAT8[]`` and ``BIGINT[]`` values are NumPy arrays.

    The arrays must hold no NULL: let the query turn it into NaN (``coalesce(x, 'NaN')``). An
    ``array_agg`` over no rows is None.
    """
    cursor = connection.cursor(binary=True)
    types = connection.adapters.types
    cursor.adapters.register_loader(types["float8"].array_oid, _Floats)
    cursor.adapters.register_loader(types["int8"].array_oid, _Integers)
    return cursor


def read_arrays(
    connection: Connection, query: sql.SQL | sql.Composed, values: Mapping[str, object], names: Sequence[str]
) -> tuple[MinuteArray, dict[str, FloatArray]]:
    """Run a query that gives one row: an array of epoch minutes, then one of ``FLOAT8`` per name.

    Returns:
        epoch minutes, shape (n,), and one float64 array of shape (n,) per name.

    Raises:
        ValueError: an array holds a NULL.
    """
    with array_cursor(connection) as cursor:
        row = cursor.execute(query, values).fetchone()
    assert row is not None
    ts, *columns = (np.empty(0) if array is None else array for array in row)
    return ts.astype(np.int64), dict(zip(names, columns, strict=True))


def read_rows(
    connection: Connection, table: str, names: Sequence[str], first: int, end: int
) -> tuple[MinuteArray, dict[str, FloatArray]]:
    """Columns of a table's rows in a half-open range of epoch minutes, in time order, NULL as NaN."""
    columns = sql.SQL(",\n    ").join(
        sql.SQL("array_agg(coalesce({}::FLOAT8, 'NaN'))").format(sql.Identifier(name)) for name in names
    )
    query = statement("bars/read_rows", table=qualified(table), columns=columns)
    return read_arrays(connection, query, {"first": to_datetime(first), "end": to_datetime(end)}, names)
