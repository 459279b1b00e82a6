"""The binary COPY codec against the server itself: what it stores and sends is the oracle."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.names import to_datetime
from include.storage.copying import BLOCK_ROWS, encode

TYPES = {"x": "DOUBLE PRECISION", "flag": "SMALLINT", "side": "TEXT", "nothing": "DOUBLE PRECISION"}
DDL = "CREATE TEMP TABLE t (ts_utc timestamptz, x float8, flag int2, side text, nothing float8)"


def store(db: psycopg.Connection, ts, x, flag) -> None:
    columns = {"x": x, "flag": flag, "side": "bid", "nothing": None}
    with db.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as stream:
        for block in encode(ts, columns, TYPES):
            stream.write(block)


def test_server_reads_every_kind_of_field_as_we_meant_it(db: psycopg.Connection) -> None:
    db.execute(DDL)
    db.execute("SET TimeZone = 'UTC'")
    ts = np.array([0, 25_000_000, 28_928_160])
    x = np.array([1.5, np.nan, -1e-300])
    flag = np.array([np.nan, 1.0, -1.0])
    store(db, ts, x, flag)
    rows = db.execute("SELECT * FROM t ORDER BY ts_utc").fetchall()
    assert rows == [
        (to_datetime(0), 1.5, None, "bid", None),
        (to_datetime(25_000_000), None, 1, "bid", None),
        (to_datetime(28_928_160), -1e-300, -1, "bid", None),
    ]


def test_blocks_are_joined_without_loss(db: psycopg.Connection) -> None:
    db.execute(DDL)
    n = 2 * BLOCK_ROWS + 17
    rng = np.random.default_rng(5)
    x = np.where(rng.random(n) < 0.01, np.nan, rng.normal(size=n))
    store(db, np.arange(n), x, np.zeros(n))
    query = "SELECT count(*), count(*) FILTER (WHERE x IS NULL), sum(x) FROM t"
    count, absent, total = db.execute(query).fetchone()
    assert (count, absent) == (n, np.isnan(x).sum())
    assert total == pytest.approx(np.nansum(x), rel=1e-12)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), max_size=40))
def test_numbers_survive_the_round_trip_bit_by_bit(
    db: psycopg.Connection, values: list[float | None]
) -> None:
    db.execute("DROP TABLE IF EXISTS t")
    db.execute(DDL)
    x = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    ts = np.arange(len(values)) * 7 - 1000
    store(db, ts, x, np.zeros(len(values)))
    back = db.execute("SELECT ts_utc, x FROM t ORDER BY ts_utc").fetchall()
    assert [moment for moment, _ in back] == [to_datetime(int(minute)) for minute in ts]
    assert [value for _, value in back] == values
