"""Verification: passes after a clean migration, and names whatever is not as it was."""

from __future__ import annotations

import psycopg
import pytest

from include.errors import MigrationFailed
from include.migration import baseline, execute, verify
from include.migration.plan import make_plan
from tests.include.migration import database
from tests.include.migration.database import PAIRS, ROWS


@pytest.fixture
def migrated(database_url: str) -> str:
    database.build(database_url)
    database.migrate(database_url)
    return database_url


def test_a_clean_migration_passes(migrated: str) -> None:
    result = verify.run(migrated, "eurusd")
    assert result == {
        "pair": "eurusd",
        "batches": 3,
        "partitions": 6,
        "rows": 6 * ROWS,
        "views": 1,
        "materialized_views": 1,
        "functions": [],
    }
    assert verify.run(migrated, "gbpusd")["partitions"] == 4  # its orphan is left alone and accepted


def test_contents_are_compared_once_names_every_time(migrated: str, db: psycopg.Connection) -> None:
    verify.run(migrated, "eurusd")
    db.execute("DELETE FROM bqx.reg_idx_eurusd")  # a build writes these tables from now on
    assert verify.run(migrated, "eurusd")["partitions"] == 0
    db.execute("CREATE TABLE bqx.spread_features_eurusd (ts_utc int) PARTITION BY RANGE (ts_utc)")
    with pytest.raises(MigrationFailed, match=r"bqx\.spread_features_eurusd still has its old name"):
        verify.run(migrated, "eurusd")


P1, P2 = "bqx.reg_idx_eurusd_2024_01", "bqx.reg_idx_eurusd_2024_02"
BOUNDS_1 = "FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
FAULTS = {
    "row deleted": (f"DELETE FROM {P1} WHERE ts_utc = '2024-01-01 00:07+00'", P1),
    "row duplicated": (
        "ALTER TABLE bqx.reg_idx_eurusd DROP CONSTRAINT reg_idx_eurusd_pkey;"
        f" INSERT INTO {P2} SELECT * FROM {P2} LIMIT 1",
        P2,
    ),
    "row replaced by its neighbour": (
        "ALTER TABLE bqx.reg_idx_eurusd DROP CONSTRAINT reg_idx_eurusd_pkey;"
        f" DELETE FROM {P2} WHERE ts_utc = '2024-02-01 00:07+00';"
        f" INSERT INTO {P2} SELECT * FROM {P2} WHERE ts_utc = '2024-02-01 00:08+00'",
        P2,
    ),
    "value changed": (f"UPDATE {P1} SET w150_r2 = w150_r2 + 1e-6 WHERE ts_utc = '2024-01-01 00:07+00'", P1),
    "names of two partitions swapped": (
        f"ALTER TABLE {P1} RENAME TO a; ALTER TABLE {P2} RENAME TO reg_idx_eurusd_2024_01;"
        " ALTER TABLE bqx.a RENAME TO reg_idx_eurusd_2024_02",
        P1,
    ),
    "partitions of two pairs swapped": (
        f"ALTER TABLE bqx.reg_idx_eurusd DETACH PARTITION {P1};"
        " ALTER TABLE bqx.reg_idx_gbpusd DETACH PARTITION bqx.reg_idx_gbpusd_2024_01;"
        f" ALTER TABLE bqx.reg_idx_eurusd ATTACH PARTITION bqx.reg_idx_gbpusd_2024_01 {BOUNDS_1}",
        P1,
    ),
    "partition detached": (f"ALTER TABLE bqx.reg_idx_eurusd DETACH PARTITION {P1}", P1),
    "partition written anew": (f"VACUUM FULL {P1}", P1),
    "partition added": (
        "CREATE TABLE bqx.extra PARTITION OF bqx.reg_idx_eurusd DEFAULT",
        "bqx.extra was not there before",
    ),
    "parent made anew": (
        "ALTER TABLE bqx.reg_idx_eurusd RENAME TO b;"
        " CREATE TABLE bqx.reg_idx_eurusd (LIKE bqx.b) PARTITION BY RANGE (ts_utc)",
        "bqx.reg_idx_eurusd is not the table",
    ),
    "column added": ("ALTER TABLE bqx.reg_idx_eurusd ADD COLUMN x int", "other columns"),
    "column dropped": ("ALTER TABLE bqx.reg_idx_eurusd DROP COLUMN w630_r2", "lost the columns w630_r2"),
    "old name left on an index": (
        "ALTER INDEX bqx.reg_idx_eurusd_2024_01_pkey RENAME TO reg_eurusd_2024_01_pkey",
        "bqx.reg_eurusd_2024_01_pkey",
    ),
    "old name left on a sequence": (
        "ALTER SEQUENCE bqx.reg_idx_eurusd_seq RENAME TO reg_eurusd_seq",
        "bqx.reg_eurusd_seq",
    ),
    "view broken": (
        "CREATE VIEW bqx.broken AS SELECT 1 / (rate_index - rate_index) AS x FROM bqx.reg_idx_eurusd",
        "bqx.broken cannot be read: division by zero",
    ),
    "materialized view broken": (
        "CREATE MATERIALIZED VIEW bqx.mat AS SELECT 1 / (rate_index - rate_index) AS x"
        " FROM bqx.reg_idx_eurusd WITH NO DATA",
        "bqx.mat cannot be refreshed: division by zero",
    ),
    "function mentions an old name": (database.FUNCTION, "bqx_features.count_reg mentions"),
}


@pytest.mark.parametrize(("fault", "named"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_caught_and_named(migrated: str, db: psycopg.Connection, fault: str, named: str) -> None:
    if fault.startswith("VACUUM"):
        db.execute(fault)
    else:
        with db.transaction():
            db.execute(fault)
    with pytest.raises(MigrationFailed) as caught:
        verify.run(migrated, "eurusd")
    assert named in str(caught.value)


def test_a_batch_with_a_fault_stays_unverified(migrated: str, db: psycopg.Connection) -> None:
    db.execute(f"DELETE FROM {P1} WHERE ts_utc = '2024-01-01 00:07+00'")
    for _ in range(2):
        with pytest.raises(MigrationFailed, match="299 rows, before it had 300"):
            verify.run(migrated, "eurusd")


def test_functions_can_be_waived(migrated: str, db: psycopg.Connection) -> None:
    db.execute(database.FUNCTION)
    assert verify.run(migrated, "eurusd", waive_functions=True)["functions"] == ["bqx_features.count_reg"]


def test_refreshing_leaves_no_trace(migrated: str, db: psycopg.Connection) -> None:
    db.execute("DELETE FROM bqx_features.filtered WHERE false")
    before = db.execute("SELECT pg_relation_filenode('bqx_features.joined')").fetchone()
    verify.run(migrated, "eurusd")
    assert db.execute("SELECT pg_relation_filenode('bqx_features.joined')").fetchone() == before


def test_what_was_left_out_is_found(database_url: str) -> None:
    database.build(database_url)
    plan = make_plan(database_url, pairs=PAIRS)
    baseline.take(database_url, plan, "eurusd")
    part = plan._replace(batches=tuple(batch for batch in plan.at_work if batch.family == "reg_idx"))
    execute.run(database_url, part, "eurusd")
    with pytest.raises(MigrationFailed, match="statistics_features_eurusd still has its old name"):
        verify.run(database_url, "eurusd")
