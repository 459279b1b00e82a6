"""What may happen to Airflow while jobs run: each context manager lets it happen to a run of bqx_train."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

from local.airflow import ROOT
from local.api import Airflow
from local.aws.trouble import Trouble
from local.processes import Identity, send, session_members, wait_gone
from local.stack import Stack

PATIENCE = 120.0  # seconds
LAPSE = "6"  # seconds without a heartbeat after which the second triggerer takes over


@contextmanager
def triggerer_killed(stack: Stack, airflow: Airflow, run: str) -> Iterator[None]:
    """SIGKILL. The stack is started anew then, the embedded AWS too, whose jobs go on."""
    _training(airflow, run, "deferred")
    triggerer = stack.processes["triggerer"]
    send(triggerer, signal.SIGKILL)
    assert wait_gone([triggerer], 10) == []
    stack.start()
    yield


@contextmanager
def triggerer_replaced(stack: Stack, airflow: Airflow, run: str) -> Iterator[None]:
    """The triggerer stands still until another has taken its triggers; then it wakes, and loses them."""
    first = stack.processes["triggerer"]
    # A trigger that no triggerer runs yet cannot be lost.
    _wait_until(lambda: ": InProgress" in _logs(stack, run))
    before = {task["trigger"]["triggerer_id"] for task in _training(airflow, run, "deferred")}

    def taken_over() -> bool:
        return before.isdisjoint(
            task["trigger"]["triggerer_id"] for task in _training(airflow, run, "deferred")
        )

    with ExitStack() as until_the_end:
        with _standing_still(_jobs(stack)), _standing_still(session_members(first)):
            until_the_end.enter_context(_another_triggerer(first))
            _wait_until(taken_over)
            _resume(session_members(first))
            # Airflow calls on_kill for what was taken from it, or ends it; neither may stop a job.
            _wait_until(lambda: "invoking on_kill" in _logs(stack, run) or not first.alive)
        yield


@contextmanager
def aws_in_trouble(stack: Stack, airflow: Airflow, run: str) -> Iterator[None]:
    """Three of ten requests fail, half of them after they were done; so does the start of the first job."""
    trouble = Trouble(stack.state.root / "aws")
    refused = {"probability": 0.15, "status": 400, "code": "ThrottlingException", "message": "Rate exceeded"}
    lost = {"probability": 0.15, "status": 500, "code": "InternalFailure", "applied": True}
    unheard = lost | {"probability": 1.0}
    trouble.add("sagemaker", "CreateTrainingJob", times=1, **unheard)
    trouble.add("sagemaker", seed=1, **refused)
    trouble.add("sagemaker", seed=2, **lost)
    try:
        yield
    finally:
        trouble.clear()


TROUBLES = (triggerer_killed, triggerer_replaced, aws_in_trouble)


def _training(airflow: Airflow, run: str, state: str) -> list[dict[str, Any]]:
    """The tasks of the jobs of a run, once all of them are in a state."""
    tasks: list[dict[str, Any]] = []

    def there() -> bool:
        tasks[:] = [
            task
            for task in airflow.tasks("bqx_train", run)
            if task["task_id"] == "train" and task["map_index"] >= 0
        ]
        return bool(tasks) and {task["state"] for task in tasks} == {state}

    _wait_until(there)
    return tasks


def _jobs(stack: Stack) -> list[Identity]:
    """Processes that train."""
    trained = psutil.Process(stack.processes["aws"].pid).children(recursive=True)
    jobs = [Identity.of(child.pid) for child in trained if "train.py" in " ".join(child.cmdline())]
    assert jobs, "the jobs ended too early for this test"
    return jobs


@contextmanager
def _standing_still(processes: Sequence[Identity]) -> Iterator[None]:
    for process in processes:
        send(process, signal.SIGSTOP)
    try:
        yield
    finally:
        _resume(processes)


def _resume(processes: Sequence[Identity]) -> None:
    for process in processes:
        send(process, signal.SIGCONT)


@contextmanager
def _another_triggerer(first: Identity) -> Iterator[None]:
    """Like the first, but it sooner believes that another has died."""
    environment = psutil.Process(first.pid).environ()
    environment["AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD"] = LAPSE
    command = [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as triggerer:
        try:
            yield
        finally:
            triggerer.terminate()


def _logs(stack: Stack, run: str) -> str:
    """What the tasks of a run and their triggers said."""
    folder = stack.state.airflow / "logs"
    return "".join(path.read_text() for path in folder.rglob("*.log*") if run in str(path))


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
