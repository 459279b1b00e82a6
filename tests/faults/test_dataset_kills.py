"""A data set whose tasks are killed anywhere is not there, and the next run ends the same.

Each kill meets one task of a run whose earlier tasks have ended; then that task and those after it run
again. What another run without kills wrote is what must be there.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from include.dataset import report, steps
from include.dataset.export import open_manifest
from include.errors import MissingInput
from include.objects import ObjectStore
from local.postgres import Postgres
from tests import s3
from tests.faults.kills import Moment, kill_at, steps_of
from tests.include.dataset import worlds
from tests.include.dataset.stores import contents, empty_store
from tests.include.dataset.test_export import puts
from tests.reports import in_folder

SEED = int(os.environ.get("BQX_FAULT_SEED", "17"))
SOAK_KILLS = 20
PAIR = "eurusd"
TASKS = ("examine", "export", "publish")


class Undisturbed(NamedTuple):
    """A run without kills.

    Attributes:
        before: folder of the store before each of the tasks.
        steps: what each of them does.
        contents: what the store holds in the end.
    """

    url: str
    frame: dict[str, Any]
    before: dict[str, Path]
    steps: dict[str, list[str]]
    contents: dict[str, bytes | None]


def run(task: str, store: ObjectStore, url: str, frame: dict[str, Any], reports: str) -> None:
    """One task, and after the first what can be done without a pair."""
    if task == "examine":
        steps.examine(url, store, frame, PAIR)
    elif task == "export":
        steps.choose(store, frame)
        steps.export(url, store, frame, PAIR)
    else:
        steps.publish(url, store, frame, in_folder(Path(reports)))


def run_alone(task: str, port: int, *rest: Any) -> None:
    """The same in a process of its own."""
    report.draw = worlds.plain_report
    run(task, ObjectStore(s3.connect(port), "bqx-test"), *rest)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "draw", worlds.plain_report)


def port_of(store: ObjectStore) -> int:
    return int(store.client.meta.endpoint_url.rpartition(":")[2])


@pytest.fixture(scope="module")
def undisturbed(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    folder = tmp_path_factory.mktemp("kills")
    with worlds.database(postgres) as name:
        url = postgres.url(name)
        worlds.fill(url, worlds.market(pairs=[PAIR, "gbpusd"]), [PAIR])
        frame = worlds.plan(url, pairs=[PAIR], trees=2, max_folds=0)
        before, told = {}, {}
        with empty_store(folder / "s3") as store:
            for task in TASKS:
                before[task] = folder / task
                shutil.copytree(folder / "s3", before[task])
                told[task], _ = steps_of(run_alone, task, port_of(store), url, frame, str(folder / "reports"))
            yield Undisturbed(url, frame, before, told, contents(store))


def kill_and_heal(undisturbed: Undisturbed, task: str, moment: Moment, folder: Path) -> None:
    shutil.copytree(undisturbed.before[task], folder / "s3")
    with empty_store(folder / "s3") as store:
        rest = (undisturbed.url, undisturbed.frame, str(folder / "reports"))
        kill_at(moment, run_alone, task, port_of(store), *rest)
        there = contents(store)
        if "datasets/one/manifest.json" not in there:
            with pytest.raises(MissingInput):
                open_manifest(store, "one")
        else:
            assert task == "publish"
            assert undisturbed.contents.items() <= there.items(), "all of it, before the manifest"
        sent = puts(store)
        for again in TASKS[TASKS.index(task) :]:
            run(again, store, *rest)
        assert contents(store) == undisturbed.contents
        files = {key for key in undisturbed.contents if key.endswith(".parquet")}
        assert {key for key in sent if key in files} == files - set(there), "what was there is not sent again"


def seeded_moment(rng: random.Random, told: list[str], pattern: str) -> Moment:
    """The worker waits at a step of a kind, or goes on from it and dies anywhere."""
    number = rng.randint(1, sum(Moment(pattern).matches(step) for step in told))
    frozen = rng.random() < 0.6
    return Moment(pattern, number, frozen, 0.0 if frozen else rng.uniform(0, 0.01))


@pytest.mark.parametrize(
    ("task", "pattern"),
    [
        ("examine", "copy COPY"),
        ("examine", "^s3 PUT .*work/"),
        ("export", "copy COPY"),
        ("export", "^(s3|answered) PUT .*datasets/"),
        ("publish", "^(s3|answered) PUT"),
        ("publish", "^(s3|answered) POST"),  # the work is cleared away, the manifest is there
    ],
)
def test_a_killed_task_is_run_again(
    undisturbed: Undisturbed, tmp_path: Path, task: str, pattern: str
) -> None:
    rng = random.Random(f"{SEED} {task} {pattern}")
    kill_and_heal(undisturbed, task, seeded_moment(rng, undisturbed.steps[task], pattern), tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(SOAK_KILLS))
def test_tasks_killed_anywhere(undisturbed: Undisturbed, tmp_path: Path, number: int) -> None:
    rng = random.Random(f"{SEED} {number}")
    task = rng.choice(TASKS)
    kill_and_heal(undisturbed, task, seeded_moment(rng, undisturbed.steps[task], ""), tmp_path)
