"""What a rename meets beside the tables: pg_partman, functions, publications, event triggers, owners."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from include.errors import MigrationDue, MigrationFailed, MigrationRefused
from include.migration import preflight, verify
from include.migration.model import Note
from include.migration.plan import make_plan
from include.storage.connection import connect
from include.storage.stage_order import legacy_tables, refuse_unmigrated
from tests.faults.migrations import carry_out, request
from tests.include.migration.layouts import MONTHS, NAME, NEW, Layout, make
from tests.include.migration.test_layouts import assert_goes_all_the_way

PAIR = "eurusd"
PARTMAN = """
ALTER TABLE bqx.{t}_2024_01 RENAME TO {t}_p20240101;
ALTER TABLE bqx.{t}_2024_02 RENAME TO {t}_p2024_02;
CREATE TABLE bqx.{t}_default PARTITION OF bqx.{t} DEFAULT;
CREATE SCHEMA partman;
CREATE TABLE partman.part_config (parent_table text PRIMARY KEY, premake int);
INSERT INTO partman.part_config VALUES ('bqx.{t}', 4), ('public.other', 4)
"""


def notes(url: str, kind: str) -> dict[str, str]:
    found: list[Note] = [note for note in make_plan(url, pairs=[PAIR]).notes if note.kind == kind]
    return {note.name: note.text for note in found}


@pytest.fixture
def legacy(db: psycopg.Connection) -> psycopg.Connection:
    make(db, Layout(MONTHS, ""))
    return db


def test_partitions_of_pg_partman_follow_and_its_register_is_told(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    legacy.execute(PARTMAN.format(t=NAME))
    text = notes(database_url, "register")["partman.part_config"]
    assert f"bqx.{NAME}" in text
    assert "public.other" not in text
    assert "right after the run" in text
    assert_goes_all_the_way(database_url, legacy, tmp_path)


def test_a_partition_that_kept_a_legacy_name_is_found_by_every_check(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    """As an older version of the migration left it."""
    carry_out(database_url, tmp_path / "first", request([PAIR]))
    legacy.execute(f"ALTER TABLE bqx.{NEW}_2024_01 RENAME TO {NAME}_p20240101")
    with connect(database_url) as connection:
        assert legacy_tables(connection, [PAIR]) == [f"{NAME}_p20240101"]
        with pytest.raises(MigrationDue, match=f"{NAME}_p20240101 has its legacy name"):
            refuse_unmigrated(connection, [PAIR])
    with pytest.raises(MigrationFailed, match=f"{NAME}_p20240101 still has its old name"):
        verify.run(database_url, PAIR)
    carry_out(database_url, tmp_path / "second", request([PAIR]))
    with connect(database_url) as connection:
        refuse_unmigrated(connection, [PAIR])


def test_a_partition_of_another_table_is_none_of_ours(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    legacy.execute(
        "CREATE TABLE bqx.archive (ts_utc timestamptz) PARTITION BY RANGE (ts_utc);"
        f"CREATE TABLE bqx.{NAME}_2020_01 PARTITION OF bqx.archive DEFAULT"
    )
    assert f"bqx.{NAME}_2020_01" in notes(database_url, "orphan")
    carry_out(database_url, tmp_path, request([PAIR]))
    with connect(database_url) as connection:
        refuse_unmigrated(connection, [PAIR])


def test_a_register_that_may_not_be_read_is_told(database_url: str, legacy: psycopg.Connection) -> None:
    legacy.execute(PARTMAN.format(t=NAME))
    role = sql.Identifier(f"planner_{legacy.info.backend_pid}")
    legacy.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
    try:
        legacy.execute(
            sql.SQL(
                "GRANT USAGE ON SCHEMA bqx, partman TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA bqx TO {0}"
            ).format(role)
        )
        url = psycopg.conninfo.make_conninfo(
            database_url, user=f"planner_{legacy.info.backend_pid}", password="x"
        )
        assert "cannot be read by planner_" in notes(url, "register")["partman.part_config"]
    finally:
        legacy.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


FUNCTION = """
CREATE FUNCTION bqx.reads() RETURNS bigint LANGUAGE plpgsql
AS 'BEGIN RETURN (SELECT count(*) FROM {}); END'
"""


@pytest.mark.parametrize("spelled", [f"BQX.{NAME.upper()}", NAME.title(), f"bqx.{NAME}"])
def test_a_function_is_found_however_it_spells_a_table(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path, spelled: str
) -> None:
    legacy.execute(FUNCTION.format(spelled))
    assert "compatibility views" in notes(database_url, "function")["bqx.reads()"]
    with pytest.raises(MigrationFailed, match=r"function bqx\.reads mentions"):
        carry_out(database_url, tmp_path / "without", request([PAIR], waive=False))
    with pytest.raises(psycopg.errors.UndefinedTable):
        legacy.execute("SELECT bqx.reads()")


@pytest.mark.parametrize("suffix", ["2024_01", "p20240101", "default"])
def test_a_function_that_names_a_partition_is_not_saved_by_views(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path, suffix: str
) -> None:
    legacy.execute(
        f"ALTER TABLE bqx.{NAME}_2024_01 RENAME TO {NAME}_{suffix}" if suffix != "2024_01" else "SELECT 1"
    )
    legacy.execute(FUNCTION.format(f"bqx.{NAME}_{suffix.upper()}"))
    assert "with compatibility views too" in notes(database_url, "function")["bqx.reads()"]
    with pytest.raises(MigrationFailed, match=r"function bqx\.reads mentions"):
        carry_out(database_url, tmp_path, request([PAIR], waive=False, views=True))
    with pytest.raises(psycopg.errors.UndefinedTable):
        legacy.execute("SELECT bqx.reads()")


def test_the_plan_says_that_partitions_get_no_views(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    assert "Partitions get no views" in notes(database_url, "old name")[f"bqx.{NAME}"]
    carry_out(database_url, tmp_path, request([PAIR], views=True))
    assert legacy.execute(f"SELECT count(*) > 0 FROM bqx.{NAME}").fetchone() == (True,)
    with pytest.raises(psycopg.errors.UndefinedTable):
        legacy.execute(f"SELECT count(*) FROM bqx.{NAME}_2024_01")


def test_publications_and_event_triggers_are_told_before(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    legacy.execute("""
        CREATE FUNCTION bqx.guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION bqx.guard();
        CREATE EVENT TRIGGER asleep ON sql_drop EXECUTE FUNCTION bqx.guard();
        ALTER EVENT TRIGGER asleep DISABLE;
        CREATE PUBLICATION everything FOR ALL TABLES;
        CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA bqx
    """)
    assert list(notes(database_url, "event trigger")) == ["watch"]
    assert "bqx.guard on ddl_command_end" in notes(database_url, "event trigger")["watch"]
    published = notes(database_url, "publication")
    assert "all tables" in published["everything"]
    assert "schema bqx" in published["of_schema"]
    carry_out(database_url, tmp_path, request([PAIR]))
    assert notes(database_url, "publication") == {}, "nothing is left to rename"


def test_an_owner_that_may_not_create_is_refused_with_the_remedy(
    database_url: str, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    suffix = legacy.info.backend_pid
    runner, owner = sql.Identifier(f"runner_{suffix}"), sql.Identifier(f"Owner {suffix}")
    names = {"runner": runner, "owner": owner, "database": sql.Identifier(legacy.info.dbname)}
    try:
        legacy.execute(sql.SQL("""
            CREATE ROLE {owner}; CREATE ROLE {runner} LOGIN PASSWORD 'x' IN ROLE {owner};
            GRANT USAGE, CREATE ON SCHEMA bqx TO {runner}; GRANT USAGE ON SCHEMA bqx TO {owner}
        """).format(**names))  # fmt: skip
        tables = [NAME, *(f"{NAME}_2024_{month:02d}" for month in (1, 2, 3))]
        for table in tables:
            change = sql.SQL("ALTER TABLE {} OWNER TO {}")
            legacy.execute(change.format(sql.Identifier("bqx", table), owner))
        url = psycopg.conninfo.make_conninfo(database_url, user=f"runner_{suffix}", password="x")
        with pytest.raises(MigrationRefused, match="GRANT CREATE ON SCHEMA bqx TO") as refused:
            preflight.check(url, make_plan(url, pairs=[PAIR]))
        remedy = str(refused.value).rpartition(": ")[2].rstrip(".")
        legacy.execute(remedy)
        carry_out(url, tmp_path, request([PAIR], views=True))
        assert legacy.execute(f"SELECT count(*) > 0 FROM bqx.{NAME}").fetchone() == (True,)
    finally:
        legacy.execute(
            sql.SQL("DROP OWNED BY {owner}, {runner}; DROP ROLE {runner}, {owner}").format(**names)
        )
