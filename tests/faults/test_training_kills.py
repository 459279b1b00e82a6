"""A training job is started once and stopped by nobody, wherever the processes that look after it die.

A process lives the whole life of a task here: the worker that starts the job, the trigger that waits, the
worker that notes what became of it. What Airflow's database keeps of a task, that it waits for a trigger,
is a file.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import TaskDeferred
from bqx.operators.training import TrainingOperator, TrainingTrigger

from tests.faults.kills import Moment, kill_at, steps_of
from tests.training_jobs import Embedded, embedded

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(1800)]

SEED = int(os.environ.get("BQX_FAULT_SEED", "17"))
PATTERNS = ("aws CreateTrainingJob", "aws DescribeTrainingJob", "aws ListTags", "s3 PUT", "")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


class Task:
    """What an operator needs of its task instance."""

    def xcom_push(self, key: str, value: Any) -> None:
        """Say something to other tasks."""


def live(request: dict[str, Any], waits: str) -> dict[str, Any]:
    """A task from where it stands to its end; the file `waits` is there while it waits for its trigger."""
    operator = TrainingOperator(task_id="train", config=request, check_interval=1)
    signal.signal(signal.SIGTERM, lambda *_: _shut_down(operator))
    while True:
        try:
            if Path(waits).exists():
                trigger = TrainingTrigger(
                    job_name=Path(waits).read_text(),
                    job_type="Training",
                    waiter_delay=0.1,  # type: ignore[arg-type]
                    aws_conn_id="aws_default",
                )
                return operator.execute_complete({"ti": Task()}, asyncio.run(_event(trigger)))
            return operator.execute({"ti": Task()})
        except TaskDeferred as deferral:
            unfinished = Path(f"{waits}.new")
            unfinished.write_text(cast("TrainingTrigger", deferral.trigger).job_name)
            unfinished.rename(waits)


def _shut_down(operator: TrainingOperator) -> None:
    """What Airflow does in a worker that is shut down."""
    operator.on_kill()
    sys.exit(1)


async def _event(trigger: TrainingTrigger) -> dict[str, Any]:
    async for event in trigger.run():
        return dict(event.payload)
    raise AssertionError("the trigger ended without an event")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with pytest.MonkeyPatch.context() as patch, embedded(tmp_path_factory.mktemp("aws"), patch) as it:
        yield it


@pytest.fixture(scope="module")
def steps(aws: Embedded, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a task does that nobody disturbs."""
    waits = tmp_path_factory.mktemp("undisturbed") / "waits"
    return steps_of(live, aws.request("brief", name="bqx-eurusd-xgb-undisturbed"), str(waits))[0]


def kill_and_run_again(aws: Embedded, steps: list[str], folder: Path, number: int) -> str:
    """Kill the processes of a task up to three times, let the next ones finish; returns where they died."""
    rng = random.Random(f"{SEED} {number}")
    request = aws.request("brief", name=f"bqx-eurusd-xgb-{number:016d}", value=f"{number:064d}")
    died = []
    for _ in range(rng.randint(1, 3)):
        pattern = rng.choice(PATTERNS)
        moment = Moment(
            pattern,
            rng.randint(1, min(3, sum(Moment(pattern).matches(step) for step in steps))),
            frozen=rng.random() < 0.6,
            delay=rng.uniform(0, 0.2),
            signal=rng.choice(SIGNALS),
        )
        try:
            death = kill_at(moment, live, request, str(folder / "waits"))
        except (EOFError, TimeoutError):  # it was done before it came there
            break
        died.append(f"{moment.signal.name} at {death.steps[-1]}")
    assert live_in_process(request, folder)["job"] == request["TrainingJobName"]
    jobs = [
        request["name"]
        for request in aws.trouble.requests("CreateTrainingJob")
        if request["status"] == 200 and request["name"].endswith(f"{number:016d}")
    ]
    assert len(jobs) == 1, died
    assert aws.calls("StopTrainingJob") == 0, died
    return "; ".join(died)


def live_in_process(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    before = signal.getsignal(signal.SIGTERM)
    try:
        return live(request, str(folder / "waits"))
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", range(5))
def test_a_task_that_was_killed_has_its_job_adopted(
    aws: Embedded, steps: list[str], tmp_path: Path, number: int
) -> None:
    print(kill_and_run_again(aws, steps, tmp_path, number))


@pytest.mark.soak
def test_fifty_tasks_killed_anywhere(aws: Embedded, steps: list[str], tmp_path: Path) -> None:
    died = []
    for number in range(100, 150):
        folder = tmp_path / str(number)
        folder.mkdir()
        died.append(kill_and_run_again(aws, steps, folder, number))
    print("\n".join(died))
    assert len(set(died)) > 25, "they died at different moments"
