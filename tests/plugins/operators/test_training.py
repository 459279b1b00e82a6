"""A training job is started once, adopted after a crash, and stopped only by a person."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from bqx.operators.training import CLOSED_TAG, TrainingOperator, TrainingTrigger

from include.errors import AwsBusy, TrainingFailed, TrainingRefused
from tests.training_jobs import BASE, Embedded, embedded

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves


class Task:
    """What an operator needs of its task instance."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.said[key] = value


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    with embedded(tmp_path, monkeypatch) as it:
        yield it


def operator(request: dict[str, Any]) -> TrainingOperator:
    return TrainingOperator(task_id="train", config=request, check_interval=1)


def start(request: dict[str, Any]) -> TrainingTrigger:
    """Run the task up to where it waits; a worker that is lost after this has lost nothing."""
    with pytest.raises(TaskDeferred) as deferred:
        operator(request).execute({"ti": Task()})
    assert isinstance(deferred.value.trigger, TrainingTrigger)
    return deferred.value.trigger


def event(trigger: TrainingTrigger) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        async for one in trigger.run():
            return dict(one.payload)
        raise AssertionError("the trigger ended without an event")

    trigger.waiter_delay = 0.02
    return asyncio.run(first())


def finish(request: dict[str, Any], trigger: TrainingTrigger) -> dict[str, Any]:
    """What the task does when its trigger has fired; it is given the task anew, as Airflow does."""
    return operator(request).execute_complete({"ti": Task()}, event(trigger))


def kill(trigger: TrainingTrigger, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the triggerer does when the trigger is taken from it, with the task in some state."""
    states = {"run": {"train": state}}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: states))
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="train", run_id="run", map_index=3)
    asyncio.run(trigger.on_kill())


def tags(aws: Embedded, name: str = BASE) -> dict[str, str]:
    arn = aws.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobArn"]
    return {tag["Key"]: tag["Value"] for tag in aws.sagemaker.list_tags(ResourceArn=arn)["Tags"]}


# Once


def test_a_job_runs_and_what_it_left_is_noted(aws: Embedded) -> None:
    request = aws.request()
    noted = finish(request, start(request))
    assert noted["job"] == BASE
    assert aws.bucket.get(noted["model"])
    assert json.loads(aws.bucket.get(f"training/{'c' * 16}/{BASE}/result.json") or b"") == noted
    assert (aws.calls("CreateTrainingJob"), aws.calls("StopTrainingJob")) == (1, 0)


def test_a_worker_lost_after_the_start_has_the_job_adopted(aws: Embedded) -> None:
    request = aws.request("wait")
    start(request)
    assert start(request).job_name == BASE
    aws.gate.touch()
    aws.end()
    assert operator(request).execute({"ti": Task()})["job"] == BASE, "it is over: nobody has to wait"
    assert len(aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 1


def test_a_start_that_was_done_and_then_answered_with_an_error_is_adopted(aws: Embedded) -> None:
    aws.trouble.add("sagemaker", "CreateTrainingJob", nth=1, status=500, code="InternalFailure", applied=True)
    assert start(aws.request("wait")).job_name == BASE
    assert len(aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 1


def test_a_job_of_the_name_that_does_something_else_is_refused(aws: Embedded) -> None:
    start(aws.request("wait"))
    with pytest.raises(TrainingRefused, match=rf"{BASE} that does something else .*Nothing was started"):
        operator(aws.request("wait", value="b" * 64)).execute({"ti": Task()})
    assert aws.status() == "InProgress"


def test_a_trigger_that_gave_up_looking_is_no_end(aws: Embedded) -> None:
    request = aws.request("wait")
    trigger = start(request)
    trigger.attempts = 2
    with pytest.raises(TaskDeferred):
        finish(request, trigger)
    assert (aws.calls("CreateTrainingJob"), aws.calls("StopTrainingJob")) == (1, 0)


def test_a_trigger_keeps_looking_while_aws_is_in_trouble(aws: Embedded) -> None:
    request = aws.request()
    trigger = start(request)
    aws.trouble.add(
        "sagemaker", "DescribeTrainingJob", times=12, status=400, code="ThrottlingException", message="Rate"
    )
    noted = finish(request, trigger)
    assert noted["job"] == BASE
    assert aws.calls("DescribeTrainingJob") > 12


class Opened:
    """Counts the clients of a trigger; to make one takes a while."""

    def __init__(self, trigger: TrainingTrigger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self.made: list[Any] = []
        hook = trigger.hook()
        make = hook._get_async_conn

        def slow() -> Any:
            self.number += 1
            time.sleep(0.3)
            self.made.append(make())
            return self.made[-1]

        monkeypatch.setattr(hook, "_get_async_conn", slow)
        monkeypatch.setattr(trigger, "hook", lambda: hook)


def test_a_wait_has_one_client_until_aws_refuses_it(aws: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = start(aws.request("wait"))
    opened = Opened(trigger, monkeypatch)
    trigger.attempts = 5
    aws.trouble.add(
        "sagemaker", "DescribeTrainingJob", times=1, status=400, code="ExpiredTokenException", message="Old"
    )
    event(trigger)
    assert opened.number == 2, "the first one was refused"


# Killed


def test_a_cancellation_keeps_its_reason_while_a_client_is_made(
    aws: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow calls on_kill for one reason only; a person's act may come at any moment."""
    trigger = start(aws.request("wait"))
    opened = Opened(trigger, monkeypatch)

    async def cancelled() -> tuple[Any, ...]:
        wait = asyncio.ensure_future(anext(trigger.run()))
        while not opened.number:
            await asyncio.sleep(0.01)
        wait.cancel("user action")
        with pytest.raises(asyncio.CancelledError) as error:
            await wait
        while not opened.made:
            await asyncio.sleep(0.01)
        async with opened.made[0]:
            return error.value.args

    assert asyncio.run(cancelled()) == ("user action",)


def test_only_a_person_stops_a_job(aws: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    request = aws.request("wait")
    trigger = start(request)
    operator(request).on_kill()  # a worker is shut down
    kill(trigger, "deferred", monkeypatch)  # another triggerer took over
    assert aws.calls("StopTrainingJob") == 0
    kill(trigger, "failed", monkeypatch)
    assert aws.end() == "Stopped"
    assert tags(aws)[CLOSED_TAG] == "a person stopped its task"
    calls = [each["operation"] for each in aws.trouble.requests() if each["service"] == "sagemaker"]
    assert calls.index("AddTags") < calls.index("StopTrainingJob"), "whoever finds it stopped knows why"


def test_a_stopped_job_is_followed_by_another_attempt(aws: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    request = aws.request("wait")
    kill(start(request), "failed", monkeypatch)
    trigger = start(request)  # at once, while the first is still stopping
    assert trigger.job_name == f"{BASE}-a2"
    aws.gate.touch()
    noted = finish(request, trigger)
    assert (noted["job"], noted["model"]) == (
        f"{BASE}-a2",
        f"training/{'c' * 16}/{BASE}-a2/output/model.tar.gz",
    )
    assert aws.bucket.get(f"training/{'c' * 16}/{BASE}/result.json"), (
        "it is noted under the name that is looked for"
    )


def test_a_job_that_was_stopped_while_its_task_waited_on_is_run_again(
    aws: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = aws.request("wait")
    trigger = start(request)
    kill(trigger, "scheduled", monkeypatch)
    aws.end()
    with pytest.raises(TaskDeferred) as deferred:
        finish(request, trigger)
    assert deferred.value.trigger.job_name == f"{BASE}-a2"


# Every state has a rule


def test_a_failed_job_says_why_and_is_not_started_again_by_itself(aws: Embedded) -> None:
    request = aws.request("fail")
    trigger = start(request)
    with pytest.raises(TrainingFailed) as failure:
        finish(request, trigger)
    said = str(failure.value)
    assert "the bars are of another market" in said
    assert "this job is told: fail" in said, "the end of the log"
    assert "clear this task" in said
    assert start(request).job_name == f"{BASE}-a2", "a person cleared the task"


def test_a_failure_that_nobody_was_told_of_is_told_first(aws: Embedded) -> None:
    request = aws.request("fail")
    start(request)
    aws.end()
    with pytest.raises(TrainingFailed):  # the worker that started it is lost
        operator(request).execute({"ti": Task()})
    assert aws.calls("CreateTrainingJob") == 2
    assert len(aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 1


def test_a_job_stopped_in_the_console_is_a_failure(aws: Embedded) -> None:
    request = aws.request("wait")
    trigger = start(request)
    aws.sagemaker.stop_training_job(TrainingJobName=BASE)
    with pytest.raises(TrainingFailed, match="ended as Stopped"):
        finish(request, trigger)


@pytest.mark.parametrize("status", ["Deleting", "Something new"])
def test_an_unknown_state_is_a_failure(aws: Embedded, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = aws.request()
    task = operator(request)
    with pytest.raises(TaskDeferred):
        task.execute({"ti": Task()})
    aws.end()
    description = task.hook.describe_training_job(BASE) | {"TrainingJobStatus": status}
    monkeypatch.setattr(task.hook, "describe_training_job", lambda _: description)
    with pytest.raises(TrainingFailed, match=f"ended as {status}"):
        task.execute_complete({"ti": Task()}, {"job_name": BASE})


def test_a_job_that_runs_too_long_is_a_failure(aws: Embedded) -> None:
    request = aws.request("wait")
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 60}
    trigger = start(request)
    with pytest.raises(TrainingFailed, match=r"Stopped: .*MaxRuntime"):
        finish(request, trigger)


# What AWS refuses


def test_what_passes_is_tried_again(aws: Embedded) -> None:
    aws.trouble.add(
        "sagemaker", "CreateTrainingJob", times=99, status=400, code="ResourceLimitExceeded", message="8 of 8"
    )
    with pytest.raises(AwsBusy, match=r"8 of 8.*Nothing was paid twice"):
        operator(aws.request()).execute({"ti": Task()})


def test_what_a_person_has_to_mend_says_how(aws: Embedded) -> None:
    aws.trouble.add(
        "sagemaker", "CreateTrainingJob", status=400, code="AccessDeniedException", message="no PassRole"
    )
    with pytest.raises(TrainingRefused, match=r"no PassRole.*iam:PassRole.*clear this task"):
        operator(aws.request()).execute({"ti": Task()})
    aws.trouble.clear()
    request = aws.request()
    request["AlgorithmSpecification"]["TrainingImage"] = "nobody/has:this"
    with pytest.raises(TrainingRefused, match="Mend what it names"):
        operator(request).execute({"ti": Task()})


def test_spot_without_checkpoints_is_refused(aws: Embedded) -> None:
    request = aws.request()
    del request["CheckpointConfig"]
    with pytest.raises(TrainingRefused, match="keeps no checkpoints"):
        operator(request).execute({"ti": Task()})
    assert aws.calls("CreateTrainingJob") == 0
