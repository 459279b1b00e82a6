"""The month swap against a real server: atomic, exclusive, nothing left behind, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest

from include.errors import Busy, SchemaMismatch
from include.names import Month
from include.storage import partitions
from include.storage.connection import connect
from include.storage.copying import encode
from include.storage.partitions import Kept, count_rows, lock_month, partition_of, replace_month
from include.storage.schema import ensure_tables
from include.storage.tables import Table

TABLE = Table("demo", "eurusd", {"x": "DOUBLE PRECISION", "flag": "SMALLINT"})
MONTH = Month(2024, 2)
ALL_NAMES = """
SELECT relname FROM pg_class WHERE relnamespace = 'bqx'::regnamespace AND relname LIKE 'demo%' ORDER BY 1
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as opened:
        ensure_tables(opened, [TABLE])
        yield opened


def rows(value: float, minutes=range(5), month: Month = MONTH) -> Iterator[bytes]:
    ts = np.array(minutes) + month.first_minute
    return encode(ts, {"x": np.full(len(ts), value), "flag": np.ones(len(ts))}, TABLE.columns)


def write(connection: psycopg.Connection, blocks: Iterator[bytes], month: Month = MONTH, **options) -> int:
    with connection.transaction():
        lock_month(connection, TABLE.name, month)
        return replace_month(connection, TABLE, month, blocks, **options).rows


def values(connection: psycopg.Connection) -> list[float]:
    return [x for (x,) in connection.execute("SELECT x FROM bqx.demo_eurusd ORDER BY ts_utc")]


def test_a_month_is_created_then_replaced(connection: psycopg.Connection) -> None:
    assert write(connection, rows(1.0)) == 5
    assert write(connection, rows(2.0, range(3))) == 3
    assert values(connection) == [2.0] * 3
    assert partition_of(connection, TABLE.name, MONTH) == "demo_eurusd_2024_02"
    assert count_rows(connection, "demo_eurusd_2024_02") == 3


def test_names_after_a_swap_are_those_of_the_month_and_nothing_is_left_over(
    connection: psycopg.Connection,
) -> None:
    for value in (1.0, 2.0):
        write(connection, rows(value))
    names = [name for (name,) in connection.execute(ALL_NAMES)]
    assert names == ["demo_eurusd", "demo_eurusd_2024_02", "demo_eurusd_2024_02_pkey", "demo_eurusd_pkey"]
    checks = connection.execute("SELECT conname FROM pg_constraint WHERE conname = 'month_bounds'").fetchall()
    assert checks == []


def test_the_key_is_enforced(connection: psycopg.Connection) -> None:
    write(connection, rows(1.0))
    with pytest.raises(psycopg.errors.UniqueViolation):
        write(connection, rows(2.0, [1, 1]))
    assert values(connection) == [1.0] * 5


@pytest.mark.parametrize("minute", [-1, 29 * 1440])
def test_a_row_of_another_month_is_refused_and_the_month_stays(
    connection: psycopg.Connection, minute: int
) -> None:
    write(connection, rows(1.0))
    with pytest.raises(psycopg.errors.CheckViolation):
        write(connection, rows(2.0, [0, minute]))
    assert values(connection) == [1.0] * 5


def test_rows_outside_the_new_range_are_kept(connection: psycopg.Connection) -> None:
    write(connection, rows(1.0, range(10)))
    first = MONTH.first_minute
    count = write(connection, rows(2.0, [3, 5]), keep=Kept(first + 3, first + 5))
    assert count == 9
    assert values(connection) == [1.0] * 3 + [2.0] * 2 + [1.0] * 4


def test_a_failure_in_the_middle_leaves_the_old_month_and_no_table(connection: psycopg.Connection) -> None:
    write(connection, rows(1.0))

    def broken() -> Iterator[bytes]:
        blocks = list(rows(2.0))
        yield from blocks[:-1]
        raise RuntimeError("killed here")

    before = connection.execute(ALL_NAMES).fetchall()
    with pytest.raises(RuntimeError, match="killed here"):
        write(connection, broken())
    assert values(connection) == [1.0] * 5
    assert connection.execute(ALL_NAMES).fetchall() == before


def test_a_reader_never_sees_half_a_month(connection: psycopg.Connection, database_url: str) -> None:
    write(connection, rows(0.0, range(1000)))
    seen: set[tuple[int, float, float]] = set()
    stop = threading.Event()

    def read() -> None:
        with connect(database_url) as reader:
            while not stop.is_set():
                seen.add(reader.execute("SELECT count(*), min(x), max(x) FROM bqx.demo_eurusd").fetchone())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for value in range(1, 30):
            write(connection, rows(float(value), range(1000)))
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 1, "the reader must have seen several versions"
    assert all(count == 1000 and low == high for count, low, high in seen), seen


def test_two_builders_of_a_month_exclude_each_other(
    connection: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "BUILD_PATIENCE", "200ms")
    with connect(database_url) as other, other.transaction():
        lock_month(other, TABLE.name, MONTH)
        with pytest.raises(Busy, match="demo_eurusd for 2024-02"):
            write(connection, rows(1.0))
        write(connection, rows(1.0, month=MONTH.next), month=MONTH.next)  # another month is free
    assert write(connection, rows(2.0)) == 5


def test_a_long_query_makes_us_retry_then_succeed(connection: psycopg.Connection, database_url: str) -> None:
    write(connection, rows(1.0))
    blocker = connect(database_url)
    blocker.execute("BEGIN")
    blocker.execute("SELECT * FROM bqx.demo_eurusd").fetchall()
    timer = threading.Timer(1.5, lambda: blocker.execute("COMMIT"))
    timer.start()
    assert write(connection, rows(2.0)) == 5
    timer.join()
    blocker.close()
    assert values(connection) == [2.0] * 5


def test_a_long_query_that_does_not_end_is_named(
    connection: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "SWAP_PATIENCE", 1.0)
    write(connection, rows(1.0))
    with connect(database_url) as blocker, blocker.transaction():
        blocker.execute("SELECT * FROM bqx.demo_eurusd").fetchall()
        with pytest.raises(Busy, match="old month is untouched"):
            write(connection, rows(2.0))
    assert values(connection) == [1.0] * 5


def test_a_stray_table_with_the_name_of_the_partition_is_not_touched(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE bqx.demo_eurusd_2024_02 (precious int)")
    with pytest.raises(SchemaMismatch, match="demo_eurusd_2024_02 exists but is not the partition"):
        write(connection, rows(1.0))
    assert connection.execute("SELECT count(precious) FROM bqx.demo_eurusd_2024_02").fetchone() == (0,)
