"""The stages keep their order because of what is in the database, whoever starts them and when.

Whole DAG runs on a real PostgreSQL. Of two at once, one is what its task calls, in a frozen process.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from psycopg import sql

from include.build.freshness import check_freshness
from include.build.months import build
from include.build.shared import build_shared
from include.dataset.frame import plan_frame
from include.errors import BqxError, Busy, Incomplete, MigrationDue
from include.features.catalogue import STORED
from include.forms import DATASET_PARAMS, FEATURE_PARAMS, LOAD_PARAMS
from include.market.load import load_pair, prepare
from include.market.request import LoadRequest
from include.migration import journal, locking, steps
from include.migration.steps import MIGRATE, REVERT
from include.names import LEGACY, Month
from include.storage import stage_order
from include.storage.connection import connect
from include.storage.legacy_columns import aside_name
from local import legacy
from local.postgres import Postgres
from tests.faults.kills import Moment, Worker
from tests.faults.migrations import carry_out, request, state_of
from tests.include.dataset.worlds import database
from tests.include.market.bar_files import write
from tests.include.storage.samples import sample_bars
from tests.reports import in_folder

pytestmark = pytest.mark.filterwarnings("default")  # a run goes through all of Airflow

PAIR, OTHER = "eurusd", "gbpusd"
JANUARY, FEBRUARY = "2024-01", "2024-02"  # the bars are those of a day on each side of the turn
TOUCHED = ["reg_idx", "reg_bqx"]  # families with legacy tables, one stage
FAMILY, TABLE = "bollinger_idx", "bollinger_idx_eurusd"
PART = 1000  # so many first rows are of January; so many last ones follow from bars of February alone
# A run in this process leaves its configuration in the DAG's params, so each run states all of them.
PARAMS = {"bqx_load": LOAD_PARAMS, "bqx_features": FEATURE_PARAMS, "bqx_dataset": DATASET_PARAMS}


class Run(NamedTuple):
    """What a DAG run was: its state, what its tasks raised, what they returned by task and key."""

    state: str
    errors: list[BaseException]
    results: dict[str, Any]

    def assert_refused(self, kind: type[BqxError], text: str, *others: type[BqxError]) -> None:
        """Errors of that kind say this, and nothing failed for another reason but the `others`."""
        assert self.state == "failed"
        assert {type(error) for error in self.errors} == {kind, *others}
        assert all(re.search(text, str(error)) for error in self.errors if isinstance(error, kind))


@pytest.fixture
def run(airflow_database, dagbag, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run a DAG of one pair to its end in this process."""
    from airflow.dag_processing import dagbag as parsing
    from airflow.models.xcom import XComModel
    from airflow.sdk.execution_time import supervisor
    from airflow.utils.session import create_session

    monkeypatch.setenv("AIRFLOW_CONN_BQX_POSTGRES", database_url)
    monkeypatch.setenv("AIRFLOW_VAR_BQX_REPORTS", str(tmp_path / "reports"))
    run_task, parse, patch = supervisor.run_task_in_process, parsing.BundleDagBag, monkeypatch.setattr
    ended: list[Any] = []
    patch(supervisor, "run_task_in_process", lambda **what: ended.append(run_task(**what)) or ended[-1])

    def run_dag(dag_id: str, **conf: Any) -> Run:
        ended.clear()
        dag = dagbag.dags[dag_id]
        own = {"dag_folder": dag.fileloc}  # a run parses all DAGs again, which takes longer than a task
        patch(parsing, "BundleDagBag", lambda **where: parse(**where | own))
        for task in dag.tasks:
            task.retries = 0
        defaults = {name: schema["default"] for name, schema in PARAMS[dag_id].items()}
        done = dag.test(run_conf=defaults | {"pairs": [PAIR], "dry_run": False} | conf)
        with create_session() as session:
            found = session.scalars(XComModel.get_many(run_id=done.run_id, dag_ids=dag_id)).all()
            results = {
                one.task_id: XComModel.deserialize_value(one) for one in found if one.key == "return_value"
            }
        return Run(str(done.state), [one.error for one in ended if one.error], results)

    return run_dag


@dataclass
class World:
    """A database, and folders of bar files: two days of two pairs, and the same with higher prices."""

    url: str
    folder: Path

    def __post_init__(self) -> None:
        for name, factor in (("old", 1.0), ("new", 1.01)):
            (self.folder / name).mkdir()
            for seed, pair in enumerate((PAIR, OTHER)):
                bars = sample_bars(seed, days_around=1, months=1)
                prices = {price: getattr(bars, price) * factor for price in ("open", "high", "low", "close")}
                write(self.folder / name, pair, replace(bars, **prices))

    def loading(self, bars: str = "old") -> tuple[Any, ...]:
        """The function that loads the bars of the pair, and what it is called with."""
        return load_pair, self.url, LoadRequest(f"{self.folder}/{bars}", (PAIR,)), PAIR

    def load(self, bars: str = "old") -> None:
        """Do what the tasks of bqx_load do."""
        work, *given = self.loading(bars)
        prepare(*given[:2])
        work(*given)

    def add_legacy(self) -> None:
        legacy.build_legacy(self.url, pairs=[PAIR], months=[Month(2024, 2)], step_minutes=240, decoys=False)

    def carry_out(self, action: str) -> None:
        """Migrate or take back, task by task."""
        carry_out(self.url, Path(tempfile.mkdtemp(dir=self.folder)), request([PAIR], action))

    def ask(self, statement: str | sql.Composed, *values: Any) -> list[tuple[Any, ...]]:
        with connect(self.url) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def stored(self, name: str, but: str = "created_at") -> list[dict[str, Any]]:
        """All values of a table in order, but for the moment they were written; empty if there is none."""
        query = sql.SQL("SELECT to_jsonb(t) - %s FROM {} AS t ORDER BY ts_utc")
        there = self.ask("SELECT to_regclass(%s)", f"bqx.{name}") != [(None,)]
        return [row for (row,) in self.ask(query.format(sql.Identifier("bqx", name)), but)] if there else []

    def contents(self) -> dict[str, Any]:
        return {name: self.stored(name) for name in ("m1_eurusd", "bqx_eurusd", TABLE)}

    def legacy_values(self) -> dict[str, list[list[Any]]]:
        """Every row with a legacy value by its old table, wherever a migration or a build has put it."""
        found = {}
        with connect(self.url) as session:
            entries = journal.in_force(session, PAIR) if journal.is_there(session) else []
        for family, old in (LEGACY | {"reg_bqx": "reg_bqx"}).items():
            new = {one.rename.old: one.rename.new for one in entries if one.family == family}
            name = new.get(f"{old}_{PAIR}", f"{old}_{PAIR}")
            rows = self.stored(name, but="") + self.stored(aside_name(name), but="")
            columns = [new.get(column, column) for column in legacy.FAMILIES.get(old, legacy.REG_BQX)]
            values = [[row["ts_utc"], *(row[column] for column in columns)] for row in rows]
            found[old] = sorted(row for row in values if any(value is not None for value in row[1:]))
        return found

    def everything(self) -> dict[tuple[Any, ...], Any]:
        """Every object and value but for the events that every task adds."""
        found = state_of(self.url, schema=False)
        return {one: found.contents.get(one[0]) for one in found.objects if not one[3].startswith("event")}

    def built_at(self) -> dict[tuple[str, str], Any]:
        rows = self.ask("SELECT table_name, month::TEXT, built_at FROM bqx.build_log")
        return {(name, month): moment for name, month, moment in rows}

    def stale(self) -> set[tuple[str, str]]:
        return {(one.table, one.month) for one in check_freshness(self.url, [PAIR], ["bqx", FAMILY]).stale}

    @contextmanager
    def waiting(self, work: Callable[..., Any], *args: Any) -> Iterator[Future[Any]]:
        """Do something in a thread, which has come to stand before an advisory lock."""
        here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        query = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = {here}"
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work, *args)
            while not self.ask(query):
                assert not future.done(), future
                time.sleep(0.01)
            yield future


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> World:
    return World(database_url, tmp_path)


@pytest.fixture
def migrated(world: World) -> World:
    """Bars, and legacy tables under their new names."""
    world.load()
    world.add_legacy()
    world.carry_out(MIGRATE)
    return world


@pytest.fixture(scope="module")
def undisturbed(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Tables where nothing comes between, after the old bars and after the new: these have the same base."""
    with database(postgres) as name:
        world, told = World(postgres.url(name), tmp_path_factory.mktemp("undisturbed")), {}
        for bars in ("old", "new"):
            world.load(bars)
            build(world.url, PAIR, [FAMILY])
            told[bars] = world.contents()
    return told


def test_features_wait_for_the_migration_and_keep_every_legacy_value(run, world: World) -> None:
    world.load()
    world.add_legacy()
    values = world.legacy_values()
    assert all(values[name] for name in ("reg", "reg_bqx", "volume_features"))
    for why in ("never migrated", "taken back"):
        before = world.everything()
        refused = run("bqx_features", families=TOUCHED)
        refused.assert_refused(MigrationDue, "has its legacy name.* bqx_migrate", Incomplete)
        assert world.everything() == before, why
        world.carry_out(MIGRATE)
        assert run("bqx_features", families=TOUCHED).state == "success"
        assert world.legacy_values() == values
        assert sum(row["w60_r2"] is not None for row in world.stored("reg_bqx_eurusd")) > 1000
        world.carry_out(REVERT)
        assert world.legacy_values() == values


def test_a_legacy_column_of_the_catalogues_name_and_type_is_enough_to_wait(run, world: World) -> None:
    asked = {"pairs": [PAIR, OTHER], "families": ["technical_idx", "reg_bqx"]}
    run("bqx_load", source=f"{world.folder}/old", pairs=asked["pairs"])
    world.ask(
        "CREATE TABLE bqx.reg_bqx_eurusd (ts_utc TIMESTAMPTZ PRIMARY KEY, w60_r2 DOUBLE PRECISION)"
        " PARTITION BY RANGE (ts_utc); CREATE TABLE bqx.reg_bqx_eurusd_2024_02 PARTITION OF"
        " bqx.reg_bqx_eurusd FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z');"
        " INSERT INTO bqx.reg_bqx_eurusd SELECT ts_utc, 0.25 FROM bqx.m1_eurusd WHERE ts_utc >= '2024-02-01Z'"
    )
    held = world.stored("reg_bqx_eurusd")
    refused = run("bqx_features", **asked)
    refused.assert_refused(MigrationDue, "reg_bqx_eurusd holds the column w60_r2.*bqx_migrate", Incomplete)
    assert world.stored("reg_bqx_eurusd") == held
    made = {name for name, _ in world.built_at() if not name.startswith(("m1_", "bqx_"))}
    assert made == {"technical_idx_gbpusd", "reg_bqx_gbpusd"}, "nothing of the pair, everything of the other"
    world.carry_out(MIGRATE)
    assert run("bqx_features", **asked).state == "success"
    rows = [row for row in world.stored("reg_bqx_eurusd") if row["legacy_w60_r2"] is not None]
    assert [row["ts_utc"] for row in rows] == [row["ts_utc"] for row in held]
    assert {row["legacy_w60_r2"] for row in rows} == {0.25} != {row["w60_r2"] for row in rows}


def test_loads_and_training_sets_wait_for_the_migration(run, world: World) -> None:
    world.add_legacy()
    before, due, source = world.everything(), (MigrationDue, "eurusd.*bqx_migrate"), f"{world.folder}/old"
    for pairs in ([PAIR], [PAIR, OTHER]):
        run("bqx_load", source=source, pairs=pairs).assert_refused(*due)
    assert world.everything() == before
    assert run("bqx_load", source=source, pairs=[OTHER]).state == "success"
    run("bqx_dataset", dry_run=True).assert_refused(*due)
    world.carry_out(MIGRATE)
    assert run("bqx_load", source=source).state == "success"
    held = world.stored("m1_eurusd")
    run("bqx_dataset", dry_run=True).assert_refused(Incomplete, "eurusd: .*bqx_features")
    world.carry_out(REVERT)
    run("bqx_load", source=f"{world.folder}/new").assert_refused(*due)
    assert world.stored("m1_eurusd") == held != []


def test_a_corrected_evening_makes_the_next_month_wait_for_its_run(run, world: World, caplog) -> None:
    world.load()
    build_shared(world.url)
    build(world.url, PAIR, STORED)
    assert plan_frame(world.url, [PAIR], "a run", {}).to_dict()["months"] == [JANUARY, FEBRUARY]
    world.ask(
        "UPDATE bqx.m1_eurusd SET close = close * 1.0001, high = high * 1.0002 WHERE ts_utc ="
        " (SELECT max(ts_utc) FROM bqx.m1_eurusd WHERE ts_utc < '2024-01-31 23:30Z')"
    )
    told = run("bqx_features", months=[JANUARY]).results["coverage"]["stale_elsewhere"]
    stale = "bqx.reg_idx_eurusd 2024-02: it was built from other bars"
    heals = re.escape('Run the DAG bqx_features with "pairs": ["eurusd"], "months": ["2024-02"].')
    assert re.search(f"{stale}.*{heals}", told)
    assert told in caplog.text, "the log says it too"
    held = world.everything()
    run("bqx_dataset", dry_run=True).assert_refused(Incomplete, f"{stale}.*{heals}")
    assert world.everything() == held
    assert "bqx_features" not in run("bqx_features").results["coverage"]["stale_elsewhere"]
    assert plan_frame(world.url, [PAIR], "a run", {}).to_dict()["months"] == [JANUARY, FEBRUARY]


@pytest.mark.parametrize("what", ["build", "load"])
def test_no_name_is_taken_back_while_somebody_works_on_the_pair(migrated: World, what, monkeypatch) -> None:
    monkeypatch.setattr(locking, "RUN_PATIENCE", "300ms")
    values = migrated.legacy_values()
    work = migrated.loading("new") if what == "load" else (build, migrated.url, PAIR, TOUCHED)
    with Worker(*work, moment=Moment("^copy COPY", 2)) as worker:
        worker.wait_for_moment()
        before = migrated.everything()
        with pytest.raises(Busy, match=r"a build or a training set is working on .* eurusd"):
            migrated.carry_out(REVERT)
        assert migrated.everything() == before
        worker.go_on()
        worker.result()
    migrated.carry_out(REVERT)
    assert migrated.legacy_values() == values


def test_a_migration_that_waits_does_not_stop_a_load_between_its_locks(migrated: World) -> None:
    """The load asks for its lock a second time, behind somebody who waits for the first to end."""
    with Worker(*migrated.loading("new"), moment=Moment("lock_shared", 2)) as loading:
        loading.wait_for_moment()
        with migrated.waiting(migrated.carry_out, REVERT) as reverting:
            loading.go_on()
            with pytest.raises(Busy, match="A load, a build or a training set"):
                reverting.result()
        assert loading.result()["bqx_months"] == 2


@pytest.mark.parametrize("action", [REVERT, MIGRATE])
def test_a_build_beside_a_migration_is_refused(run, migrated: World, action, monkeypatch) -> None:
    url, values, wanted = migrated.url, migrated.legacy_values(), request([PAIR], action)
    if action == MIGRATE:
        migrated.carry_out(REVERT)
    made = steps.plan(url, wanted, reports=in_folder(migrated.folder), run_label="run")
    steps.prepare(url, wanted, made, parallel=1)
    digest = made["hash"]
    steps.count(url, wanted, digest, PAIR)
    halfway = Moment("^committed$", 4)  # some families have their other names, no table is locked
    with Worker(steps.apply, url, wanted, digest, PAIR, moment=halfway) as migrating:
        migrating.wait_for_moment()
        before = migrated.everything()
        with monkeypatch.context() as changed:
            changed.setattr(stage_order, "WORK_PATIENCE", "300ms")
            refused = run("bqx_features", families=TOUCHED)
        refused.assert_refused(Busy, "bqx_migrate is at work on eurusd. Nothing was changed", Incomplete)
        assert migrated.everything() == before
        with migrated.waiting(build, url, PAIR, TOUCHED) as building:
            migrating.go_on()
            migrating.result()
            with pytest.raises(MigrationDue, match="not compared" if action == MIGRATE else "legacy name"):
                building.result()
    assert migrated.legacy_values() == values
    steps.check(url, wanted, PAIR)
    migrated.carry_out(MIGRATE)  # of what was migrated above the documents only
    assert run("bqx_features", families=TOUCHED).state == "success"
    assert migrated.legacy_values() == values


def test_a_load_during_a_build_leaves_a_month_known_to_be_stale(run, world: World, undisturbed) -> None:
    world.load()
    with Worker(build, world.url, PAIR, [FAMILY], moment=Moment(f'^copy COPY "bqx"."{TABLE}')) as building:
        building.wait_for_moment()  # the bars of January have been read
        assert run("bqx_load", source=f"{world.folder}/new").results["pairs.write"]["months"] == 2
        building.go_on()
        assert building.result()["built"] == 2
    assert world.stored(TABLE)[:PART] == undisturbed["old"][TABLE][:PART]
    assert world.stale() == {(TABLE, JANUARY)}
    assert run("bqx_features", families=[FAMILY]).state == "success"
    assert world.stale() == set()
    assert world.contents() == undisturbed["new"]


@pytest.mark.parametrize("done", [[], [JANUARY]], ids=["nothing", "January"])
def test_a_build_during_a_load_has_old_or_new_bars(run, world: World, undisturbed, done) -> None:
    world.load()
    with Worker(*world.loading("new"), moment=Moment('^copy COPY "bqx"."m1_', 1 + len(done))) as loading:
        loading.wait_for_moment()
        assert run("bqx_features", families=[FAMILY]).state == "success"
        built = world.stored(TABLE)
        loading.go_on()
        assert loading.result()["months"] == 2
    old, new = (undisturbed[bars][TABLE] for bars in ("old", "new"))
    assert built[:PART] == (new if done else old)[:PART]
    assert built[-PART:] == old[-PART:] != new[-PART:]
    assert world.stale() == {(TABLE, month) for month in (JANUARY, FEBRUARY) if month not in done}
    build(world.url, PAIR, [FAMILY])
    assert world.stale() == set()
    assert world.contents() == undisturbed["new"]


def test_a_load_restores_what_was_changed_and_writes_nothing_twice(run, world: World, undisturbed) -> None:
    def load(**conf: Any) -> tuple[int, ...]:
        """Months written, of these restored, and months of the BQX series; the bars are then right."""
        found = run("bqx_load", source=f"{world.folder}/old", **conf)
        assert found.state == "success"
        assert world.contents() == undisturbed["old"]
        return tuple(found.results["pairs.write"][name] for name in ("months", "restored", "bqx_months"))

    world.load()
    build(world.url, PAIR, [FAMILY])
    for damage, months in (
        ("DELETE FROM bqx.m1_eurusd WHERE ts_utc BETWEEN '2024-02-01 03:00Z' AND '2024-02-01 05:00Z'", 1),
        ("UPDATE bqx.m1_eurusd SET close = close * 1.001 WHERE extract(minute FROM ts_utc) = 7", 2),
        ("DROP TABLE bqx.m1_eurusd", 2),
    ):
        world.ask(damage)
        assert load() == (months, months, 0), damage
    written = world.built_at()
    assert load() == (0, 0, 0)
    assert world.built_at() == written
    assert load(rebuild=True) == (2, 0, 2)
    new = {name for (name, month), moment in world.built_at().items() if moment > written[name, month]}
    assert new == {"m1_eurusd", "bqx_eurusd"}
