"""Snapshots of real databases: what PostgreSQL says is what the plan is made from."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from include.migration import journal, names, snapshot
from include.migration.model import Plan
from include.migration.objects import alter
from include.migration.plan import Options, classify, make_plan
from include.names import COLUMNS_ONLY, LEGACY, Month
from include.storage.connection import connect
from include.storage.ownership import mark
from include.storage.schema import ensure_tables
from include.storage.tables import table_of
from local.legacy import build_legacy

PAIR = "eurusd"

# One table with everything that can hang on it, and beside it everything that only looks like it.
HOSTILE = """
CREATE INDEX idx_reg_eurusd_ts ON bqx.reg_eurusd (rate_index);
ALTER TABLE bqx.reg_eurusd ADD CONSTRAINT reg_eurusd_rate_check CHECK (rate_index > 0);
ALTER TABLE bqx.reg_eurusd_2024_01 ADD UNIQUE (ts_utc, rate_index);
CREATE TABLE bqx.reg_eurusd_default PARTITION OF bqx.reg_eurusd DEFAULT;
CREATE TABLE bqx.something PARTITION OF bqx.reg_eurusd FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE SEQUENCE bqx.reg_eurusd_seq OWNED BY bqx.reg_eurusd.w60_rmse;
CREATE VIEW bqx.rates AS SELECT ts_utc, rate_index FROM bqx.reg_eurusd;
CREATE MATERIALIZED VIEW bqx.january AS SELECT count(*) AS number FROM bqx.reg_eurusd;
CREATE PUBLICATION everything FOR TABLE bqx.reg_eurusd;
CREATE FUNCTION bqx.breaks(days INTEGER) RETURNS BIGINT LANGUAGE plpgsql
AS 'BEGIN RETURN (SELECT count(*) FROM bqx.reg_eurusd); END';
CREATE FUNCTION bqx.follows() RETURNS BIGINT LANGUAGE sql
BEGIN ATOMIC SELECT count(*) FROM bqx.reg_eurusd; END;
CREATE FUNCTION bqx.stamp() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER stamp BEFORE INSERT ON bqx.reg_eurusd FOR EACH ROW EXECUTE FUNCTION bqx.stamp();
CREATE TABLE bqx.reg_eurusd_2023_12 (LIKE bqx.reg_eurusd);
CREATE VIEW bqx.volume_features_eurusd AS SELECT 1 AS one;
CREATE TABLE bqx.reg_xauusd (LIKE bqx.reg_eurusd) PARTITION BY RANGE (ts_utc);
CREATE TABLE bqx.regime_eurusd (ts_utc TIMESTAMPTZ PRIMARY KEY, w60_r2 NUMERIC);
CREATE TABLE bqx.reg_rate_eurusd (ts_utc TIMESTAMPTZ PRIMARY KEY) PARTITION BY RANGE (ts_utc);
CREATE TABLE bqx.time_features_eurusd (ts_utc TIMESTAMPTZ PRIMARY KEY);
CREATE SCHEMA archive;
CREATE TABLE archive.reg_eurusd (ts_utc TIMESTAMPTZ);
CREATE TABLE archive.reg_eurusd_2024_01 (ts_utc TIMESTAMPTZ);
"""


def make_table(db: psycopg.Connection, name: str, columns: tuple[str, ...], months: int = 2) -> None:
    db.execute("CREATE SCHEMA IF NOT EXISTS bqx")
    listed = sql.SQL(", ").join(sql.SQL("{} DOUBLE PRECISION").format(sql.Identifier(c)) for c in columns)
    db.execute(
        sql.SQL("CREATE TABLE {} (ts_utc TIMESTAMPTZ PRIMARY KEY, {}) PARTITION BY RANGE (ts_utc)").format(
            sql.Identifier("bqx", name), listed
        )
    )
    for month in range(1, months + 1):
        db.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier("bqx", f"{name}_2024_{month:02d}"),
                sql.Identifier("bqx", name),
                sql.Literal(f"2024-{month:02d}-01 00:00:00+00"),
                sql.Literal(f"2024-{month + 1:02d}-01 00:00:00+00"),
            )
        )


def make_legacy(db: psycopg.Connection, family: str = "reg_idx", months: int = 2) -> None:
    make_table(db, names.old_parent(family, PAIR), names.LEGACY_COLUMNS[family], months)


def apply(db: psycopg.Connection, plan: Plan) -> None:
    for batch in plan.at_work:
        with db.transaction():
            if batch.drop_first:
                db.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("bqx", batch.drop_first)))
            db.execute(alter(batch.renames))


def states(plan: Plan) -> dict[str, str]:
    return {batch.family: batch.state for batch in plan.batches if batch.state != "missing"}


def catalog_of(db: psycopg.Connection) -> list[tuple[object, ...]]:
    return db.execute(
        "SELECT oid, relname, relfilenode, xmin::TEXT FROM pg_class UNION ALL "
        "SELECT oid, conname, 0, xmin::TEXT FROM pg_constraint ORDER BY 1, 2"
    ).fetchall()


def test_a_hostile_database_is_read_planned_and_settles(database_url, db):
    make_legacy(db)
    db.execute(HOSTILE)
    plan = make_plan(database_url, pairs=[PAIR])
    assert states(plan) == {"reg_idx": "to do"}
    assert {(note.kind, note.name) for note in plan.notes} == {
        ("function", "bqx.breaks(days integer)"),
        ("orphan", "bqx.reg_eurusd_2023_12"),
        ("kind", "bqx.volume_features_eurusd"),
        ("no target", "bqx.reg_xauusd"),
        ("default partition", "bqx.reg_eurusd_default"),
        ("odd name", "bqx.something"),
        ("missing months", "bqx.reg_eurusd"),
        ("dependent", "bqx.rates"),
        ("dependent", "bqx.january"),
        ("dependent", "bqx.reg_eurusd.stamp"),
        ("dependent", "everything"),
        ("old name", "bqx.reg_eurusd"),
        ("other schema", "archive"),
    }
    apply(db, plan)
    again = make_plan(database_url, pairs=[PAIR])
    assert states(again) == {"reg_idx": "done"}
    left = {name for (name,) in db.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'bqx'::REGNAMESPACE AND relname ~ 'reg_eurusd' "
        "UNION SELECT conname FROM pg_constraint WHERE conname ~ 'reg_eurusd'"
    )}  # fmt: skip
    assert left == {"reg_eurusd_2023_12"}
    for query in ("SELECT * FROM bqx.rates", "REFRESH MATERIALIZED VIEW bqx.january", "SELECT bqx.follows()"):
        db.execute(query)
    with pytest.raises(psycopg.errors.UndefinedTable):
        db.execute("SELECT bqx.breaks(1)")


def test_reading_changes_nothing_and_locks_nothing_beyond_reading(database_url, db):
    make_legacy(db)
    db.execute(HOSTILE)
    before = catalog_of(db)
    with connect(database_url) as connection, connection.transaction():
        snapshot._read(connection)
        modes = connection.execute(
            "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid'"
        ).fetchall()
        assert modes == [("AccessShareLock",)]
        assert connection.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() == (None,)
    make_plan(database_url)
    assert catalog_of(db) == before


@pytest.mark.timeout(30)
def test_a_locked_table_does_not_keep_a_plan_waiting(database_url, db):
    make_legacy(db)
    with db.transaction():
        db.execute("LOCK TABLE bqx.reg_eurusd IN ACCESS EXCLUSIVE MODE")
        # the catalog of a locked table can be read, so a plan never waits behind a long job
        plan = make_plan(database_url, pairs=[PAIR])
    assert states(plan) == {"reg_idx": "to do"}


@pytest.mark.parametrize(
    "preparation", ["", "CREATE SCHEMA bqx", "CREATE TABLE reg_eurusd (ts_utc TIMESTAMPTZ)"]
)
def test_nothing_to_rename(database_url, db, preparation):
    if preparation:
        db.execute(preparation)
    plan = make_plan(database_url)
    assert states(plan) == {}
    assert list(plan.at_work) == []


def test_our_own_fresh_tables_are_ours(database_url, db):
    families = [*LEGACY, *COLUMNS_ONLY]
    ensure_tables(db, [table_of(family, PAIR) for family in families])
    assert states(make_plan(database_url, pairs=[PAIR])) == dict.fromkeys(families, "ours")


def test_an_empty_target_of_ours_is_replaced_only_if_allowed(database_url, db):
    make_legacy(db, "statistics_idx")
    table = table_of("statistics_idx", PAIR)
    ensure_tables(db, [table])
    assert states(make_plan(database_url, pairs=[PAIR])) == {"statistics_idx": "conflict"}
    plan = make_plan(database_url, pairs=[PAIR], options=Options(replace_empty=True))
    apply(db, plan)
    assert states(make_plan(database_url, pairs=[PAIR])) == {"statistics_idx": "done"}


def test_a_single_row_makes_a_target_full_whatever_the_estimates_say(database_url, db):
    make_legacy(db, "statistics_idx")
    ensure_tables(db, [table_of("statistics_idx", PAIR)])
    db.execute("CREATE TABLE bqx.part PARTITION OF bqx.statistics_idx_eurusd DEFAULT")
    db.execute("INSERT INTO bqx.statistics_idx_eurusd (ts_utc) VALUES (now())")
    assert db.execute("SELECT max(reltuples) FROM pg_class WHERE relname = 'part'").fetchone() == (-1.0,)
    (batch,) = make_plan(database_url, pairs=[PAIR], options=Options(replace_empty=True)).conflicts
    assert "the builds made the new one: allow replace_built" in batch.reason


@pytest.mark.parametrize("first", ["parent", "partitions"])
def test_half_renamed(database_url, db, first):
    make_legacy(db, "volume_idx")
    if first == "parent":
        db.execute("ALTER TABLE bqx.volume_features_eurusd RENAME TO volume_idx_eurusd")
    else:
        for month in ("01", "02"):
            db.execute(
                sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                    sql.Identifier("bqx", f"volume_features_eurusd_2024_{month}"),
                    sql.Identifier(f"volume_idx_eurusd_2024_{month}"),
                )
            )
    plan = make_plan(database_url, pairs=[PAIR])
    assert states(plan) == {"volume_idx": "interrupted"}
    apply(db, plan)
    assert states(make_plan(database_url, pairs=[PAIR])) == {"volume_idx": "done"}


def test_a_type_in_the_way_is_seen(database_url, db):
    make_legacy(db)
    db.execute("CREATE TYPE bqx.reg_idx_eurusd_2024_02 AS ENUM ('a')")
    (batch,) = make_plan(database_url, pairs=[PAIR]).conflicts
    assert "reg_idx_eurusd_2024_02" in batch.reason


def test_journal_and_marks_are_read(database_url, db):
    make_table(db, "statistics_idx_eurusd", ("a",))
    make_table(db, "volume_idx_eurusd", ("a",))
    assert states(make_plan(database_url, pairs=[PAIR])) == {
        "statistics_idx": "conflict",
        "volume_idx": "conflict",
    }
    journal.ensure_tables(db)
    ensure_tables(db, [])
    db.execute("ALTER TABLE bqx.statistics_idx_eurusd RENAME a TO mean_20")
    db.execute(mark(table_of("statistics_idx", PAIR), ["mean_20"]))
    for state in ("reverted", "renamed"):  # the last one counts
        db.execute(
            "INSERT INTO bqx.migration_journal "
            "(plan_hash, family, pair, kind, oid, old_name, new_name, on_table, state) VALUES ('', "
            "'volume_idx', 'eurusd', 'table', 'bqx.volume_idx_eurusd'::REGCLASS::OID, "
            "'volume_features_eurusd', 'volume_idx_eurusd', '', %s)",
            [state],
        )
    assert states(make_plan(database_url, pairs=[PAIR])) == {"statistics_idx": "ours", "volume_idx": "done"}


def test_a_realistic_legacy_database_from_first_plan_to_last(database_url, db):
    pairs = ["eurusd", "gbpusd"]
    build_legacy(database_url, pairs=pairs, months=[Month(2024, 1)], step_minutes=720, reg_extra_months=1)
    wanted = {name for (name,) in db.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ "
        "'^((statistics|bollinger|fibonacci|volume|spread|correlation)_features|reg)_(eur|gbp)usd(_\\d{4}_\\d\\d)?$'"
    )}  # fmt: skip
    with connect(database_url) as connection:
        first = snapshot.read(connection)
    plan = classify(first, pairs)
    tables = {r.old for batch in plan.at_work for r in batch.renames if r.kind in ("table", "partition")}
    assert tables == wanted
    assert len(tables) == 2 * (7 + 8)
    apply(db, plan)
    with connect(database_url) as connection:
        last = snapshot.read(connection)
    again = classify(last, pairs)
    assert list(again.at_work) == []
    assert {batch.state for batch in again.batches} == {"done"}
    renamed = {r.old for batch in plan.at_work for r in batch.renames}
    untouched = {name: relation for name, relation in first.relations.items() if name not in renamed}
    assert untouched.items() <= last.relations.items()
    assert {relation.oid for relation in first.relations.values()} == {r.oid for r in last.relations.values()}
