"""A retraining that is killed anywhere after its beginning, and run again, ends as one left alone."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from include.objects import ObjectStore
from include.reports import FOLDER, Reports
from include.retraining import log, steps
from include.storage.connection import connect
from local.postgres import Postgres
from tests import s3
from tests.faults.kills import Moment, kill_at, steps_of
from tests.include.dataset import worlds as databases
from tests.include.dataset.stores import contents, empty_store
from tests.include.retraining import worlds
from tests.include.retraining.test_cycle import first
from tests.include.retraining.worlds import DAY, PAIR, START, decided, export, learn, planned
from tests.include.storage.samples import store as store_bars

SEED = int(os.environ.get("BQX_FAULT_SEED", "17"))
KILLS, SOAK_KILLS = 4, 20
PLAN = planned(28, "new")


class World(NamedTuple):
    """A champion serves and a challenger is decided for.

    Attributes:
        database: to copy.
        folder: of the bucket, to copy.
        steps: of a run that nobody disturbed.
        left: what it left.
    """

    database: str
    folder: Path
    steps: list[str]
    left: dict[str, Any]


def run(url: str, bucket: ObjectStore) -> None:
    """The tasks of a run one after the other; the phases are DAGs of their own."""
    steps.begin(url, PLAN["run"], PLAN["kind"])
    with connect(url) as connection:
        log.claim(connection, PLAN["run"], START + 28 * DAY, PLAN["end"])
    steps.coming(url, PLAN)
    found = steps.candidates(bucket, PLAN)
    compared = [steps.compare(url, bucket, PLAN, found, pair) for pair in steps.select(PLAN)]
    decision = steps.decide(Reports(bucket._replace(prefix=FOLDER)), PLAN, compared)
    assert decision["deploy"]["versions"]
    steps.conclude(url, PLAN["run"], PLAN, decision, [])


def run_alone(url: str, port: int) -> None:
    """The same in a process of its own."""
    run(url, ObjectStore(s3.connect(port), "bqx-test", ""))


def port_of(bucket: ObjectStore) -> int:
    return int(bucket.client.meta.endpoint_url.rpartition(":")[2])


def left(url: str, bucket: ObjectStore) -> dict[str, Any]:
    """Everything that a run leaves but for times and the names of incidents; links have the port."""
    port = str(port_of(bucket))
    with connect(url) as connection:
        tables = {
            name: [str(row).replace(port, "") for row in connection.execute(query)]
            for name, query in {
                "retrainings": "SELECT run, as_of, data_end, state, summary, report FROM bqx.retrainings",
                "alerts": "SELECT key, kind, title, severity, lines, link, firing FROM bqx.alerts",
                "tables": "SELECT tablename FROM pg_tables WHERE schemaname = 'bqx' ORDER BY 1",
            }.items()
        }
    return tables | {"bucket": contents(bucket)}


@contextmanager
def in_copy(
    postgres: Postgres, database: str, before: Path, folder: Path
) -> Iterator[tuple[str, ObjectStore]]:
    """A copy of the database and of the bucket."""
    shutil.copytree(before, folder)
    with databases.database(postgres, database) as name, empty_store(folder) as opened:
        yield postgres.url(name), opened._replace(prefix="")


@pytest.fixture(scope="module")
def world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kills")
    with databases.database(postgres) as name:
        url = postgres.url(name)
        store_bars(url, PAIR, worlds.market(28)[PAIR])
        with empty_store(folder / "before") as opened:
            bucket = opened._replace(prefix="")
            export(bucket, "old", 10)
            export(bucket, "new", 14)
            first(bucket, learn(url, 14, "nothing"))
            decided(bucket, "new", learn(url, 14))
        with in_copy(postgres, name, folder / "before", folder / "undisturbed") as (copy, bucket):
            told, _ = steps_of(run_alone, copy, port_of(bucket))
            result = left(copy, bucket)
        yield World(name, folder / "before", told, result)


def kill_and_heal(postgres: Postgres, world: World, moment: Moment, folder: Path) -> None:
    with in_copy(postgres, world.database, world.folder, folder) as (url, bucket):
        kill_at(moment, run_alone, url, port_of(bucket))
        run(url, bucket)
        assert left(url, bucket) == world.left, moment


def moments(world: World, kills: int) -> list[Moment]:
    """Different steps, spread over the whole run; before them or a little after."""
    rng = random.Random(SEED)
    places = [number * len(world.steps) // kills for number in range(kills)]
    numbers = [1 + place + rng.randrange(max(1, len(world.steps) // kills)) for place in places]
    return [
        Moment("", number, frozen, 0.0 if frozen else rng.uniform(0, 0.01))
        for number in numbers
        for frozen in [rng.random() < 0.6]
    ]


def test_killed_at_a_few_points(postgres: Postgres, world: World, tmp_path: Path) -> None:
    for number, moment in enumerate(moments(world, KILLS)):
        kill_and_heal(postgres, world, moment, tmp_path / str(number))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_twenty_points(postgres: Postgres, world: World, tmp_path: Path) -> None:
    found = moments(world, SOAK_KILLS)
    assert len({moment.number for moment in found}) == SOAK_KILLS
    for number, moment in enumerate(found):
        kill_and_heal(postgres, world, moment, tmp_path / str(number))
