"""Preflight: everything that forbids a migration is said before anything is locked."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from include.errors import MigrationRefused
from include.migration import preflight
from include.migration.model import Batch, Plan, Rename
from include.migration.plan import make_plan
from include.storage.connection import connect
from tests.include.migration.test_snapshot import PAIR, apply, make_legacy


@pytest.fixture
def plan(database_url, db) -> Plan:
    make_legacy(db)
    return make_plan(database_url, pairs=[PAIR])


def test_a_quiet_database_is_fit(database_url, plan):
    found = preflight.check(database_url, plan)
    assert found.facts["tables"] == 3
    assert found.facts["renames"] == 8
    assert found.facts["time zone"] == "UTC"
    assert found.warnings == ()


def test_an_empty_plan_asks_for_nothing(database_url):
    found = preflight.check(database_url, make_plan(database_url))
    assert found.facts["renames"] == 0


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO bqx.reg_eurusd (ts_utc) VALUES ('2024-01-05')",
        "LOCK TABLE bqx.reg_eurusd IN ACCESS EXCLUSIVE MODE",
        "CREATE INDEX ON bqx.reg_eurusd_2024_02 (rate_index)",
    ],
)
def test_a_writer_forbids_it(database_url, db, plan, statement):
    with psycopg.connect(database_url, application_name="backfill") as writer:
        writer.execute(statement)
        with pytest.raises(MigrationRefused, match=r"writing these tables: .* backfill \(pid \d+\)"):
            preflight.check(database_url, plan)
        writer.rollback()
    assert preflight.check(database_url, plan).warnings == ()


def test_a_long_reader_is_a_warning(database_url, plan, monkeypatch):
    monkeypatch.setattr(preflight, "LONG_READER", 0.0)
    with psycopg.connect(database_url, application_name="report") as reader:
        reader.execute("SELECT * FROM bqx.reg_eurusd")
        found = preflight.check(database_url, plan)
    assert found.facts["reading sessions"] == 1
    assert any("report" in warning for warning in found.warnings)


def test_somebody_elses_tables_are_refused(database_url, db, plan):
    role = f"reader_{db.info.backend_pid}"
    db.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
    try:
        db.execute(sql.SQL("GRANT USAGE ON SCHEMA bqx TO {}").format(sql.Identifier(role)))
        url = psycopg.conninfo.make_conninfo(database_url, user=role, password="x")
        with pytest.raises(MigrationRefused) as refused:
            preflight.check(url, plan)
        assert f"{role} does not own reg_eurusd" in str(refused.value)
        assert "GRANT CREATE" in str(refused.value)
    finally:
        db.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_a_server_that_takes_no_changes_is_refused(database_url, db, plan):
    name = sql.Identifier(db.info.dbname)
    db.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    with pytest.raises(MigrationRefused, match="takes no changes"):
        preflight.check(database_url, plan)


def test_a_plan_that_is_no_longer_true_is_refused(database_url, db, plan):
    db.execute("CREATE VIEW bqx.reg_idx_eurusd AS SELECT 1 AS one")
    with pytest.raises(MigrationRefused, match="reg_idx_eurusd exist since the plan was made"):
        preflight.check(database_url, plan)
    db.execute("DROP VIEW bqx.reg_idx_eurusd")
    db.execute("DROP TABLE bqx.reg_eurusd_2024_02")
    with pytest.raises(MigrationRefused, match="reg_eurusd_2024_02 changed since the plan was made"):
        preflight.check(database_url, plan)


def test_a_plan_that_was_carried_out_is_no_problem(database_url, db, plan):
    apply(db, plan)
    assert preflight.check(database_url, plan).warnings == ()


def test_the_estimate_of_locks_is_enough(database_url, db, plan):
    with connect(database_url) as connection, connection.transaction():
        apply(connection, plan)
        (held,) = connection.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()").fetchone()
        connection.execute("SELECT 1")
        (batch,) = plan.at_work
        assert held <= preflight.locks_of(batch) <= 5 * held


def test_too_few_locks_are_refused_with_the_remedy():
    renames = tuple(Rename("partition", number, f"old_{number}", f"new_{number}") for number in range(100))
    batches = [Batch("reg_idx", pair, "to do", "a", "b", renames, 99) for pair in ("eurusd", "gbpusd")]
    needed = preflight.locks_of(batches[0])
    assert preflight.lock_problems(batches, 1, needed, 0) == []
    (problem,) = preflight.lock_problems(batches, 1, needed, 1)
    assert "max_locks_per_transaction" in problem
    assert preflight.lock_problems(batches, 8, 2 * needed, 0) == []  # two pairs are at most two at once
    assert preflight.lock_problems(batches, 8, 2 * needed - 1, 0) != []
    assert preflight.lock_problems([], 8, 0, 0) == []


def test_functions_and_conflicts_are_warnings(database_url, db):
    make_legacy(db)
    db.execute("CREATE VIEW bqx.reg_idx_eurusd AS SELECT 1 AS one")
    db.execute(
        "CREATE FUNCTION bqx.f() RETURNS BIGINT LANGUAGE plpgsql "
        "AS 'BEGIN RETURN (SELECT count(*) FROM bqx.reg_eurusd); END'"
    )
    found = preflight.check(database_url, make_plan(database_url, pairs=[PAIR]))
    assert len(found.warnings) == 2
