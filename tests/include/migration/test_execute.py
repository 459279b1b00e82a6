"""Executing a plan: atomic batches, reruns, exclusion, refusals, waiting politely, speed."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from include.errors import Busy, MigrationRefused
from include.migration import execute, journal, locking, verify
from include.migration.model import Plan
from include.migration.plan import Options, make_plan
from include.names import LEGACY
from include.pairs import PAIRS as ALL_PAIRS
from include.storage.connection import connect
from local.postgres import Postgres
from tests.include.migration import database
from tests.include.migration.database import PAIRS, exists


@pytest.fixture
def legacy(database_url: str) -> str:
    database.build(database_url)
    return database_url


def only(plan: Plan, family: str) -> Plan:
    return plan._replace(batches=tuple(batch for batch in plan.batches if batch.family == family))


def test_everything_of_a_table_gets_the_new_name(legacy: str, db: psycopg.Connection) -> None:
    plan = make_plan(legacy, pairs=PAIRS)
    result = execute.run(legacy, plan, "eurusd")
    assert result["batches"] == 3  # reg, statistics, columns of reg_bqx
    for name in (
        "reg_idx_eurusd",
        "reg_idx_eurusd_2024_01",
        "reg_idx_eurusd_pkey",
        "reg_idx_eurusd_2024_02_pkey",
        "idx_reg_idx_eurusd_rate",
        "reg_idx_eurusd_2024_01_rate_index_idx",
        "reg_idx_eurusd_seq",
        "statistics_idx_eurusd_2024_02",
        "regime_eurusd",
        "reg_bqx_eurusd",
        "reg_gbpusd",  # another pair
        "reg_gbpusd_2023_12",  # an orphan
    ):
        assert exists(db, name), name
    assert not exists(db, "reg_eurusd")
    columns = {
        str(name)
        for (name,) in db.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'bqx.reg_idx_eurusd_2024_01'::regclass"
        )
    }
    assert {"legacy_w60_r2", "legacy_w90_r2", "w150_r2"} <= columns
    assert db.execute("SELECT obj_description('bqx.reg_idx_eurusd'::regclass)").fetchone() == (
        "regressions of the rate",
    )
    journaled = len(journal.in_force(db, "eurusd"))
    assert journaled == sum(len(batch.renames) for batch in plan.at_work if batch.pair == "eurusd")
    assert journaled == sum(result["renamed"].values())  # type: ignore[attr-defined]


def test_a_second_run_issues_no_statement_that_changes_anything(legacy: str, db: psycopg.Connection) -> None:
    plan = database.migrate(legacy)
    before = database.catalog(db)
    for pair in PAIRS:
        with db.transaction():  # were a table locked, this reader would make the run wait
            db.execute(f"SELECT count(*) FROM bqx.reg_idx_{pair}")
            again = execute.run(legacy, plan, pair)
        assert (again["batches"], again["renamed"], again["retries"]) == (0, {}, 0)
        assert again["already_done"] > 0
    assert list(make_plan(legacy, pairs=PAIRS).at_work) == []
    assert database.catalog(db) == before


def test_the_catalog_of_the_second_run_test_sees_a_single_rename(legacy: str, db: psycopg.Connection) -> None:
    before = database.catalog(db)
    db.execute("ALTER TABLE bqx.reg_eurusd RENAME TO a; ALTER TABLE bqx.a RENAME TO reg_eurusd")
    assert database.catalog(db) != before


def test_two_runs_exclude_each_other(legacy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "RUN_PATIENCE", "200ms")
    plan = make_plan(legacy, pairs=PAIRS)
    with locking.session(legacy, "eurusd"):
        with pytest.raises(Busy, match="Another run is migrating eurusd"):
            execute.run(legacy, plan, "eurusd")
        assert execute.run(legacy, plan, "gbpusd")["batches"] == 2
    assert execute.run(legacy, plan, "eurusd")["batches"] == 3


def test_two_runs_at_once_do_the_work_once(legacy: str) -> None:
    plan = make_plan(legacy, pairs=PAIRS)
    results: list[dict[str, object]] = []
    threads = [
        threading.Thread(target=lambda: results.append(execute.run(legacy, plan, "eurusd"))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result["batches"] for result in results) == [0, 3]  # type: ignore[type-var]


MIGRATE = """
import sys
from tests.include.migration import database
print("ready", flush=True)
sys.stdin.readline()
database.migrate(sys.argv[1], compatibility_views=True)
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_run_after_a_kill_ends_as_an_undisturbed_one(legacy: str, postgres: Postgres, seed: int) -> None:
    twin = f"{legacy.rpartition('/')[2]}_twin"
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {twin} TEMPLATE {legacy.rpartition('/')[2]}")
    started = time.monotonic()
    database.migrate(postgres.url(twin), compatibility_views=True)
    undisturbed = time.monotonic() - started
    with subprocess.Popen(
        [sys.executable, "-c", MIGRATE, legacy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdout.readline()
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
        time.sleep(random.Random(seed).uniform(0, undisturbed))
        worker.kill()
    database.migrate(legacy, compatibility_views=True)
    for pair in PAIRS:
        verify.run(legacy, pair)
    assert database.dump(legacy) == database.dump(postgres.url(twin))
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE {twin} WITH (FORCE)")


CHANGES = {
    "renamed": "ALTER TABLE bqx.reg_eurusd_2024_01 RENAME TO elsewhere",
    "recreated": "DROP TABLE bqx.reg_eurusd_2024_01; CREATE TABLE bqx.reg_eurusd_2024_01 PARTITION OF"
    " bqx.reg_eurusd FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')",
    "detached": "ALTER TABLE bqx.reg_eurusd DETACH PARTITION bqx.reg_eurusd_2024_02",
    "attached": "CREATE TABLE bqx.reg_eurusd_2024_03 PARTITION OF bqx.reg_eurusd"
    " FOR VALUES FROM ('2024-03-01 00:00+00') TO ('2024-04-01 00:00+00')",
    "parent swapped": "ALTER TABLE bqx.reg_eurusd RENAME TO reg_other;"
    " CREATE TABLE bqx.reg_eurusd (LIKE bqx.reg_other) PARTITION BY RANGE (ts_utc)",
    "parent gone": "DROP TABLE bqx.reg_eurusd CASCADE",
    "column gone": "ALTER TABLE bqx.reg_eurusd DROP COLUMN w60_r2 CASCADE",
    "name taken": "CREATE TABLE bqx.reg_idx_eurusd_2024_02 ()",
    "index name taken": "CREATE TABLE bqx.idx_reg_idx_eurusd_rate ()",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_changed_since_the_plan_stops_the_batch_untouched(
    legacy: str, db: psycopg.Connection, change: str
) -> None:
    plan = only(make_plan(legacy, pairs=PAIRS), "reg_idx")
    db.execute(change)
    journal.ensure_tables(db)
    before = database.catalog(db)
    with pytest.raises(MigrationRefused, match=r"reg_eurusd|reg_idx_eurusd"):
        execute.run(legacy, plan, "eurusd")
    assert database.catalog(db) == before
    assert journal.in_force(db, "eurusd") == []


def test_a_half_renamed_table_is_continued(legacy: str, db: psycopg.Connection) -> None:
    db.execute("ALTER TABLE bqx.reg_eurusd RENAME TO reg_idx_eurusd")
    db.execute("ALTER TABLE bqx.statistics_features_eurusd_2024_01 RENAME TO statistics_idx_eurusd_2024_01")
    plan = make_plan(legacy, pairs=PAIRS)
    execute.run(legacy, plan, "eurusd")
    assert exists(db, "reg_idx_eurusd_2024_01")
    assert exists(db, "statistics_idx_eurusd_pkey")
    assert not list(make_plan(legacy, pairs=["eurusd"]).at_work)


def test_an_empty_table_of_ours_is_dropped_only_if_asked_for(legacy: str, db: psycopg.Connection) -> None:
    from include.storage.schema import ensure_tables
    from include.storage.tables import table_of

    ensure_tables(db, [table_of("statistics_idx", "eurusd")])
    plan = only(make_plan(legacy, pairs=["eurusd"], options=Options(replace_empty=True)), "statistics_idx")
    (batch,) = plan.at_work
    assert batch.drop_first == "statistics_idx_eurusd"
    db.execute("CREATE TABLE bqx.p PARTITION OF bqx.statistics_idx_eurusd DEFAULT")
    db.execute("INSERT INTO bqx.statistics_idx_eurusd (ts_utc) VALUES (now())")
    with pytest.raises(MigrationRefused, match="has rows now"):
        execute.run(legacy, plan, "eurusd")
    db.execute("TRUNCATE bqx.statistics_idx_eurusd")
    execute.run(legacy, plan, "eurusd")
    assert db.execute("SELECT count(*) FROM bqx.statistics_idx_eurusd").fetchone() == (2 * database.ROWS,)


@contextlib.contextmanager
def another_session(url: str, command: str, seconds: float) -> Iterator[None]:
    """Somebody does something and commits some seconds later."""
    done = threading.Event()

    def work() -> None:
        with psycopg.connect(url) as connection:
            connection.execute(command)
            done.set()
            time.sleep(seconds)

    thread = threading.Thread(target=work)
    thread.start()
    done.wait()
    yield
    thread.join()


@pytest.mark.parametrize("change", ["renamed", "attached", "parent swapped"])
def test_what_changes_while_we_wait_stops_the_batch_too(
    legacy: str, db: psycopg.Connection, change: str
) -> None:
    plan = only(make_plan(legacy, pairs=PAIRS), "reg_idx")
    with (
        another_session(legacy, CHANGES[change], 0.7),  # not committed: the first look sees nothing of it
        pytest.raises(MigrationRefused, match="reg_eurusd"),
    ):
        execute.run(legacy, plan, "eurusd")
    assert not exists(db, "reg_idx_eurusd")
    assert not exists(db, "reg_idx_eurusd_2024_02")


def test_nobody_queues_behind_us_while_somebody_blocks(legacy: str) -> None:
    plan = only(make_plan(legacy, pairs=PAIRS), "reg_idx")
    waits: list[float] = []
    stop = threading.Event()

    def read() -> None:
        with connect(legacy) as connection:
            while not stop.is_set():
                started = time.monotonic()
                connection.execute(  # the other partition: the blocker alone would not stop this query
                    "SELECT count(*) FROM bqx.reg_eurusd_2024_01"
                    if not exists(connection, "reg_idx_eurusd")
                    else "SELECT 1"
                )
                waits.append(time.monotonic() - started)

    def read_until_renamed() -> None:
        with contextlib.suppress(psycopg.errors.UndefinedTable):  # the old name goes while a query waits
            read()

    reader = threading.Thread(target=read_until_renamed)
    reader.start()
    with another_session(legacy, "LOCK TABLE bqx.reg_eurusd_2024_02", 3):
        result = execute.run(legacy, plan, "eurusd")
    stop.set()
    reader.join()
    assert result["retries"] >= 1  # type: ignore[operator]
    assert result["batches"] == 1
    assert max(waits) < 1.0
    assert result["longest_wait"] < 1.0  # type: ignore[operator]


def test_a_lock_that_is_never_released_ends_in_a_message(
    legacy: str, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "PATIENCE", 0.1)
    plan = only(make_plan(legacy, pairs=PAIRS), "reg_idx")
    with db.transaction():
        db.execute("SELECT count(*) FROM bqx.reg_eurusd")
        with pytest.raises(Busy, match=r"bqx\.reg_eurusd.*Nothing of this batch was renamed"):
            execute.run(legacy, plan, "eurusd")
    assert exists(db, "reg_eurusd_2024_01")


def test_full_size_takes_a_few_seconds_of_database_time(database_url: str, db: psycopg.Connection) -> None:
    """28 pairs, 7 families, 12 months: one column is enough, renaming does not look at rows."""
    with db.transaction():
        db.execute("CREATE SCHEMA bqx")
        for pair in ALL_PAIRS:
            for prefix in LEGACY.values():
                db.execute(
                    "DO $$ BEGIN"
                    f" CREATE TABLE bqx.{prefix}_{pair} (ts_utc timestamptz PRIMARY KEY)"
                    " PARTITION BY RANGE (ts_utc);"
                    " FOR m IN 1..12 LOOP EXECUTE format("
                    f"'CREATE TABLE bqx.{prefix}_{pair}_2024_%s PARTITION OF bqx.{prefix}_{pair}"
                    " FOR VALUES FROM (%L) TO (%L)', lpad(m::text, 2, '0'),"
                    " make_timestamptz(2024, m, 1, 0, 0, 0),"
                    " make_timestamptz(2024, m, 1, 0, 0, 0) + interval '1 month'); END LOOP; END $$"
                )
    plan = make_plan(database_url)
    total, renamed = 0.0, 0
    for pair in ALL_PAIRS:
        result = execute.run(database_url, plan, pair)
        total += result["seconds"]  # type: ignore[operator]
        renamed += sum(result["renamed"].values())  # type: ignore[attr-defined]
    assert renamed == 28 * 7 * 13 * 2  # tables and their primary keys
    assert total < 15
    print(f"{renamed} renames in {total:.2f} s")
