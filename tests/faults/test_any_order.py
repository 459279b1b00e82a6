"""Whatever is done in whatever order: nothing wrong is published or called done, nothing legacy is lost.

A machine loads, corrects bars, deletes rows by hand, builds, changes a formula, migrates, takes the names
back, makes data sets, asks for the status and kills workers, in random order. After each step every legacy
value must be where it was. What is published or called done is computed again from the bars. Whoever is
refused is told what to do. In the end migrate, load, features and dataset must succeed.

    BQX_FAULT_SEED=5 make soak TESTS=tests/faults/test_any_order.py
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from multiprocessing import get_context, set_forkserver_preload
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from hypothesis.strategies import booleans, floats, integers, sampled_from

from include.build.months import build
from include.build.shared import build_shared
from include.dataset import report
from include.errors import BqxError, MigrationFailed, MigrationRefused
from include.features.catalogue import STORED
from include.market.request import LoadRequest
from include.migration.plan import Options
from include.migration.steps import DROP_VIEWS, MIGRATE, REVERT, Request
from include.plan.evidence import gather
from include.plan.model import Evidence
from include.quality.steps import build_stage
from include.storage.tables import SHARED
from local.postgres import Postgres
from tests.faults import any_order, kills, migrations
from tests.faults.any_order import DONE, LATE, LEGACY_ONLY, OLD_NAMES, PAIR, PAIRS, STARTS, Lab, Truth
from tests.faults.kills import Moment, kill_at
from tests.faults.states import wait_until_alone
from tests.include.dataset import worlds
from tests.include.dataset.stores import empty_store
from tests.reports import in_folder

SEED = int(os.environ.get("BQX_FAULT_SEED", "29"))
SEQUENCES, SOAK_SEQUENCES, STEPS = 20, 200, 8

TASKS = ("examine", "choose", "export", "publish")
OF_MIGRATION = ("renamed", "counts", "documented")
EVIDENCE = [Evidence(kind, (family,)) for kind in ("schema", "backfill", "gate") for family in STORED]
EVIDENCE += [Evidence(kind) for kind in OF_MIGRATION]
OLD = {*OLD_NAMES.values()} - {*any_order.NEW_NAMES.values()}  # names that no table has after a migration

# Faults of the product that are known; ORDERS shows each. The machine keeps out of the way of those in
# AVOIDED; whoever mends one takes it out.
UNREADABLE = "bars that cannot be read leave everything done"
GATE = "a gate stays done when rows of its table are deleted or the table is replaced"
SHARED_ROWS = "rows deleted from correlation_shared are not missed when the pair alone is built again"
SCHEMA = "the schema of reg_bqx is done when its names were taken back"
UNLOADED = "build_shared fails with an error of psycopg where nothing was ever loaded"
CONFLICTS = "a migration with conflicts fails in the end and does not say what to decide"
NO_BARS = "the backfill of a legacy table with a month without bars is never done"
COUNTERS = "for some seconds after a correction everything is still done"
# The sync looks at tables again where PostgreSQL's own counters of changed rows have moved, and a session
# hands those over some seconds after its commit. Until then a correction is not seen; the next sync sees it.
AVOIDED = frozenset((COUNTERS,))


class AnyOrder(RuleBasedStateMachine):
    """One database, and everything that may be done to it."""

    def __init__(self, lab: Lab, avoided: frozenset[str] = AVOIDED) -> None:
        super().__init__()
        self.lab, self.avoided = lab, avoided
        self.folder = lab.folder / f"run {next(lab.numbers)}"
        self.expected = {family: dict(rows) for family, rows in lab.values.items()}
        self.open, self.patch = ExitStack(), pytest.MonkeyPatch()
        self.url, self.version, self.files, self.harmed = "", 0, "short", False
        self.left: tuple[Path, Request] | None = None  # a run of bqx_migrate that somebody may clear
        self.frame: dict[str, Any] = {}
        self.tasks: tuple[str, ...] = ()

    # How it begins and ends

    @initialize(start=sampled_from(STARTS), gated=sampled_from([STORED[one::5] for one in range(5)]))
    def begin(self, start: str, gated: tuple[str, ...]) -> None:
        """One of the databases; in the end the gate looks at some families, all of them would take long."""
        self.start, self.gated, self.in_backup = start, gated, start == LATE
        self.url = self.open.enter_context(self.lab.database(start))
        settled = {"autocommit": True, "prepare_threshold": None, "options": "-c timezone=UTC"}
        self.session = self.open.enter_context(psycopg.connect(self.url, **settled))  # of a person

    def teardown(self) -> None:
        """If nothing went wrong, somebody does all that has to be done."""
        try:
            if self.url and sys.exc_info()[0] is None:
                self.finish()
        finally:
            self.patch.undo()
            self.open.close()

    def finish(self) -> None:
        """Migrate, load, features, dataset: whatever happened before, that succeeds and all is done then."""
        self.migrate_for_good()
        self.load_files(self.wanted(self.files))
        any_order.features_all(self.url, self.folder, self.gated)
        self.plan_data_set()
        for task in TASKS:
            any_order.data_set(self.lab.store, self.url, self.frame, task, self.folder)
        self.assert_published()
        self.legacy_values_are_where_they_were()
        left = {one for one in EVIDENCE if one.kind != "gate" or one.families[0] in self.gated} - self.done()
        assert left <= ({Evidence("backfill", ("reg_idx",))} if NO_BARS in self.avoided else set())

    def migrate_for_good(self) -> None:
        """As a person does who reads what a run says, and only where a person has to decide."""
        replacing = {"options": Options(replace_built=True)}
        try:
            told = self.run_migration()
        except (MigrationFailed, MigrationRefused) as error:
            if self.start == LATE and ("replace_built" in str(error) or CONFLICTS in self.avoided):
                told = self.run_migration(**replacing)
            elif self.harmed:  # somebody deleted legacy values: "take the names back"
                self.attempt(self.run_migration, REVERT)
                told = self.run_migration()
            else:
                raise
        if self.conflicts(told):
            assert self.conflicts(self.run_migration(**replacing)) == set()

    def conflicts(self, told: dict[str, Any]) -> set[str]:
        """Tables that a migration left under their old names: its page says what a person has to decide."""
        left = any_order.tables_of(self.session) & OLD
        if left:
            assert self.start == LATE, "nobody made a second table of that name"
            assert "allow replace_built" in told["plan"]["page"]
        return left

    # What must be true

    @invariant()
    def legacy_values_are_where_they_were(self) -> None:
        """Every one of them, whatever its table and column are called now."""
        assert any_order.difference(self.lab.legacy_values(self.session), self.expected) == ""

    def assert_published(self) -> None:
        """The data set of the frame follows from the bars that are there now."""
        Truth(self.session).assert_published(self.lab.store, self.frame["dataset_id"])
        self.frame = {}

    def done(self) -> set[Evidence]:
        """What is called done; it is compared with what is there."""
        done = {
            one
            for one, proof in gather(self.url, EVIDENCE, [PAIR], reports=in_folder(self.folder)).items()
            if proof.done
        }
        if UNREADABLE in self.avoided and not any_order.all_readable(self.session):
            return done
        looked_at = ("backfill",) if GATE in self.avoided else ("backfill", "gate")
        truth = cache(partial(Truth, self.session))
        for family in sorted({one.families[0] for one in done if one.kind in looked_at}):
            truth().assert_stored(self.session, family)
        for family in (one.families[0] for one in done if one.kind == "schema"):
            found = self.lab.clashing(self.session, family)
            assert found == set() or SCHEMA in self.avoided, f"{found} of {family} hold legacy values"
        if any(one.kind in OF_MIGRATION for one in done):
            assert any_order.tables_of(self.session).isdisjoint(OLD)
        return done

    def attempt(self, work: Callable[..., Any], *args: Any, **options: Any) -> bool:
        """Whether it was done. If not, the error is one of ours and tells a person what to do."""
        try:
            work(*args, **options)
        except BqxError as error:
            tell(f"{type(error).__name__}: {error}")
            if not any_order.ADVICE.search(str(error)):
                raise AssertionError("what can a person do?") from error
            return False
        return True

    # What may be done

    @rule(
        files=sampled_from(["short", "long", None]),
        pairs=sampled_from([PAIRS, PAIRS[:1], PAIRS[1:]]),
        first_day=sampled_from([None, None, "2024-08-01"]),
        rebuild=booleans(),
    )
    def load(self, files: str | None, **options: Any) -> None:
        """Load bars from files, afterwards those are there; or register the bars that are in the database."""
        self.files = "long" if files == "long" else self.files
        self.attempt(self.load_files, self.wanted(files, **options))

    @rule(
        what=sampled_from([*any_order.CORRECTIONS]),
        pair=sampled_from(PAIRS),
        place=floats(0, 0.99),
        rows=sampled_from([1, 30]),
    )
    def correct(self, what: str, pair: str = PAIR, place: float = 0.5, rows: int = 30) -> None:
        """Somebody changes some bars by hand."""
        self.by_hand(f"UPDATE bqx.{{}} SET {any_order.CORRECTIONS[what]}", f"m1_{pair}", place, rows)

    @rule(
        family=sampled_from(any_order.DELETED),
        pair=sampled_from(PAIRS),
        place=floats(0, 0.99),
        rows=sampled_from([1, 50, 3000, 100_000]),
    )
    def delete(self, family: str, pair: str = PAIR, place: float = 0.5, rows: int = 50) -> None:
        """Somebody deletes some rows by hand; legacy values that were in them are gone."""
        if family == SHARED and SHARED_ROWS in self.avoided:
            return
        name = SHARED if family == SHARED else f"{family}_{pair if family in ('m1', 'bqx') else PAIR}"
        gone = self.by_hand("DELETE FROM bqx.{}", name, place, rows)
        if family in self.expected:
            now = self.lab.legacy_values(self.session)[family]
            for minute in gone - now.keys():
                self.harmed |= self.expected[family].pop(minute, None) is not None

    @rule(
        shared=sampled_from([True, True, False]),
        families=sampled_from(any_order.FAMILIES),
        gated=booleans(),
        months=sampled_from([(), (), *((str(month),) for month in any_order.MONTHS)]),
        rebuild=booleans(),
    )
    def build(self, *, shared: bool, families: Any = STORED, gated: bool = True, **options: Any) -> None:
        """Build some families; without `shared` it is the task of the pair alone that is cleared."""
        if shared and self.may_share():
            self.attempt(build_shared, self.url, **options)
        if gated:
            options |= {"reports": in_folder(self.folder), "run_label": "a run"}
        self.attempt(build_stage if gated else build, self.url, PAIR, families, **options)

    @rule(version=integers(0, 2))
    def change_formula(self, version: int) -> None:
        """Another version of the code is installed."""
        self.version = version
        any_order.set_version(self.patch, version)

    @rule(action=sampled_from([MIGRATE, REVERT, DROP_VIEWS]), views=booleans(), replace=booleans())
    def migrate(self, action: str, *, views: bool = False, replace: bool = False) -> None:
        """A run of stage 1.6.9; when names were taken back, every legacy row is where it was at first."""
        told: dict[str, Any] = {}
        options = {"views": views, "options": Options(replace_built=replace)}
        if not self.attempt(lambda: told.update(self.run_migration(action, **options))):
            return
        tables = any_order.tables_of(self.session)
        if action == MIGRATE:
            self.conflicts(told)
        elif action == REVERT and not self.in_backup:
            assert {*OLD_NAMES.values()} <= tables
            assert not [name for name in tables if name.endswith("_legacy_rows")]

    @precondition(lambda self: self.left)
    @rule()
    def clear(self) -> None:
        """Somebody clears the failed task of a migration, whatever happened since."""
        self.attempt(migrations.carry_out, self.url, *self.left)

    @precondition(lambda self: self.in_backup)
    @rule()
    def restore(self) -> None:
        """Somebody restores the legacy tables from a backup of the older system."""
        any_order.move(self.url, "backup", "bqx")
        self.in_backup = False

    @rule()
    def start_data_set(self) -> None:
        """Plan a data set."""
        self.attempt(self.plan_data_set)

    @precondition(lambda self: self.frame)
    @rule(number=integers(1, len(TASKS)))
    def go_on_with_data_set(self, number: int) -> None:
        """Its next tasks; what is published in the end follows from the bars of that moment."""
        for task in self.tasks[:number]:
            done = self.attempt(any_order.data_set, self.lab.store, self.url, self.frame, task, self.folder)
            if not done:
                assert not self.lab.is_published(self.frame["dataset_id"])
                return
            self.tasks = self.tasks[1:]
        if not self.tasks:
            self.assert_published()

    @rule()
    def ask_for_status(self) -> None:
        """What is called done is done."""
        tell(f"done: {dict(Counter(one.kind for one in self.done()))}")

    @rule(
        what=sampled_from(["build", "load", "shared", MIGRATE, REVERT, "data set"]),
        step=sampled_from(any_order.MOMENTS),
        number=integers(1, 9),
    )
    def kill(self, what: str, step: str, number: int) -> None:
        """A worker is killed at a step, if it comes that far."""
        work = self.work_of(what)
        try:
            if work is not None:
                kill_at(Moment(step, number), any_order.refusable, self.version, *work)
        except EOFError:
            tell("it has ended before")
        wait_until_alone(self.url)
        if what == "data set" and self.frame and self.lab.is_published(self.frame["dataset_id"]):
            self.assert_published()

    # How

    def by_hand(self, change: str, table: str, place: float, rows: int) -> set[int]:
        """Minutes of the rows that somebody changed; none if there is no such table."""
        there = any_order.tables_of(self.session)
        old = OLD_NAMES.get(table.removesuffix(f"_{PAIR}"), table)
        changed: set[int] = set()
        for name in {table, old} & there:
            changed |= any_order.by_hand(self.session, change.format(name), name, place, rows)
        if COUNTERS in self.avoided:
            self.session.execute("SELECT pg_stat_force_next_flush()")
        return changed

    def work_of(self, what: str) -> tuple[Any, ...] | None:
        """A function and what it is called with; None if there is nothing to do."""
        if what in (MIGRATE, REVERT):
            self.left = self.folder / f"migration {next(self.lab.numbers)}", migrations.request([PAIR], what)
            return migrations.carry_out, self.url, *self.left
        if what == "data set":
            port = int(self.lab.store.client.meta.endpoint_url.rpartition(":")[2])
            rest = port, self.url, self.frame, self.tasks, self.folder
            return (any_order.data_set_alone, *rest) if self.frame else None
        if what == "shared":
            return (build_shared, self.url) if self.may_share() else None
        if what == "load":
            return any_order.load_all, self.url, self.wanted(self.files, rebuild=True)
        return partial(build, rebuild=True), self.url, PAIR, STORED

    def may_share(self) -> bool:
        """Whether the shared columns can be built, or are refused as they should be."""
        return UNLOADED not in self.avoided or "baseline_rates" in any_order.tables_of(self.session)

    def wanted(self, files: str | None, pairs: tuple[str, ...] = PAIRS, **options: Any) -> LoadRequest:
        return LoadRequest(files and self.lab.files(files), pairs, price_side="bid", **options)

    def load_files(self, wanted: LoadRequest) -> None:
        any_order.load_all(self.url, wanted)
        if wanted.source:
            any_order.assert_loaded(self.session, self.lab.bars[wanted.source], wanted)

    def run_migration(self, action: str = MIGRATE, **options: Any) -> dict[str, Any]:
        """A new run of bqx_migrate; what its tasks returned."""
        self.left = (
            self.folder / f"migration {next(self.lab.numbers)}",
            migrations.request([PAIR], action, **options),
        )
        told = migrations.carry_out(self.url, *self.left)
        self.left = None
        return told

    def plan_data_set(self) -> None:
        self.frame = {}
        dataset_id = f"set-{next(self.lab.numbers)}"
        self.frame = worlds.plan(self.url, dataset_id, [PAIR], **any_order.SMALLEST)
        self.tasks = TASKS


def tell(text: str) -> None:
    """Something to be read beside the steps of a sequence that fails."""
    (hypothesis.note if hypothesis.currently_in_test_context() else print)(text)


ORDERS: dict[str, tuple[str, Callable[[AnyOrder], Any]]] = {
    UNREADABLE: (DONE, lambda one: [one.correct("no price"), one.ask_for_status()]),
    GATE: (DONE, lambda one: [one.delete("technical_bqx"), one.ask_for_status()]),
    SHARED_ROWS: (DONE, lambda one: [one.delete(SHARED), one.build(shared=False), one.ask_for_status()]),
    SCHEMA: (DONE, lambda one: [one.migrate(REVERT), one.ask_for_status()]),
    UNLOADED: (LEGACY_ONLY, lambda one: one.build(shared=True)),
    CONFLICTS: (LATE, lambda one: one.restore()),
    NO_BARS: (DONE, lambda one: None),
    COUNTERS: (DONE, lambda one: [one.ask_for_status(), one.correct("close"), one.ask_for_status()]),
}


@pytest.fixture(scope="module")
def lab(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("any_order")
    with empty_store(folder / "s3") as store:
        yield Lab(postgres, store, folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No report is drawn, and workers come from a process that has loaded everything already."""
    monkeypatch.setattr(report, "draw", worlds.plain_report)
    set_forkserver_preload(["tests.faults.any_order"])
    monkeypatch.setattr(kills, "get_context", lambda _: get_context("forkserver"))


def run(lab: Lab, sequences: int, number: int) -> None:
    """Random sequences; the same number gives the same ones."""
    print(f"the seed is {number}")
    wanted = settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate],  # a sequence takes seconds: it is shown as it is, not made smaller
        suppress_health_check=list(HealthCheck),
    )
    run_machine(seed(number)(partial(AnyOrder, lab)), settings=wanted)


@pytest.mark.timeout(1200)
def test_any_order_ends_right(lab: Lab) -> None:
    run(lab, SEQUENCES, SEED)


@pytest.mark.parametrize("fault", ORDERS)
def test_orders_that_went_wrong_once(lab: Lab, request: pytest.FixtureRequest, fault: str) -> None:
    if fault in AVOIDED:
        request.applymarker(
            pytest.mark.xfail(strict=True, reason=f"a fault that is known and not mended: {fault}")
        )
    machine, (start, order) = AnyOrder(lab, AVOIDED - {fault}), ORDERS[fault]
    with machine.open:
        machine.begin(start, STORED[::5])
        order(machine)
        machine.legacy_values_are_where_they_were()
        machine.finish()


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_many_orders_end_right(lab: Lab) -> None:
    run(lab, SOAK_SEQUENCES, SEED + 1)
