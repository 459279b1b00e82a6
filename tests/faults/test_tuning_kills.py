"""Whatever dies while pairs are tuned, and whenever: the same trials, none twice, and nothing is stopped."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from bqx.operators.tuning import TuningOperator, TuningTrigger

from include.errors import AwsBusy
from include.objects import ObjectStore
from local import services
from local.aws import draws
from local.state import State
from tests import s3
from tests.sagemaker import process, wait_for
from tests.training_jobs import IMAGE, Embedded
from tests.tuning_jobs import NAME, lay_ready, tuning_request

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves

TRIALS, PARALLEL = 4, 2


class World:
    """A run of the task `tune`, on an AWS that can be killed and comes back at the same address."""

    def __init__(self, folder: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        store = stack.enter_context(s3.served(folder / "s3"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        state = State(folder / "state")
        state.create()
        s3.know(state)
        ports = {"s3": store.server_port, "aws": port, "airtable": 9, "smtp": 9}
        for name, value in services.settings(state, ports).items():
            monkeypatch.setenv(name, value)
        self._options = store.server_port, "--port", str(port), "--image", f"{IMAGE}={sys.executable}"
        self._server = stack.enter_context(ExitStack())
        self._start()
        bucket = ObjectStore(s3.connect(store.server_port), services.BUCKET, "")
        bucket.ensure_bucket()
        lay_ready(bucket)
        self.aws = Embedded(**vars(self._aws), bucket=bucket, gate=folder / "gate")
        self.request = tuning_request(self.aws, until=self.aws.gate, trials=TRIALS)
        self.trigger: TuningTrigger | None = None

    def _start(self) -> None:
        self._child, self._aws = self._server.enter_context(process(self._folder / "aws", *self._options))

    def end_server(self, number: signal.Signals = signal.SIGKILL) -> None:
        """The server ends, and is started again."""
        self._child.send_signal(number)
        self._child.wait(20)
        self._server.close()
        self._start()
        self.aws = replace(self.aws, **vars(self._aws))

    def task(self) -> None:
        """A worker runs the task up to where it waits. Whatever it knew is lost afterwards."""
        with pytest.raises(TaskDeferred) as deferred:
            _operator(self.request).execute(_context())
        assert isinstance(deferred.value.trigger, TuningTrigger)
        self.trigger = deferred.value.trigger

    def refused_task(self) -> None:
        """A worker meets an error of AWS; Airflow tries the task again later."""
        with pytest.raises(AwsBusy):
            _operator(self.request).execute(_context())
        self.aws.trouble.clear()

    def replace_triggerer(self) -> None:
        """Another triggerer takes the trigger over; the first one calls on_kill."""
        assert self.trigger is not None
        states = {"run": {"tune": "deferred"}}
        get = staticmethod(lambda **_: states)
        self._monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", get)
        self.trigger.task_instance = SimpleNamespace(dag_id="d", task_id="tune", run_id="run", map_index=0)
        asyncio.run(self.trigger.on_kill())
        self.trigger = TuningTrigger(**self.trigger.serialize()[1])

    def reach(self, completed: int) -> None:
        """Let so many trials complete, and wait until the next ones run."""
        while len(self._done()) < completed:
            before = len(self._done())
            (self._folder / f"token-{before}").touch()
            wait_for(lambda before=before: len(self._done()) > before)  # type: ignore[misc]
        if completed < TRIALS:
            running = min(PARALLEL, TRIALS - completed)
            wait_for(lambda: len(self.trials("InProgress")) == running)

    def trials(self, *states: str) -> list[dict[str, Any]]:
        """The trials, in their order."""
        told = self.aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=NAME
        )["TrainingJobSummaries"]
        return [trial for trial in told if not states or trial["TrainingJobStatus"] in states]

    def _done(self) -> list[dict[str, Any]]:
        return self.trials("Completed")

    def runs(self, trial: str) -> int:
        """How often the code of a trial was started."""
        return len(list(self._folder.glob(f"ran-{trial}@*")))

    def finish(self) -> dict[str, Any]:
        """Let all trials complete, and the task with them; returns what it noted."""
        assert self.trigger is not None
        self.aws.gate.touch()
        self.trigger.waiter_delay = 0.05

        async def first(trigger: TuningTrigger) -> dict[str, Any]:
            async for event in trigger.run():
                return dict(event.payload)
            raise AssertionError("the trigger ended without an event")

        return _operator(self.request).execute_complete(_context(), asyncio.run(first(self.trigger)))

    def check(self, noted: dict[str, Any]) -> None:
        """The same trials as without any trouble, each of them once, and nothing was stopped."""
        ranges = self.request["HyperParameterTuningJobConfig"]["ParameterRanges"]
        expected = [draws.draw(ranges, 7, number) for number in range(1, TRIALS + 1)]
        assert [trial["settings"] for trial in noted["trials"]] == expected
        assert [trial["job"][: len(NAME) + 4] for trial in noted["trials"]] == [
            f"{NAME}-{number:03d}" for number in range(1, TRIALS + 1)
        ]
        assert {trial["status"] for trial in noted["trials"]} == {"Completed"}
        assert (noted["job"], noted["looks"]) == (NAME, TRIALS)
        paid = self.aws.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        assert sorted(job["TrainingJobName"] for job in paid) == [trial["job"] for trial in noted["trials"]]
        searches = self.aws.sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        assert len(searches) == 1
        assert self.aws.calls("StopTrainingJob") == self.aws.calls("StopHyperParameterTuningJob") == 0


def _operator(request: dict[str, Any]) -> TuningOperator:
    return TuningOperator(task_id="tune", config=request, check_interval=1)


def _context() -> dict[str, Any]:
    return {"ti": SimpleNamespace(xcom_push=lambda key, value: None)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ExitStack() as stack:
        it = World(tmp_path, stack, monkeypatch)
        yield it
        it.aws.gate.touch()


def killed_at(completed: int, number: signal.Signals = signal.SIGKILL) -> Callable[[World], None]:
    """The server ends after so many trials have completed."""

    def kill(world: World) -> None:
        world.task()
        world.reach(completed)
        names = [trial["TrainingJobName"] for trial in world.trials("Completed")]
        done = [world.runs(name) for name in names]
        world.end_server(number)
        wait_for(lambda: len(world.trials()) >= min(TRIALS, completed + PARALLEL))
        assert [world.runs(name) for name in names] == done, "what is completed is not run again"

    return kill


def killed_at_once(world: World) -> None:
    world.task()
    world.end_server()


def killed_while_asked(world: World) -> None:
    """The server dies when it has made the tuning job, so the worker hears of an error."""
    world.aws.trouble.add("sagemaker", "CreateHyper*", nth=1, status=500, applied=True)
    world.aws.trouble.add("sagemaker", "CreateHyper*", status=500)  # when it is tried again
    world.refused_task()
    world.end_server()
    world.task()


def worker_lost_before(world: World) -> None:
    world.aws.trouble.add("sagemaker", "CreateHyper*", status=500)
    world.refused_task()
    world.task()


def worker_lost_after(world: World) -> None:
    for completed in (0, 1):
        world.task()
        world.reach(completed)
    world.task()


def triggerer_replaced(world: World) -> None:
    world.task()
    for completed in (0, 2):
        world.reach(completed)
        world.replace_triggerer()


POINTS = {
    "worker lost before the start": worker_lost_before,
    "worker lost after the start": worker_lost_after,
    "triggerer replaced": triggerer_replaced,
    "server killed while it is asked": killed_while_asked,
    "server killed at once": killed_at_once,
    "server killed before a trial has completed": killed_at(0),
    "server killed after one trial": killed_at(1),
    "server ended after two trials": killed_at(2, signal.SIGTERM),
    "server killed when the last one runs": killed_at(3),
    "server killed when all have completed": killed_at(4),
}
USUAL = ("worker lost after the start", "triggerer replaced", "server killed after one trial")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "point", [pytest.param(name, marks=() if name in USUAL else pytest.mark.soak) for name in POINTS]
)
def test_a_search_that_is_killed_makes_the_same_trials(world: World, point: str) -> None:
    POINTS[point](world)
    world.check(world.finish())


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(12))
def test_a_search_survives_any_sequence_of_deaths(world: World, seed: int) -> None:
    source = random.Random(seed)
    world.task()
    for completed in sorted(source.choices(range(TRIALS), k=5)):
        world.reach(completed)
        source.choice([world.task, world.replace_triggerer, world.end_server])()
    world.check(world.finish())
