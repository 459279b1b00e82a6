"""What this bundle made is known by its mark, not by its name or type; older databases get their marks."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from include.build.months import build
from include.errors import MigrationDue, SchemaMismatch
from include.features.catalogue import STORED
from include.migration import steps
from include.names import Month
from include.storage.connection import connect
from include.storage.ownership import MARK, foreign_columns, owned_columns
from include.storage.schema import ensure_tables
from include.storage.stage_order import refuse_unmigrated
from include.storage.tables import SHARED, table_of
from include.storage.upgrade import upgrade
from local.legacy import build_legacy
from tests.faults.migrations import carry_out, request
from tests.include.storage.samples import sample_bars, store

PAIR = "eurusd"
TABLES = [table_of("m1", PAIR), table_of("bqx", PAIR), table_of(SHARED, ""), table_of("reg_bqx", PAIR)]


def forget_marks(db: psycopg.Connection) -> None:
    """Make the database what an older version left."""
    rows = db.execute(
        "SELECT relname::TEXT, attname::TEXT FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid"
        " WHERE starts_with(col_description(attrelid, attnum), %s)",
        [MARK],
    ).fetchall()
    for table, column in rows:
        name = sql.Identifier("bqx", table, column)
        db.execute(sql.SQL("COMMENT ON COLUMN {} IS NULL").format(name))
    db.execute("ALTER TABLE bqx.build_log DROP COLUMN content_hash")


def legacy_reg_bqx(db: psycopg.Connection) -> None:
    """A table of the origin with the name and type of a column of the catalogue."""
    db.execute("CREATE SCHEMA IF NOT EXISTS bqx")
    db.execute(
        "CREATE TABLE bqx.reg_bqx_eurusd (ts_utc TIMESTAMPTZ PRIMARY KEY, w60_r2 DOUBLE PRECISION, odd TEXT)"
        " PARTITION BY RANGE (ts_utc)"
    )
    db.execute(
        "CREATE TABLE bqx.reg_bqx_eurusd_2024_02 PARTITION OF bqx.reg_bqx_eurusd"
        " FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z')"
    )
    db.execute("INSERT INTO bqx.reg_bqx_eurusd VALUES ('2024-02-01 00:10Z', 0.25, 'x')")


def test_every_column_we_create_is_ours_whatever_it_is_called_later(db: psycopg.Connection) -> None:
    ensure_tables(db, TABLES)
    for table in TABLES:
        assert owned_columns(db, table.name) == list(table.columns)
    assert foreign_columns(db, TABLES) == {}
    db.execute("ALTER TABLE bqx.reg_bqx_eurusd RENAME COLUMN w60_r2 TO moved")
    db.execute("ALTER TABLE bqx.reg_bqx_eurusd RENAME TO elsewhere")
    assert "moved" in owned_columns(db, "elsewhere")


def test_a_table_that_only_looks_like_ours_is_not(db: psycopg.Connection) -> None:
    ensure_tables(db, TABLES)
    for table in TABLES:
        db.execute(f"CREATE TABLE bqx.twin (LIKE bqx.{table.name})")
        db.execute(f"DROP TABLE bqx.{table.name}")
        db.execute(f"ALTER TABLE bqx.twin RENAME TO {table.name}")
    assert foreign_columns(db, TABLES) == {table.name: list(table.columns) for table in TABLES}
    with pytest.raises(MigrationDue, match=r"reg_bqx_eurusd holds columns .* never overwritten.*bqx_migrate"):
        ensure_tables(db, [table_of("reg_bqx", PAIR)])
    with pytest.raises(SchemaMismatch, match=r"m1_eurusd holds columns .* Rename or drop"):
        ensure_tables(db, [table_of("m1", PAIR)])


def test_somebody_may_add_to_our_comment(db: psycopg.Connection) -> None:
    ensure_tables(db, TABLES)
    db.execute(f"COMMENT ON COLUMN bqx.reg_bqx_eurusd.w60_r2 IS '{MARK}and quants like it'")
    assert foreign_columns(db, TABLES) == {}
    db.execute("COMMENT ON COLUMN bqx.reg_bqx_eurusd.w60_r2 IS 'quants like it'")
    assert foreign_columns(db, TABLES) == {"reg_bqx_eurusd": ["w60_r2"]}


def test_a_legacy_value_is_never_written_over(
    database_url: str, db: psycopg.Connection, tmp_path: Path
) -> None:
    """Before the migration, after it, after it was taken back, and after it was done again."""
    store(database_url, PAIR, sample_bars(days_around=1, months=1))
    legacy_reg_bqx(db)
    row = "SELECT {} FROM bqx.reg_bqx_eurusd WHERE ts_utc = '2024-02-01 00:10Z'"
    for attempt in ("before", "after a revert"):
        with pytest.raises(MigrationDue, match=r"column w60_r2, which has a name of the catalogue"):
            build(database_url, PAIR, ["reg_bqx"])
        assert db.execute(row.format("w60_r2, odd")).fetchone() == (0.25, "x")
        carry_out(database_url, tmp_path / f"migrate {attempt}", request([PAIR]))
        build(database_url, PAIR, ["reg_bqx"])
        legacy, odd, ours = db.execute(row.format("legacy_w60_r2, odd, w60_r2")).fetchone() or ()
        assert (legacy, odd) == (0.25, "x")
        assert ours != 0.25
        carry_out(database_url, tmp_path / f"revert {attempt}", request([PAIR], steps.REVERT))
        assert db.execute(row.format("w60_r2, odd")).fetchone() == (0.25, "x")
    names = [column.name for column in db.execute("SELECT * FROM bqx.reg_bqx_eurusd").description or ()]
    assert [name for name in names if name.startswith("catalogue_")] == ["catalogue_w60_r2"], "moved once"


def test_a_database_of_an_older_version_gets_its_marks(database_url: str, db: psycopg.Connection) -> None:
    store(database_url, PAIR, sample_bars(days_around=1, months=1))
    build(database_url, PAIR, ["bqx", *STORED])
    made = {
        table: owned_columns(db, table) for table in ("bqx_eurusd", "reg_idx_eurusd", "volume_idx_eurusd")
    }
    forget_marks(db)
    assert upgrade(db) is True
    assert {table: owned_columns(db, table) for table in made} == made
    assert upgrade(db) is False
    refuse_unmigrated(db, [PAIR])


def test_an_older_version_that_had_migrated_is_taken_over_and_one_that_had_not_is_refused(
    database_url: str, db: psycopg.Connection, tmp_path: Path
) -> None:
    store(database_url, PAIR, sample_bars(days_around=1, months=1))
    build_legacy(database_url, pairs=[PAIR], months=[Month(2024, 2)], step_minutes=60, decoys=False)
    carry_out(database_url, tmp_path, request([PAIR]))
    build(database_url, PAIR, ["reg_idx", "reg_bqx", "statistics_idx"])
    made = {table: owned_columns(db, table) for table in ("reg_bqx_eurusd", "statistics_idx_eurusd")}
    forget_marks(db)
    refuse_unmigrated(db, [PAIR])  # brings it up to date by itself
    assert {table: owned_columns(db, table) for table in made} == made

    forget_marks(db)
    db.execute("UPDATE bqx.migration_journal SET state = 'reverted'")
    assert upgrade(db) is True
    assert owned_columns(db, "reg_bqx_eurusd") == []
    with pytest.raises(MigrationDue, match="not made by this bundle"):
        refuse_unmigrated(db, [PAIR])


def test_what_somebody_else_made_is_read_and_not_written(db: psycopg.Connection, database_url: str) -> None:
    legacy_reg_bqx(db)
    with connect(database_url) as connection:
        assert foreign_columns(connection, [table_of("reg_bqx", PAIR)]) == {"reg_bqx_eurusd": ["w60_r2"]}
        assert foreign_columns(connection, [table_of("reg_bqx", "gbpusd")]) == {}
