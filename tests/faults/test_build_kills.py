"""A build that is killed anywhere leaves the old month or the new one, and the next run ends the same.

Each kill starts from a copy of a database in one of three situations: nothing is built, the bars have
changed since the last build, or a month that is right is built again. A reader watches all the time.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pytest
from psycopg import sql

from include.build.months import build
from include.features.bars import Bars
from include.storage.connection import connect
from include.storage.schema import ensure_tables
from include.storage.tables import table_of
from local.postgres import Postgres
from tests.faults.kills import Death, Moment, Worker, kill_at, steps_of
from tests.faults.states import State, Watcher, assert_between, counts_of, state_of, wait_until_alone
from tests.include.storage.samples import FIRST, sample_bars, store

PAIR = "eurusd"
FAMILIES = ("technical_idx", "bollinger_bqx")
TABLES = tuple(f"{name}_{PAIR}" for name in FAMILIES)
MONTHS = 2  # that have bars
SEED = int(os.environ.get("BQX_FAULT_SEED", "17"))
SOAK_KILLS = 50

PHASES = {  # of a build, as patterns of its steps
    "read": r'"bqx"\."m1_|^read',
    "copy": '^copy COPY "bqx|^write',
    "swap": "DETACH PARTITION|DROP TABLE|ATTACH PARTITION|INSERT INTO bqx.build_log",
    "commit": "^commit$",
    "committed": "^committed$",  # the server has answered, the worker has done nothing since
}
ABOUT_TABLES = {"commit": 1, "committed": 1}  # how many of the first steps of a phase touch no month
SITUATIONS = ("nothing built", "bars changed", "built again")


class Situation(NamedTuple):
    """A database to copy, what it holds, the counts its readers may see, and an undisturbed build there."""

    template: str
    state: State
    rebuild: bool
    steps: list[str]
    seconds: float


@dataclass
class Workshop:
    """Databases of this module: three situations, and the state every build must end in."""

    copy: Callable[[str], str]
    situations: dict[str, Situation]
    right: State


def with_holes(bars: Bars) -> Bars:
    """The bars without two hours of each month: grids do not fill that, so months have fewer rows."""
    minutes = bars.ts[:, None] - np.array([bars.ts[0], FIRST.next.first_minute])
    kept = ~((minutes >= 200) & (minutes < 320)).any(axis=1)
    return Bars(**{name: getattr(bars, name)[kept] for name in vars(bars)})


@pytest.fixture(scope="module")
def copy(postgres: Postgres) -> Iterator[Callable[[str], str]]:
    """Make a database like another one; all are dropped in the end. Takes a name and returns a name."""
    made: list[str] = []
    numbers = itertools.count()

    def make(template: str) -> str:
        name = f"kills_{os.getpid()}_{next(numbers)}"
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        with postgres.connect() as connection:
            connection.execute(query)
        made.append(name)
        return name

    yield make
    with postgres.connect() as connection:
        for name in made:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def workshop(postgres: Postgres, copy: Callable[[str], str]) -> Workshop:
    bars = sample_bars(days_around=1, months=1)

    def prepared(template: str, stored: Bars, *, built: bool) -> str:
        name = copy(template)
        store(postgres.url(name), PAIR, stored)
        with connect(postgres.url(name)) as connection:
            ensure_tables(connection, [table_of(family, PAIR) for family in FAMILIES])
        if built:
            build(postgres.url(name), PAIR, FAMILIES)
        return name

    def situation(template: str, *, rebuild: bool = False) -> Situation:
        before = state_of(postgres.url(template))
        url = postgres.url(copy(template))
        steps, seconds = steps_of(build, url, PAIR, FAMILIES, rebuild=rebuild)
        assert state_of(url) == right, "undisturbed builds in two processes differ"
        return Situation(template, before, rebuild, steps, seconds)

    nothing = prepared("template1", bars, built=False)
    again = prepared(nothing, bars, built=True)
    right = state_of(postgres.url(again))
    with_old = prepared("template1", with_holes(bars), built=True)
    changed = prepared(with_old, bars, built=False)
    situations = (situation(nothing), situation(changed), situation(again, rebuild=True))
    return Workshop(
        lambda template: postgres.url(copy(template)), dict(zip(SITUATIONS, situations, strict=True)), right
    )


def seeded_moment(rng: random.Random, phase: str, situation: Situation, *, frozen: bool = True) -> Moment:
    """A moment of a phase; the phase "any" means any time between the first step and the end."""
    if phase == "any":
        return Moment(frozen=False, delay=rng.uniform(0.0, 0.9) * situation.seconds)
    matching = [step for step in situation.steps if Moment(PHASES[phase]).matches(step)]
    number = rng.randint(1 + ABOUT_TABLES.get(phase, 0), len(matching))
    return Moment(PHASES[phase], number, frozen, 0.0 if frozen else rng.choice([0.0, rng.uniform(0, 0.004)]))


def phase_of(step: str) -> str:
    return next((name for name, pattern in PHASES.items() if Moment(pattern).matches(step)), "between")


def kill_and_heal(workshop: Workshop, name: str, moment: Moment, *, alone: bool) -> tuple[Death, Watcher]:
    """Kill a build, look at what is left if `alone`, run it again; everything must be right throughout."""
    situation = workshop.situations[name]
    url = workshop.copy(situation.template)
    old, new = situation.state, workshop.right
    with Watcher(url, TABLES) as watcher:
        death = kill_at(moment, build, url, PAIR, FAMILIES, rebuild=situation.rebuild)
        if alone:  # otherwise the next run meets what the server has not noticed yet
            wait_until_alone(url)
            assert_between(state_of(url), old, new)
        build(url, PAIR, FAMILIES)
    assert state_of(url) == new
    watcher.assert_saw_only(counts_of(old, TABLES), counts_of(new, TABLES))
    assert build(url, PAIR, FAMILIES)["built"] == 0
    return death, watcher


def test_the_situations_differ_as_they_should(workshop: Workshop) -> None:
    nothing, changed, again = (workshop.situations[name] for name in SITUATIONS)
    assert nothing.state.months == {}
    assert again.state == workshop.right
    assert set(changed.state.months) == set(workshop.right.months)
    assert len(workshop.right.months) == MONTHS * len(FAMILIES)
    for name, right in workshop.right.months.items():
        assert right.rows == right.logged_rows
        assert changed.state.months[name].rows < right.rows
    for phase, pattern in PHASES.items():
        for situation in (nothing, changed, again):
            count = sum(Moment(pattern).matches(step) for step in situation.steps)
            assert count >= MONTHS, f"{phase} has {count} steps"


@pytest.mark.parametrize(
    ("situation", "phase", "alone"),
    [
        ("nothing built", "read", True),
        ("bars changed", "copy", False),
        ("built again", "swap", False),
        ("bars changed", "swap", True),
        ("bars changed", "commit", False),
        ("bars changed", "committed", True),
        ("nothing built", "any", False),
    ],
)
def test_a_killed_build_heals(workshop: Workshop, situation: str, phase: str, alone: bool) -> None:
    rng = random.Random(f"{SEED} {situation} {phase}")
    moment = seeded_moment(rng, phase, workshop.situations[situation])
    death, watcher = kill_and_heal(workshop, situation, moment, alone=alone)
    while death.finished:  # a busy machine made the undisturbed build slower than this one
        moment = replace(moment, delay=moment.delay / 2)
        death, watcher = kill_and_heal(workshop, situation, moment, alone=alone)
    print(f"{moment} after {len(death.steps)} steps; {watcher.reads} reads, longest {watcher.longest:.3f} s")


@pytest.mark.parametrize("situation", ["bars changed", "built again"])
def test_a_reader_waits_for_a_swap_and_never_sees_its_middle(workshop: Workshop, situation: str) -> None:
    """The worker stands still after the old month was dropped, long enough for ten reads, then goes on."""
    chosen = workshop.situations[situation]
    url = workshop.copy(chosen.template)
    moment = Moment("ATTACH PARTITION")
    with (
        Worker(build, url, PAIR, FAMILIES, rebuild=chosen.rebuild, moment=moment) as worker,
        Watcher(url, TABLES) as watcher,
    ):
        worker.wait_for_moment()
        time.sleep(0.1)
        worker.go_on()
        assert worker.result()["built"] == len(workshop.right.months)
    watcher.assert_saw_only(counts_of(chosen.state, TABLES), counts_of(workshop.right, TABLES))
    assert watcher.longest > 0.08, "the reader did not read during the swap"
    assert state_of(url) == workshop.right


def wait_until_queued(url: str, worker: Worker, seconds: float = 30) -> None:
    """Listen to a worker until a session of its database waits for an advisory lock."""
    query = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
               WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""
    deadline = time.monotonic() + seconds
    with connect(url) as connection:
        while connection.execute(query).fetchone() == (0,):
            assert time.monotonic() < deadline, "the second build never waited for the first"
            assert not worker.finishes_within(0.01), "the second build did not wait for the first"


@pytest.mark.parametrize("first_dies", [False, True])
def test_two_builds_of_a_month_at_once(workshop: Workshop, first_dies: bool) -> None:
    """The second waits for the first; it does nothing if that finishes and everything if it dies."""
    url = workshop.copy(workshop.situations["nothing built"].template)
    call = (build, url, PAIR, FAMILIES[:1], ["2024-02"])
    with ExitStack() as stack:
        first = stack.enter_context(Worker(*call, moment=Moment("ATTACH PARTITION")))
        first.wait_for_moment()
        second = stack.enter_context(Worker(*call))
        wait_until_queued(url, second)
        results = []
        if first_dies:
            first.kill()
        else:
            first.go_on()
            results.append(first.result())
        results.append(second.result())
    done = [(result["built"], result["already_right"]) for result in results]
    assert done == ([(1, 0)] if first_dies else [(1, 0), (0, 1)])
    name = f"{TABLES[0]}_2024_02"
    assert state_of(url).months == {name: workshop.right.months[name]}


@pytest.mark.soak
def test_many_kills(workshop: Workshop) -> None:
    """Kills in every phase and situation, at chosen steps and at any time; BQX_FAULT_SEED takes others."""
    rng = random.Random(SEED)
    plan = itertools.cycle(itertools.product(SITUATIONS, (*PHASES, "any"), (True, False)))
    met, late, reads, longest = Counter[str](), 0, 0, 0.0
    while met.total() < SOAK_KILLS:
        situation, phase, frozen = next(plan)
        moment = seeded_moment(rng, phase, workshop.situations[situation], frozen=frozen)
        death, watcher = kill_and_heal(workshop, situation, moment, alone=rng.random() < 0.5)
        reads, longest = reads + watcher.reads, max(longest, watcher.longest)
        late += death.finished
        if not death.finished:
            met[phase_of(death.steps[-1])] += 1
    print(f"\nseed {SEED}: {met.total()} kills met {dict(met)}, {late} came after the end of the build")
    print(f"{reads} reads by the watcher, the longest took {longest:.3f} s")
    assert all(met[phase] >= 3 for phase in PHASES), met
