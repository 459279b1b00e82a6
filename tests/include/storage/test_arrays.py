"""Columns arrive as NumPy arrays, bit by bit."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from psycopg import sql

from include.storage.arrays import read_columns, read_rows
from include.storage.connection import connect


def test_values_are_read_exactly(database_url: str) -> None:
    query = sql.SQL(
        "COPY (SELECT to_timestamp(60 * n), 1.0::FLOAT8 / n, CASE n WHEN 2 THEN NULL WHEN 3 THEN 'NaN' "
        "ELSE -n::FLOAT8 END FROM generate_series(1, %(last)s) AS n) TO STDOUT (FORMAT BINARY)"
    )
    with connect(database_url) as connection:
        ts, columns = read_columns(connection, query, {"last": 4}, ["part", "hole"])
    assert ts.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(columns["part"], 1.0 / np.arange(1, 5))
    np.testing.assert_array_equal(columns["hole"], [-1, np.nan, np.nan, -4])
    assert columns["hole"].flags.writeable


def test_a_query_that_fails_on_the_way_says_so_and_leaves_the_session(database_url: str) -> None:
    query = sql.SQL(
        "COPY (SELECT to_timestamp(n), (1 / (20000 - n))::FLOAT8 FROM generate_series(1, 30000) AS n) "
        "TO STDOUT (FORMAT BINARY)"
    )
    with connect(database_url) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            read_columns(connection, query, {}, ["x"])
        assert connection.execute("SELECT 1").fetchone() == (1,)


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
