"""Whole columns arrive as NumPy arrays, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from psycopg import sql

from include.storage.arrays import array_cursor, read_arrays, read_rows
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


def test_a_null_is_refused(database_url: str) -> None:
    query = sql.SQL(
        "SELECT array_agg(n::BIGINT), array_agg(nullif(n, 2)::FLOAT8) FROM generate_series(1, 3) n"
    )
    with connect(database_url) as connection, pytest.raises(ValueError, match="NULL"):
        read_arrays(connection, query, {}, ["x"])


def test_rows_come_in_time_order_with_null_as_nan(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("CREATE SCHEMA bqx")
        connection.execute("CREATE TABLE bqx.t (ts_utc TIMESTAMPTZ, x FLOAT8, flag SMALLINT)")
        connection.execute(
            "INSERT INTO bqx.t VALUES ('1970-01-01 00:03Z', 3, NULL), ('1969-12-31 23:59Z', NULL, 1), "
            "('1970-01-01 00:01Z', 0.1, 0), ('1970-01-01 00:04Z', 4, 4)"
        )
        ts, columns = read_rows(connection, "t", ["x", "flag"], -1, 4)
        assert ts.tolist() == [-1, 1, 3]
        np.testing.assert_array_equal(columns["x"], [np.nan, 0.1, 3])
        np.testing.assert_array_equal(columns["flag"], [1, 0, np.nan])
        nothing, columns = read_rows(connection, "t", ["x"], 10, 20)
        assert (len(nothing), len(columns["x"])) == (0, 0)
