"""Revert: everything as it was, also after a build, and as often as one likes."""

from __future__ import annotations

import psycopg
import pytest

from include.errors import MigrationFailed, MigrationRefused
from include.migration import execute, journal, revert, verify
from include.migration.names import LEGACY_COLUMNS
from include.migration.plan import make_plan
from tests.include.migration import database
from tests.include.migration.database import PAIRS, ROWS, exists


@pytest.fixture
def legacy(database_url: str) -> str:
    database.build(database_url)
    return database_url


@pytest.mark.parametrize("with_views", [False, True], ids=["plain", "with views"])
def test_apply_revert_apply_gives_identical_schemas(legacy: str, *, with_views: bool) -> None:
    before = database.dump(legacy)
    database.migrate(legacy, compatibility_views=with_views)
    after = database.dump(legacy)
    assert after != before
    assert "reg_idx_eurusd" in after
    for _ in range(3):
        revert.run(legacy, PAIRS)
        assert database.dump(legacy) == before
        for pair in PAIRS:
            verify.reverted(legacy, pair)
        database.migrate(legacy, compatibility_views=with_views)
        assert database.dump(legacy) == after
        for pair in PAIRS:
            verify.run(legacy, pair)


def test_the_plan_of_a_revert_reads_only_and_says_what_will_happen(
    legacy: str, db: psycopg.Connection
) -> None:
    assert revert.plan(legacy, PAIRS) == []  # nothing was ever migrated
    database.migrate(legacy, compatibility_views=True)
    before = database.catalog(db)
    planned = revert.plan(legacy, PAIRS)
    assert database.catalog(db) == before
    assert len(planned) == 7
    assert {(batch["parent"], batch["old"]) for batch in planned} >= {("reg_idx_usdjpy", "reg_usdjpy")}
    assert revert.run(legacy, PAIRS)["batches"] == planned
    assert revert.plan(legacy, PAIRS) == []
    assert revert.run(legacy, PAIRS)["batches"] == []


def test_revert_by_pair_leaves_the_others(legacy: str, db: psycopg.Connection) -> None:
    database.migrate(legacy)
    revert.run(legacy, ["eurusd"])
    assert exists(db, "reg_eurusd_2024_01")
    assert exists(db, "reg_idx_gbpusd_2024_01")
    assert journal.in_force(db, "eurusd") == []
    states = {str(state) for (state,) in db.execute("SELECT DISTINCT state FROM bqx.migration_journal")}
    assert states == {"renamed", "reverted"}


@pytest.fixture
def built(legacy: str, db: psycopg.Connection) -> str:
    """After a build of reg_idx_eurusd: columns added, one month replaced, one month new."""
    database.migrate(legacy)
    for pair in PAIRS:
        verify.run(legacy, pair)
    legacy_columns = ", ".join(
        f"legacy_{name}" if name in ("w60_r2", "w90_r2") else name for name in LEGACY_COLUMNS["reg_idx"]
    )
    with db.transaction():
        db.execute(
            "ALTER TABLE bqx.reg_idx_eurusd ADD COLUMN w60_r2 float8, ADD COLUMN w90_r2 float8,"
            " ADD COLUMN w15_a2_norm float8"
        )
        for name in ("reg_idx_eurusd_2024_02", "reg_idx_eurusd_2024_03"):
            month = int(name[-2:])
            db.execute(f"CREATE TABLE bqx.{name}__build (LIKE bqx.reg_idx_eurusd INCLUDING DEFAULTS)")
            if month == 2:
                db.execute(
                    f"INSERT INTO bqx.{name}__build (ts_utc, {legacy_columns}, w60_r2)"
                    f" SELECT ts_utc, {legacy_columns}, -1 FROM bqx.{name};"
                    f" ALTER TABLE bqx.reg_idx_eurusd DETACH PARTITION bqx.{name}; DROP TABLE bqx.{name}"
                )
            db.execute(
                f"ALTER TABLE bqx.{name}__build ADD CONSTRAINT {name}__build_pkey PRIMARY KEY (ts_utc);"
                f" ALTER TABLE bqx.{name}__build RENAME TO {name};"
                f" ALTER INDEX bqx.{name}__build_pkey RENAME TO {name}_pkey;"
                f" ALTER TABLE bqx.reg_idx_eurusd ATTACH PARTITION bqx.{name}"
                f" FOR VALUES FROM ('2024-0{month}-01 00:00+00') TO ('2024-0{month + 1}-01 00:00+00')"
            )
        db.execute(
            "CREATE TABLE bqx.build_log (table_name text, month date);"
            "INSERT INTO bqx.build_log VALUES ('reg_idx_eurusd', '2024-02-01'), ('other', '2024-02-01')"
        )
    return legacy


def test_names_go_back_after_a_build(built: str, db: psycopg.Connection) -> None:
    result = revert.run(built, PAIRS)
    for name in (
        "reg_eurusd",
        "reg_eurusd_2024_01",
        "reg_eurusd_2024_02",
        "reg_eurusd_2024_02_pkey",
        "reg_eurusd_2024_03",
        "reg_eurusd_2024_03_pkey",
        "idx_reg_eurusd_rate",
        "reg_eurusd_2024_03_rate_index_idx",
    ):
        assert exists(db, name), name
    left = db.execute("SELECT relname FROM pg_class WHERE relname LIKE 'reg\\_idx\\_%'").fetchall()
    assert left == []
    (reg,) = [batch for batch in result["batches"] if batch["parent"] == "reg_idx_eurusd"]  # type: ignore[attr-defined]
    assert reg["rebuilt"] == ["reg_idx_eurusd_2024_02", "reg_idx_eurusd_2024_03"]
    assert reg["added"] == ["w60_r2", "w90_r2", "w15_a2_norm"]
    assert reg["aside"] == ["w60_r2 -> catalogue_w60_r2", "w90_r2 -> catalogue_w90_r2"]
    values = db.execute("SELECT min(w60_r2) > 0, max(catalogue_w60_r2) FROM bqx.reg_eurusd").fetchone()
    assert values == (True, -1.0)  # the old name gives the old values
    assert db.execute("SELECT table_name FROM bqx.build_log").fetchall() == [("other",)]


def test_rows_that_a_build_kept_beside_the_table_come_back(built: str, db: psycopg.Connection) -> None:
    with db.transaction():
        db.execute(
            "CREATE TABLE bqx.reg_idx_eurusd_legacy_rows AS SELECT ts_utc, rate_index, legacy_w60_r2, w150_r2"
            " FROM bqx.reg_idx_eurusd_2024_02 WHERE ts_utc < '2024-02-01 00:10+00';"
            "DELETE FROM bqx.reg_idx_eurusd_2024_02 WHERE ts_utc < '2024-02-01 00:08+00'"
        )
    (reg,) = [
        batch
        for batch in revert.run(built, PAIRS)["batches"]  # type: ignore[attr-defined]
        if batch["parent"] == "reg_idx_eurusd"
    ]
    assert reg["returned"] == 9
    row = db.execute(
        "SELECT count(*), count(w60_r2), count(w150_r2) FROM bqx.reg_eurusd_2024_02"
        " WHERE ts_utc < '2024-02-01 00:10+00'"
    ).fetchone()
    assert row == (9, 9, 9)
    assert db.execute("SELECT count(*) FROM bqx.reg_eurusd_2024_02").fetchone() == (ROWS,)
    assert not exists(db, "reg_idx_eurusd_legacy_rows")


def test_contents_are_compared_after_a_revert(built: str, db: psycopg.Connection) -> None:
    revert.run(built, PAIRS)
    result = verify.reverted(built, "eurusd")
    assert (result["partitions"], result["rows"]) == (5, 5 * ROWS)
    assert result["rebuilt"] == ["reg_eurusd_2024_02"]
    db.execute("UPDATE bqx.reg_eurusd_2024_01 SET w60_r2 = 0")
    with pytest.raises(MigrationFailed, match=r"reg_eurusd_2024_01 has as many rows as before but other"):
        verify.reverted(built, "eurusd")


def test_migrating_again_after_a_build_and_a_revert(built: str, db: psycopg.Connection) -> None:
    revert.run(built, PAIRS)
    plan = make_plan(built, pairs=PAIRS)
    assert {batch.family for batch in plan.at_work if batch.pair == "eurusd"} >= {"reg_idx", "statistics_idx"}
    database.migrate(built)
    assert exists(db, "reg_idx_eurusd_2024_03")
    assert db.execute("SELECT min(legacy_w60_r2) > 0 FROM bqx.reg_idx_eurusd").fetchone() == (True,)
    for pair in PAIRS:
        verify.run(built, pair)


def test_columns_moved_aside_twice_keep_both(built: str, db: psycopg.Connection) -> None:
    revert.run(built, PAIRS)
    database.migrate(built)
    db.execute("ALTER TABLE bqx.reg_idx_eurusd ADD COLUMN w60_r2 float8")
    (reg,) = [
        batch
        for batch in revert.run(built, PAIRS)["batches"]  # type: ignore[attr-defined]
        if batch["parent"] == "reg_idx_eurusd"
    ]
    assert reg["aside"] == ["w60_r2 -> catalogue_w60_r2_2"]


REFUSED = {
    "old name taken": "CREATE TABLE bqx.reg_eurusd_2024_01 ()",
    "table renamed": "ALTER TABLE bqx.reg_idx_eurusd_2024_01 RENAME TO elsewhere",
    "parent gone": "DROP TABLE bqx.reg_idx_eurusd CASCADE",
    "view in the way": "CREATE VIEW bqx.reg_eurusd AS SELECT 1 AS x",
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_a_revert_that_cannot_be_whole_is_refused(legacy: str, db: psycopg.Connection, change: str) -> None:
    plan = make_plan(legacy, pairs=PAIRS)
    plan = plan._replace(batches=tuple(batch for batch in plan.at_work if batch.family == "reg_idx"))
    execute.run(legacy, plan, "eurusd")
    db.execute(change)
    before = database.catalog(db)
    with pytest.raises(MigrationRefused, match=r"reg_(idx_)?eurusd"):
        revert.run(legacy, ["eurusd"])
    assert database.catalog(db) == before


def test_a_half_renamed_start_is_given_back_as_it_was(legacy: str, db: psycopg.Connection) -> None:
    db.execute("ALTER TABLE bqx.reg_eurusd_2024_02 RENAME TO reg_idx_eurusd_2024_02")
    before = database.dump(legacy)
    database.migrate(legacy)
    revert.run(legacy, PAIRS)
    assert database.dump(legacy) == before
