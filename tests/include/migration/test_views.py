"""Compatibility views: readers of the old names notice nothing."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from psycopg import sql

from include.errors import MigrationRefused
from include.migration import execute, revert, verify, views
from include.migration.names import LEGACY_COLUMNS
from include.migration.plan import make_plan
from include.storage.connection import connect
from tests.include.migration import database
from tests.include.migration.database import PAIRS, exists


@pytest.fixture
def legacy(database_url: str) -> str:
    database.build(database_url)
    return database_url


def read(db: psycopg.Connection, table: str) -> list[tuple[object, ...]]:
    return db.execute(sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier("bqx", table))).fetchall()


def test_the_old_name_answers_with_the_old_columns(legacy: str, db: psycopg.Connection) -> None:
    before = {name: read(db, name) for name in ("reg_eurusd", "statistics_features_usdjpy")}
    database.migrate(legacy, compatibility_views=True)
    for name, rows in before.items():
        assert read(db, name) == rows
    columns = [column.name for column in db.execute("SELECT * FROM bqx.reg_eurusd LIMIT 0").description or ()]
    assert columns == ["ts_utc", *(c for c in LEGACY_COLUMNS["reg_idx"] if c != "created_at"), "created_at"]
    assert exists(db, "reg_bqx_eurusd")  # keeps its name, needs no view
    assert verify.run(legacy, "eurusd")["views"] == 3


def test_a_second_run_is_not_confused_by_views(legacy: str, db: psycopg.Connection) -> None:
    plan = database.migrate(legacy, compatibility_views=True)
    before = database.catalog(db)
    assert list(make_plan(legacy, pairs=PAIRS).at_work) == []
    assert execute.run(legacy, plan, "eurusd", compatibility_views=True)["batches"] == 0
    assert database.catalog(db) == before


def test_who_might_read_the_table_may_read_the_view(legacy: str, db: psycopg.Connection) -> None:
    role = sql.Identifier(f"reader_{db.info.dbname}")
    db.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        db.execute(sql.SQL("GRANT USAGE ON SCHEMA bqx TO {}").format(role))
        db.execute(sql.SQL("GRANT SELECT ON bqx.reg_eurusd TO {}").format(role))
        database.migrate(legacy, compatibility_views=True)
        with db.transaction():
            db.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
            assert len(read(db, "reg_eurusd")) == 2 * database.ROWS
        db.execute(sql.SQL("SET ROLE {}").format(role))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            read(db, "statistics_features_eurusd")
    finally:
        db.execute("RESET ROLE")
        db.execute(sql.SQL("DROP OWNED BY {}").format(role))
        db.execute(sql.SQL("DROP ROLE {}").format(role))


def test_dropping_takes_our_views_and_no_others(legacy: str, db: psycopg.Connection) -> None:
    database.migrate(legacy, compatibility_views=True)
    db.execute("CREATE VIEW bqx.spread_features_eurusd AS SELECT 1 AS x")
    assert views.drop_views(legacy, ["eurusd"])["dropped"] == ["reg_eurusd", "statistics_features_eurusd"]
    assert not exists(db, "reg_eurusd")
    assert exists(db, "spread_features_eurusd")
    assert exists(db, "reg_gbpusd")
    assert views.drop_views(legacy, ["eurusd"])["dropped"] == []


def test_a_view_that_is_read_by_another_is_not_dropped(legacy: str, db: psycopg.Connection) -> None:
    database.migrate(legacy, compatibility_views=True)
    db.execute("CREATE VIEW bqx.on_top AS SELECT * FROM bqx.reg_eurusd")
    with pytest.raises(MigrationRefused, match="other objects depend on it"):
        views.drop_views(legacy, ["eurusd"])
    assert exists(db, "on_top")


def test_a_reader_in_a_loop_sees_no_error_and_all_rows(legacy: str) -> None:
    """Through migration, dropping nothing, revert and migration again."""
    stop, counts, waits, errors = threading.Event(), set(), list[float](), list[Exception]()

    def loop(table: str) -> None:
        with connect(legacy) as connection:
            while not stop.is_set():
                started = time.monotonic()
                try:
                    row = connection.execute(
                        f"SELECT count(*), sum(w60_r2) FROM bqx.{table}"
                        if "reg_" in table
                        else f"SELECT count(*), sum(entropy_60min) FROM bqx.{table}"
                    ).fetchone()
                    counts.add((table, row))
                except psycopg.Error as error:
                    errors.append(error)
                waits.append(time.monotonic() - started)

    tables = ("reg_eurusd", "reg_gbpusd", "statistics_features_eurusd")
    readers = [threading.Thread(target=loop, args=[table]) for table in tables]
    for reader in readers:
        reader.start()
    time.sleep(0.1)
    for _ in range(5):
        database.migrate(legacy, compatibility_views=True)
        for pair in PAIRS:
            verify.run(legacy, pair)
        revert.run(legacy, PAIRS)
    stop.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert len(counts) == len(tables)  # the same count and sum every time
    assert len(waits) > 100
    assert max(waits) < 1.0
    print(f"{len(waits)} queries, longest wait {max(waits) * 1000:.0f} ms")
