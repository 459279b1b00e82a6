"""A tuning job is started once, adopted after a crash, and stopped only by a person; so are its trials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from bqx.operators.paid_once import CLOSED_TAG
from bqx.operators.tuning import TuningOperator, TuningTrigger

from include.errors import AwsBusy, TrainingFailed, TrainingRefused
from tests.sagemaker import wait_for
from tests.training_jobs import Embedded, embedded
from tests.tuning_jobs import NAME, PLACE, lay_ready, names, tuning_request

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    with embedded(tmp_path, monkeypatch) as it:
        lay_ready(it.bucket)
        yield it


def operator(request: dict[str, Any]) -> TuningOperator:
    return TuningOperator(task_id="tune", config=request, check_interval=1)


def context() -> dict[str, Any]:
    return {"ti": SimpleNamespace(xcom_push=lambda key, value: None)}


def start(request: dict[str, Any]) -> TuningTrigger:
    """Run the task up to where it waits; a worker that is lost after this has lost nothing."""
    with pytest.raises(TaskDeferred) as deferred:
        operator(request).execute(context())
    assert isinstance(deferred.value.trigger, TuningTrigger)
    return deferred.value.trigger


def finish(request: dict[str, Any], trigger: TuningTrigger) -> dict[str, Any]:
    """What the task does when its trigger has fired; task and trigger are made anew, as Airflow does."""

    async def first(trigger: TuningTrigger) -> dict[str, Any]:
        async for one in trigger.run():
            return dict(one.payload)
        raise AssertionError("the trigger ended without an event")

    path, arguments = trigger.serialize()
    assert path == "bqx.operators.tuning.TuningTrigger"
    again = TuningTrigger(**arguments)
    again.waiter_delay = 0.02
    return operator(request).execute_complete(context(), asyncio.run(first(again)))


def kill(trigger: TuningTrigger, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the triggerer does when the trigger is taken from it, with the task in some state."""
    states = {"run": {"tune": state}}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: states))
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="tune", run_id="run", map_index=0)
    asyncio.run(trigger.on_kill())


def status(aws: Embedded, name: str = NAME) -> str:
    told = aws.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return str(told["HyperParameterTuningJobStatus"])


def stops(aws: Embedded) -> tuple[int, int]:
    return aws.calls("StopHyperParameterTuningJob"), aws.calls("StopTrainingJob")


def test_a_search_runs_and_all_its_trials_are_noted(aws: Embedded) -> None:
    request = tuning_request(aws)
    noted = finish(request, start(request))
    assert (noted["job"], noted["looks"], len(noted["trials"])) == (NAME, 3, 3)
    assert noted["best"]["objective"] == min(trial["objective"] for trial in noted["trials"])
    assert json.loads(aws.bucket.get(f"{PLACE}/tuning/{NAME}/result.json") or b"") == noted
    assert (aws.calls("CreateHyperParameterTuningJob"), *stops(aws)) == (1, 0, 0)


def test_a_worker_lost_after_the_start_has_the_search_adopted(aws: Embedded) -> None:
    request = tuning_request(aws, until=aws.gate)
    start(request)
    assert start(request).job_name == NAME
    aws.gate.touch()
    wait_for(lambda: status(aws) == "Completed")
    assert operator(request).execute(context())["looks"] == 3, "it is over: nobody has to wait"
    assert len(names(aws)) == len(aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 3


def test_a_start_that_was_done_and_then_answered_with_an_error_is_adopted(aws: Embedded) -> None:
    aws.trouble.add("sagemaker", "CreateHyper*", nth=1, status=500, code="InternalFailure", applied=True)
    assert start(tuning_request(aws, until=aws.gate)).job_name == NAME


def test_a_search_of_the_name_that_does_something_else_is_refused(aws: Embedded) -> None:
    start(tuning_request(aws, until=aws.gate))
    with pytest.raises(TrainingRefused, match=rf"{NAME} that does something else .*Nothing was started"):
        operator(tuning_request(aws, value="b" * 64)).execute(context())
    assert status(aws) == "InProgress"


def test_a_search_may_last_longer_than_any_trigger(aws: Embedded) -> None:
    request = tuning_request(aws, until=aws.gate)
    trigger = start(request)
    trigger.attempts = 2
    for _ in range(3):
        with pytest.raises(TaskDeferred) as deferred:
            finish(request, trigger)
        assert deferred.value.timeout is None
    again = start(request)
    aws.gate.touch()
    assert finish(request, again)["looks"] == 3
    assert stops(aws) == (0, 0)


def test_only_a_person_stops_a_search(aws: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    request = tuning_request(aws, until=aws.gate)
    trigger = start(request)
    operator(request).on_kill()  # a worker is shut down
    kill(trigger, "deferred", monkeypatch)  # another triggerer took over
    assert stops(aws) == (0, 0)
    kill(trigger, "failed", monkeypatch)
    wait_for(lambda: status(aws) == "Stopped")
    arn = aws.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=NAME)[
        "HyperParameterTuningJobArn"
    ]
    tags = {tag["Key"]: tag["Value"] for tag in aws.sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert tags[CLOSED_TAG] == "a person stopped its task"
    calls = [each["operation"] for each in aws.trouble.requests() if each["service"] == "sagemaker"]
    assert calls.index("AddTags") < calls.index("StopHyperParameterTuningJob")
    aws.gate.touch()
    again = start(request)
    assert again.job_name == f"{NAME}-a2"
    noted = finish(request, again)
    assert noted["job"] == f"{NAME}-a2"
    assert aws.bucket.get(f"{PLACE}/tuning/{NAME}/result.json"), "under the name that is looked for"


def test_a_search_that_failed_says_why(aws: Embedded) -> None:
    request = tuning_request(aws, what="fail")
    trigger = start(request)
    with pytest.raises(TrainingFailed) as failure:
        finish(request, trigger)
    said = str(failure.value)
    assert "No training job succeeded after 3 attempts" in said
    assert said.count("the bars are of another market") == 3, "the reason of each trial"
    assert "this trial is told: fail" in said, "the end of a log"
    assert start(request).job_name == f"{NAME}-a2", "a person cleared the task"


def test_what_aws_refuses_is_said_as_for_training(aws: Embedded) -> None:
    aws.trouble.add("sagemaker", "CreateHyper*", times=99, status=400, code="ResourceLimitExceeded")
    with pytest.raises(AwsBusy, match="could not start a tuning job now"):
        operator(tuning_request(aws)).execute(context())
    aws.trouble.clear()
    request = tuning_request(aws)
    request["TrainingJobDefinition"]["EnableManagedSpotTraining"] = True
    del request["TrainingJobDefinition"]["CheckpointConfig"]
    with pytest.raises(TrainingRefused, match="keeps no checkpoints"):
        operator(request).execute(context())
