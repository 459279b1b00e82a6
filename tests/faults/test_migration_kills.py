"""A migration that is killed anywhere, or whose server is, ends as an undisturbed one when run again.

Each kill starts from a copy of a simulated legacy database. Afterwards either the killed task is cleared
or a new run is started. With compatibility views a reader asks by the old names all the time.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg
import pytest
from psycopg import sql

from include.names import Month, table
from include.storage.connection import connect
from local.legacy import FAMILIES, build_legacy
from local.postgres import Postgres
from local.processes import Identity, send, wait_gone
from tests.faults.kills import Moment, Worker, kill_at, steps_of
from tests.faults.migrations import State, Work, assert_whole, carry_out, request, state_of, work_of
from tests.faults.states import Watcher, wait_until_alone
from tests.include.migration import database

PAIRS = ("eurusd", "gbpusd")
MONTHS = (Month(2024, 7), Month(2024, 8))
READ = [table(family, PAIRS[0]) for family in FAMILIES]
SEED = int(os.environ.get("BQX_FAULT_SEED", "23"))
SOAK_KILLS, SOAK_SERVER_KILLS = 50, 10

MARKED = "UPDATE bqx.migration_baseline"  # the last step of a check
PHASES = {  # of a migration, as patterns of its steps
    "locks": "ACCESS EXCLUSIVE MODE",
    "renames": "RENAME (TO|CONSTRAINT|COLUMN)",
    "journal": "INSERT INTO bqx.migration_journal",
    "commit": "^commit$",
    "committed": "^committed$",  # the server has answered, the worker has done nothing since
    "views": "CREATE VIEW|GRANT SELECT",
    "check": f"REFRESH MATERIALIZED|{MARKED}",
}
MEASURED = "hash_record_extended"  # by count before the first lock, by check after it


class Kind(NamedTuple):
    """A migration with or without views: its steps when undisturbed, its seconds, what it leaves."""

    views: bool
    steps: list[str]
    seconds: float
    after: State
    done: Work

    def places(self, phase: str) -> list[int]:
        """Steps of a phase, by their place."""
        return [place for place, found in enumerate(phases_of(self.steps)) if found == phase]


class Workshop:
    """A legacy database to copy, and what each kind of migration makes of it.

    Its databases are not dropped: each drop is a checkpoint, and the server is thrown away with all of them.
    """

    def __init__(self, server: Postgres, folder: Path):
        self.server, self._folder = server, folder
        self._template, self._numbers = f"legacy_{os.getpid()}", itertools.count()
        server.create_database(self._template)
        url = server.url(self._template)
        build_legacy(url, pairs=PAIRS, months=MONTHS, step_minutes=360, reg_extra_months=1)
        self.before = state_of(url)
        with connect(url) as connection:
            self.counts = {name: counts_of(connection, name) for name in READ}

    def copy(self) -> str:
        """URL of a fresh database like it."""
        name = f"{self._template}_{next(self._numbers)}"
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, self._template)))
        with self.server.connect() as connection:
            connection.execute(query)
        return self.server.url(name)

    @cache  # noqa: B019  (two for each of two workshops)
    def kind(self, views: bool) -> Kind:
        """An undisturbed migration."""
        url = self.copy()
        steps, seconds = steps_of(carry_out, url, self._folder / f"twin {views}", request(PAIRS, views=views))
        return Kind(views, steps, seconds, state_of(url), work_of(url))


class Fall(NamedTuple):
    """A kill: the phase it met, and who watched."""

    phase: str
    watcher: Watcher | None
    finished: bool


def phases_of(steps: Sequence[str]) -> list[str]:
    """The phase of each step; all before the first lock belongs to plan or count."""
    found, now = [], "plan"
    for step in steps:
        if MEASURED in step:
            now = "count" if now in ("plan", "count") else "check"
        elif re.search(PHASES["locks"], step):
            now = "apply"
        named = (name for name, pattern in PHASES.items() if re.search(pattern, step))
        found.append(now if now in ("plan", "count") else next(named, now))
        now = "apply" if MARKED in step else now
    return found


def counts_of(connection: psycopg.Connection, name: str) -> dict[str, int]:
    """Rows by month (``yyyy-mm``), as a watcher sees them."""
    query = sql.SQL("SELECT to_char(ts_utc, 'YYYY-MM'), count(*) FROM bqx.{} GROUP BY 1")
    return dict(connection.execute(query.format(sql.Identifier(name))).fetchall())


@pytest.fixture(scope="module")
def workshop(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(postgres, tmp_path_factory.mktemp("runs"))


def seeded_moment(rng: random.Random, kind: Kind, phase: str, *, frozen: bool) -> Moment:
    """A step of a phase, by its number; the phase "any" means any time between first step and end."""
    if phase == "any":
        return Moment(frozen=False, delay=rng.uniform(0.0, 0.9) * kind.seconds)
    number = 1 + rng.choice(kind.places(phase))
    return Moment("", number, frozen, 0.0 if frozen else rng.choice([0.0, rng.uniform(0, 0.004)]))


def assert_healed(kind: Kind, url: str, folder: Path, *, left: int | None, again: Path) -> None:
    """Run it again, then once more: as undisturbed, doing only what was left, and nothing the second time."""
    wanted = request(PAIRS, views=kind.views)
    results = carry_out(url, again, wanted)
    assert state_of(url) == kind.after
    done = work_of(url)
    assert done == kind.done, "renames are doubled or lost, or a batch was never compared"
    renamed = sum(
        sum(result["renamed"].values()) for name, result in results.items() if name.startswith("apply")
    )
    if left is not None:
        assert renamed == left, "the rerun did more or less than what was left"
    with connect(url) as connection:
        catalog = database.catalog(connection)
        assert carry_out(url, folder / "once more", wanted).keys() == {"plan"}
        assert database.catalog(connection) == catalog


def kill_and_heal(
    shop: Workshop, kind: Kind, moment: Moment, folder: Path, *, alone: bool, new_run: bool
) -> Fall:
    """Kill a worker, look at what is left if `alone`, run it again."""
    url, first = shop.copy(), folder / "first"
    watched: Any = Watcher(url, READ) if kind.views else nullcontext()
    left = None
    with watched as watcher:
        death = kill_at(moment, carry_out, url, first, request(PAIRS, views=kind.views))
        if alone:  # otherwise the next run meets what the server has not noticed yet
            wait_until_alone(url)
            found = assert_whole(url, shop.before, kind.after, kind.done)
            left = (kind.done.batches - found.batches).total() if new_run and not death.finished else None
        again = folder / "second" if new_run else first
        assert_healed(kind, url, folder, left=left, again=again)
    if watcher:
        watcher.assert_saw_only(shop.counts)
    return Fall(phases_of(death.steps)[-1], watcher, death.finished)


def test_the_undisturbed_migration_has_every_phase(workshop: Workshop) -> None:
    for kind in map(workshop.kind, (True, False)):
        found = Counter(phases_of(kind.steps))
        wanted = {"plan", "count", *PHASES} - (set() if kind.views else {"views"})
        assert {phase for phase in wanted if found[phase] < 2} == set(), found
        assert kind.done.unverified == []
        assert kind.after.contents == workshop.before.contents
        assert {oid for oid, *_ in kind.after.objects} == {oid for oid, *_ in workshop.before.objects}


@pytest.mark.parametrize(
    ("phase", "views", "frozen", "alone", "new_run"),
    [
        ("count", True, True, False, False),
        ("journal", True, True, True, False),
        ("renames", False, False, False, True),
        ("committed", True, True, True, True),
        ("check", False, True, True, True),
    ],
)
def test_a_killed_migration_heals(
    workshop: Workshop, tmp_path: Path, phase: str, *, views: bool, frozen: bool, alone: bool, new_run: bool
) -> None:
    kind = workshop.kind(views)
    moment = seeded_moment(random.Random(f"{SEED} {phase}"), kind, phase, frozen=frozen)
    fall = kill_and_heal(workshop, kind, moment, tmp_path, alone=alone, new_run=new_run)
    print(f"{moment} met {fall.phase}")
    assert fall.phase == phase or not frozen


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_kills(workshop: Workshop, tmp_path: Path) -> None:
    """Kills in every phase, at chosen steps and at any time; BQX_FAULT_SEED takes others."""
    rng = random.Random(SEED)
    phases = ("plan", "count", *PHASES, "any")
    plan = itertools.cycle(itertools.product((True, False), phases, (True, False)))
    met, late, reads, longest = Counter[str](), 0, 0, 0.0
    while met.total() < SOAK_KILLS:
        views, phase, frozen = next(plan)
        kind = workshop.kind(views)
        if phase == "views" and not views:
            continue
        moment = seeded_moment(rng, kind, phase, frozen=frozen)
        folder = tmp_path / f"{met.total() + late}"
        alone, new_run = rng.random() < 0.5, rng.random() < 0.5
        fall = kill_and_heal(workshop, kind, moment, folder, alone=alone, new_run=new_run)
        late += fall.finished
        met.update([] if fall.finished else [fall.phase])
        if fall.watcher:
            reads, longest = reads + fall.watcher.reads, max(longest, fall.watcher.longest)
    print(f"\nseed {SEED}: {met.total()} kills met {dict(met)}, {late} came after the end")
    print(f"{reads} reads by the watcher under the old names, the longest took {longest:.3f} s")
    fewest = {"views": 1}  # only half of the migrations make any
    assert all(met[phase] >= fewest.get(phase, 2) for phase in ("plan", "count", *PHASES)), met


@pytest.fixture(scope="module")
def own_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The same on a server that only these tests have, and whose commits are on disk."""
    folder = tmp_path_factory.mktemp("server")
    server = Postgres(folder / "postgres", durable=True)
    server.start()
    yield Workshop(server, folder)
    kill_server(server, whole=True)


def kill_server(server: Postgres, *, whole: bool) -> None:
    """SIGKILL for the first process of the server, and for all of its backends if `whole`."""
    first = server.process()
    assert first is not None
    children = psutil.Process(first.pid).children() if whole else []
    every = [first, *(Identity.of(child.pid) for child in children)]
    for process in every:
        send(process, signal.SIGKILL)
    assert not wait_gone(every, 20)


def kill_server_and_heal(shop: Workshop, kind: Kind, moment: Moment, folder: Path, *, whole: bool) -> str:
    """Kill the server under a worker, start it again, run the migration again. The phase that it met."""
    url, first = shop.copy(), folder / "first"
    with Worker(carry_out, url, first, request(PAIRS, views=kind.views), moment=moment) as worker:
        worker.wait_for_moment()
        time.sleep(moment.delay)
        kill_server(shop.server, whole=whole)
    shop.server.start()
    found = assert_whole(url, shop.before, kind.after, kind.done)
    left = (kind.done.batches - found.batches).total()
    assert_healed(kind, url, folder, left=left, again=folder / "second")
    return phases_of(worker.steps)[-1]


def test_a_killed_server_heals(own_shop: Workshop, tmp_path: Path) -> None:
    kind = own_shop.kind(True)
    moment = seeded_moment(random.Random(SEED), kind, "commit", frozen=False)
    print(f"{moment} met {kill_server_and_heal(own_shop, kind, moment, tmp_path, whole=True)}")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_killed_servers(own_shop: Workshop, tmp_path: Path) -> None:
    rng, met = random.Random(SEED), Counter[str]()
    phases = ("plan", "count", *PHASES, "any")
    for number, phase in enumerate(rng.sample(phases, SOAK_SERVER_KILLS)):
        kind = own_shop.kind(phase == "views" or number % 2 == 0)
        moment = seeded_moment(rng, kind, phase, frozen=number % 2 == 0 and phase != "any")
        met[kill_server_and_heal(own_shop, kind, moment, tmp_path / str(number), whole=number % 3 > 0)] += 1
    print(f"\nseed {SEED}: {met.total()} kills of the server met {dict(met)}")
