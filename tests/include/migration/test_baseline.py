"""Baselines: exact, independent of order and names, and never taken from a half-renamed table."""

from __future__ import annotations

import psycopg
import pytest

from include.migration import baseline, execute
from include.migration.plan import make_plan
from tests.include.migration import database
from tests.include.migration.database import PAIRS, ROWS


@pytest.fixture
def legacy(database_url: str) -> str:
    database.build(database_url)
    return database_url


def measure(db: psycopg.Connection, table: str, *columns: str) -> baseline.Content:
    return baseline.measure(db, table, columns)


def test_a_baseline_counts_every_partition(legacy: str, db: psycopg.Connection) -> None:
    result = baseline.take(legacy, make_plan(legacy, pairs=PAIRS), "eurusd")
    assert result == {"pair": "eurusd", "batches": 3, "partitions": 6, "rows": 6 * ROWS, "kept": 0}
    rows = baseline.read(db, "eurusd")
    assert [row.content.rows for row in rows] == [ROWS] * 6
    (january,) = [row for row in rows if row.leaf.name == "reg_eurusd_2024_01"]
    assert str(january.content.first)[:16] == "2024-01-01 00:01"
    assert str(january.content.last)[:16] == "2024-01-01 05:00"
    assert january.leaf.columns[:2] == ("ts_utc", "rate_index")
    assert "2024-02-01 00:00:00+00" in january.leaf.bound


def test_the_fingerprint_does_not_depend_on_order_or_names(db: psycopg.Connection) -> None:
    db.execute(
        "CREATE SCHEMA bqx; CREATE TABLE bqx.a AS SELECT n, n / 7.0 AS x FROM generate_series(1, 99) n"
    )
    db.execute("CREATE TABLE bqx.b AS SELECT n AS other, x AS name FROM bqx.a ORDER BY n DESC")
    assert measure(db, "a", "n", "x") == measure(db, "b", "other", "name")
    db.execute("ALTER TABLE bqx.b ADD COLUMN added float8")
    assert measure(db, "a", "n", "x") == measure(db, "b", "other", "name")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE bqx.a SET x = x + 1e-12 WHERE n = 50",
        "UPDATE bqx.a SET x = NULL WHERE n = 50",
        "UPDATE bqx.a SET x = (SELECT sum(x) FROM bqx.a o WHERE o.n IN (1, 2)) - x WHERE n IN (1, 2)",
        "UPDATE bqx.a SET n = 51 - n + 50 WHERE n IN (50, 51)",
    ],
    ids=["last digits", "NULL", "two values swapped", "two keys swapped"],
)
def test_the_fingerprint_changes_with_any_value(db: psycopg.Connection, change: str) -> None:
    db.execute(
        "CREATE SCHEMA bqx; CREATE TABLE bqx.a AS SELECT n, n / 7.0 AS x FROM generate_series(1, 99) n"
    )
    before = measure(db, "a", "n", "x")
    db.execute(change)
    after = measure(db, "a", "n", "x")
    assert after.rows == before.rows
    assert after.fingerprint != before.fingerprint


def test_columns_without_a_hash_count_as_text(db: psycopg.Connection) -> None:
    db.execute(
        "CREATE SCHEMA bqx; CREATE TABLE bqx.j AS SELECT '{\"a\": 1}'::json AS j FROM generate_series(1, 3)"
    )
    before = measure(db, "j", "j")
    assert before.rows == 3
    db.execute("UPDATE bqx.j SET j = '{\"a\": 2}' WHERE ctid = '(0,1)'")
    assert measure(db, "j", "j").fingerprint != before.fingerprint


def test_an_empty_table_and_a_table_without_a_key_have_a_baseline(db: psycopg.Connection) -> None:
    db.execute(
        "CREATE SCHEMA bqx; CREATE TABLE bqx.e (ts_utc timestamp, x int); CREATE TABLE bqx.k AS SELECT 1 AS x"
    )
    assert measure(db, "e", "ts_utc", "x") == (0, None, None, 0)
    assert measure(db, "k", "x")[:3] == (1, None, None)


def test_a_run_after_a_kill_keeps_the_baseline_of_what_was_renamed(
    legacy: str, db: psycopg.Connection
) -> None:
    plan = make_plan(legacy, pairs=PAIRS)
    baseline.take(legacy, plan, "eurusd")
    first = plan._replace(batches=tuple(b for b in plan.at_work if b.family == "reg_idx"))
    execute.run(legacy, first, "eurusd")  # and then the worker was killed
    db.execute("DELETE FROM bqx.reg_idx_eurusd WHERE ts_utc < '2024-01-01 00:05+00'")
    db.execute("DELETE FROM bqx.statistics_features_eurusd WHERE ts_utc < '2024-01-01 00:03+00'")
    again = baseline.take(legacy, plan, "eurusd")
    assert (again["kept"], again["batches"]) == (1, 2)
    rows = {row.leaf.name: row.content.rows for row in baseline.read(db, "eurusd")}
    assert rows["reg_eurusd_2024_01"] == ROWS  # before the damage
    assert rows["statistics_features_eurusd_2024_01"] == ROWS - 2  # written by its owner before our rename


def test_a_pair_with_nothing_to_rename_needs_no_baseline(database_url: str, db: psycopg.Connection) -> None:
    result = baseline.take(database_url, make_plan(database_url, pairs=PAIRS), "eurusd")
    assert result["batches"] == 0
    assert db.execute("SELECT to_regnamespace('bqx')").fetchone() == (None,)
