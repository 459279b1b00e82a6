"""Whole columns arrive as NumPy arrays, bit by bit."""

from __future__ import annotations

import numpy as np

from include.storage.arrays import array_cursor
from include.storage.connection import connect


def test_arrays_are_read_exactly(database_url: str) -> None:
    with connect(database_url) as connection, array_cursor(connection) as cursor:
        row = cursor.execute(
            "SELECT array_agg(n::BIGINT * 3000000000), array_agg(1.0::FLOAT8 / n), "
            "array_agg(CASE n WHEN 2 THEN 'NaN' ELSE n::FLOAT8 END) FROM generate_series(1, 4) AS n"
        ).fetchone()
        whole, parts, holes = row
        np.testing.assert_array_equal(whole, np.arange(1, 5) * 3_000_000_000)
        assert (whole.dtype, parts.dtype) == (np.int64, np.float64)
        np.testing.assert_array_equal(parts, 1.0 / np.arange(1, 5))
        np.testing.assert_array_equal(holes, [1, np.nan, 3, 4])
        assert holes.flags.writeable


def test_no_rows_and_an_empty_array(database_url: str) -> None:
    with connect(database_url) as connection, array_cursor(connection) as cursor:
        query = "SELECT array_agg(n::FLOAT8), '{}'::FLOAT8[] FROM generate_series(1, 0) AS n"
        nothing, empty = cursor.execute(query).fetchone()
        assert nothing is None
        assert (empty.size, empty.dtype) == (0, np.float64)
