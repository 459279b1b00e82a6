"""Bars are read the same from our tables and, in place, from tables of the origin."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from include.errors import MissingInput, SchemaMismatch
from include.names import to_minute
from include.storage.bars import close_at_or_after, is_origin_layout, range_of_bars, read_bars
from include.storage.connection import connect

START = to_minute(datetime(2024, 7, 31, 23, 57, tzinfo=UTC))

ORIGIN = """
CREATE SCHEMA IF NOT EXISTS bqx;
CREATE TABLE bqx.m1_eurusd (
    time timestamp NOT NULL, open numeric(10,5), high numeric(10,5), low numeric(10,5), close numeric(10,5),
    volume integer, spread_close numeric(10,5), rate_index numeric, created_at timestamp DEFAULT now()
) PARTITION BY RANGE (time);
CREATE UNIQUE INDEX m1_eurusd_time_unique ON bqx.m1_eurusd (time);
CREATE TABLE bqx.m1_eurusd_y2024m07 PARTITION OF bqx.m1_eurusd
    FOR VALUES FROM ('2024-07-01') TO ('2024-08-01');
CREATE TABLE bqx.oddly_named PARTITION OF bqx.m1_eurusd FOR VALUES FROM ('2024-08-01') TO ('2024-09-01');
INSERT INTO bqx.m1_eurusd
SELECT '2024-07-31 23:57'::timestamp + n * interval '1 minute', 1.1 + n * 0.0001, 1.2, 1.0, 1.1 + n * 0.0001,
       CASE WHEN n = 2 THEN NULL ELSE n END, CASE WHEN n = 3 THEN NULL ELSE 0.00002 END
FROM generate_series(0, 6) AS n;
"""


@pytest.fixture(params=["UTC", "America/New_York"])
def origin(request: pytest.FixtureRequest, db: psycopg.Connection) -> psycopg.Connection:
    """A table in the origin's layout, in a database whose default zone must not matter."""
    db.execute(ORIGIN)
    db.execute(f"ALTER DATABASE \"{db.info.dbname}\" SET TimeZone = '{request.param}'")
    return db


def test_the_origin_table_is_read_in_place_as_utc(origin: psycopg.Connection, database_url: str) -> None:
    with connect(database_url) as connection:
        assert is_origin_layout(connection, "eurusd")
        bars = read_bars(connection, "eurusd", START, START + 100)
        assert range_of_bars(connection, "eurusd") == (START, START + 6)
    assert bars.ts.tolist() == list(range(START, START + 7))
    assert bars.close.dtype == np.float64
    assert bars.close.tolist() == pytest.approx([1.1 + n * 0.0001 for n in range(7)], abs=1e-12)
    assert bars.volume.tolist() == pytest.approx([0, 1, np.nan, 3, 4, 5, 6], nan_ok=True)
    assert bars.spread.tolist() == pytest.approx([2e-5] * 3 + [np.nan] + [2e-5] * 3, nan_ok=True)


def test_bars_in_front_are_the_last_real_ones(origin: psycopg.Connection, database_url: str) -> None:
    origin.execute("DELETE FROM bqx.m1_eurusd WHERE volume = 1")
    with connect(database_url) as connection:
        bars = read_bars(connection, "eurusd", START + 4, START + 6, before=3)
    assert (bars.ts - START).tolist() == [0, 2, 3, 4, 5]


def test_first_close_at_or_after_a_minute(origin: psycopg.Connection, database_url: str) -> None:
    origin.execute("DELETE FROM bqx.m1_eurusd WHERE volume = 4")
    with connect(database_url) as connection:
        assert close_at_or_after(connection, "eurusd", START + 4) == (START + 5, pytest.approx(1.1005))
        assert close_at_or_after(connection, "eurusd", START + 7) is None


def test_a_pair_without_a_table_is_named(database_url: str) -> None:
    with (
        connect(database_url) as connection,
        pytest.raises(MissingInput, match=r"m1_gbpusd does not exist.*bqx_load"),
    ):
        read_bars(connection, "gbpusd", 0, 1)


def test_a_table_that_holds_something_else_is_named(db: psycopg.Connection, database_url: str) -> None:
    db.execute(
        "CREATE SCHEMA bqx; CREATE TABLE bqx.m1_eurusd (ts_utc timestamptz, open float8, price float8)"
    )
    with (
        connect(database_url) as connection,
        pytest.raises(SchemaMismatch, match="no column high, low, close"),
    ):
        read_bars(connection, "eurusd", 0, 1)
