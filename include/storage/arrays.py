"""Columns of a query as NumPy arrays: one message per column instead of one per row.

``array_agg(x)`` arrives in PostgreSQL's binary array format (a header of 20 bytes, then length and value
of every element), which NumPy reads without a loop. psycopg hands out the rows of a COPY one by one, at
about 4 microseconds each: for narrow tables that costs more than everything else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from include.storage.connection import Connection

_HEADER = 20  # bytes: dimensions, flags, element type, length and lower bound of the one dimension


class _ArrayLoader(Loader):
    """A one-dimensional array without NULL as a NumPy array."""

    format = Format.BINARY
    element: str

    def load(self, data: Buffer) -> np.ndarray[Any, Any]:
        elements = np.dtype([("length", ">i4"), ("value", self.element)])
        values = np.frombuffer(bytes(data), elements, offset=min(_HEADER, len(data)))["value"]
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
