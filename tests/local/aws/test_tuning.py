"""Tuning jobs launch training jobs with drawn settings, stop bad ones, and say which was best."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import draws, tuning
from local.aws.errors import ServiceError
from tests.sagemaker import BUCKET, Aws, packed, request, served, wait_for

# Says its objective: as many values as it is asked for, around x.
SCRIPT = """
import json, os, pathlib, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
given = json.loads((base / "input/config/hyperparameters.json").read_text())
room = pathlib.Path(given["room"])
(room / (os.environ["TRAINING_JOB_NAME"] + "@" + str(os.getpid()))).touch()
if given.get("silent") == "true":
    sys.exit(0)
if given.get("fail") == "true":
    raise SystemExit("no such column")
print("loss=" + given["x"] + ";", flush=True)
number = os.environ["TRAINING_JOB_NAME"].split("-")[-2]
while (room / "wait").exists() or (room / f"wait-{number}").exists():
    time.sleep(0.02)
(base / "model/model.json").write_text(json.dumps(given))
"""
RANGES = {
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "6", "MaxValue": "12"}],
    "ContinuousParameterRanges": [
        {"Name": "rate", "MinValue": "0.01", "MaxValue": "0.1", "ScalingType": "Logarithmic"},
        {"Name": "x", "MinValue": "-1", "MaxValue": "1", "ScalingType": "Linear"},
    ],
    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
}


def asked(name: str, room: Path, most: int = 4, parallel: int = 2, **static: str) -> dict[str, Any]:
    """A request for a tuning job of trials that run `SCRIPT`."""
    job = request("any")
    algorithm = job["AlgorithmSpecification"] | {
        "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=([-+0-9.eE]+)"}]
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": parallel},
            "ParameterRanges": RANGES,
            "RandomSeed": 7,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": job["HyperParameters"] | {"room": str(room)} | static,
            "AlgorithmSpecification": algorithm,
            "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints/"},
            **{
                member: job[member]
                for member in ("RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
            },
        },
        "Tags": [{"Key": "bqx:request", "Value": "ab"}],
    }


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    with served(tmp_path, grace=1.0) as it:
        it.put("code/job.tar.gz", packed({"train.py": SCRIPT}))
        yield it


def described(aws: Aws, name: str) -> dict[str, Any]:
    return dict(aws.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))


def ended(aws: Aws, name: str) -> dict[str, Any]:
    told: dict[str, Any] = {}

    def there() -> bool:
        told.update(described(aws, name))
        return told["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping")

    wait_for(there, lambda: f"{name} is {told}")
    return told


def trials(aws: Aws, name: str, **more: Any) -> list[dict[str, Any]]:
    pages = aws.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    found = pages.paginate(HyperParameterTuningJobName=name, PaginationConfig={"PageSize": 3}, **more)
    return [trial for page in found for trial in page["TrainingJobSummaries"]]


def refused(aws: Aws, parameters: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        aws.sagemaker.create_hyper_parameter_tuning_job(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_trials_run_and_the_best_one_is_named(aws: Aws, room: Path) -> None:
    answer = aws.sagemaker.create_hyper_parameter_tuning_job(**asked("tune-1", room))
    arn = answer["HyperParameterTuningJobArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/tune-1"
    told, found = ended(aws, "tune-1"), trials(aws, "tune-1")
    assert told["HyperParameterTuningJobStatus"] == "Completed"
    assert told["TrainingJobStatusCounters"] == {
        "Completed": 4, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }  # fmt: skip
    assert told["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert told["HyperParameterTuningEndTime"] == told["LastModifiedTime"] > told["CreationTime"]
    assert [trial["TrainingJobName"][:11] for trial in found] == [f"tune-1-00{n}-" for n in (1, 2, 3, 4)]
    objective = "FinalHyperParameterTuningJobObjectiveMetric"
    values = [trial[objective]["Value"] for trial in found]
    assert values == pytest.approx([float(trial["TunedHyperParameters"]["x"]) for trial in found])
    best = told["BestTrainingJob"]
    assert best == found[values.index(min(values))]
    by_value = trials(aws, "tune-1", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert [trial[objective]["Value"] for trial in by_value] == sorted(values, reverse=True)
    assert len(trials(aws, "tune-1", StatusEquals="Completed")) == 4

    job = aws.describe(best["TrainingJobName"])
    assert job["TuningJobArn"] == arn
    assert job["HyperParameters"].items() >= best["TunedHyperParameters"].items()
    assert job["HyperParameters"]["_tuning_objective_metric"] == "loss"
    assert job["CheckpointConfig"]["S3Uri"] == f"s3://{BUCKET}/checkpoints/{best['TrainingJobName']}/"
    assert "history" not in job
    for resource in (arn, job["TrainingJobArn"]):
        assert aws.sagemaker.list_tags(ResourceArn=resource)["Tags"] == [
            {"Key": "bqx:request", "Value": "ab"}
        ]
    (line,) = aws.sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert line == {name: told[name] for name in line if name in told} | {
        "Strategy": "Random",
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
    }


def test_the_same_seed_draws_the_same_settings_in_another_job(aws: Aws, room: Path) -> None:
    for name in ("tune-1", "tune-2"):
        aws.sagemaker.create_hyper_parameter_tuning_job(**asked(name, room))
        ended(aws, name)
    first, second = ([t["TunedHyperParameters"] for t in trials(aws, name)] for name in ("tune-1", "tune-2"))
    assert first == second
    assert len({str(settings) for settings in first}) == 4


def test_at_most_so_many_trials_run_at_once_and_the_quota_counts_them(tmp_path: Path, room: Path) -> None:
    (room / "wait").touch()
    with served(tmp_path, grace=1.0, quota=3) as aws:
        aws.put("code/job.tar.gz", packed({"train.py": SCRIPT}))
        aws.sagemaker.create_hyper_parameter_tuning_job(**asked("tune-1", room))
        wait_for(lambda: described(aws, "tune-1")["TrainingJobStatusCounters"]["InProgress"] == 2)
        code, message = refused(aws, asked("tune-2", room))
        assert code == "ResourceLimitExceeded"
        assert "is 3 Instances, with current utilization of 2 Instances and a request delta of 2" in message
        for name in ("alone", "more"):
            aws.put(f"code/{name}.tar.gz", packed({"train.py": ""}))
        aws.sagemaker.create_training_job(**request("alone"))
        (room / "wait").unlink()
        assert ended(aws, "tune-1")["TrainingJobStatusCounters"]["Completed"] == 4, "a trial waits for room"


def test_a_stopped_tuning_job_stops_its_trials_and_launches_no_more(aws: Aws, room: Path) -> None:
    (room / "wait").touch()
    aws.sagemaker.create_hyper_parameter_tuning_job(**asked("tune-1", room))
    wait_for(lambda: len(list(room.glob("tune-1-*"))) == 2)
    aws.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune-1")
    told = ended(aws, "tune-1")
    assert told["HyperParameterTuningJobStatus"] == "Stopped"
    assert told["TrainingJobStatusCounters"]["Stopped"] == 2
    assert "BestTrainingJob" not in told
    assert aws.trouble.requests("StopTrainingJob") == [], "nobody asked for these"
    with pytest.raises(ClientError, match="the hyperparameter tuning job is in status Stopped"):
        aws.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune-1")


def test_trials_that_all_fail_fail_the_tuning_job(aws: Aws, room: Path) -> None:
    aws.sagemaker.create_hyper_parameter_tuning_job(**asked("tune-1", room, most=9, fail="true"))
    told = ended(aws, "tune-1")
    assert told["HyperParameterTuningJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("No training job succeeded after ")
    assert 5 <= told["ObjectiveStatusCounters"]["Failed"] < 9
    assert "no such column" in trials(aws, "tune-1")[0]["FailureReason"]


def test_trials_that_say_nothing_of_the_objective_fail_the_tuning_job(aws: Aws, room: Path) -> None:
    aws.sagemaker.create_hyper_parameter_tuning_job(**asked("tune-1", room, most=2, silent="true"))
    reason = ended(aws, "tune-1")["FailureReason"]
    assert reason.startswith("No objective metrics found after running 2 training jobs.")


def test_a_name_is_taken_once_and_an_unknown_one_is_named(aws: Aws, room: Path) -> None:
    aws.sagemaker.create_hyper_parameter_tuning_job(**asked("tune-1", room))
    taken = "A hyperparameter tuning job with the name, tune-1, already exists. Choose a different name."
    assert refused(aws, asked("tune-1", room)) == ("ResourceInUse", taken)
    with pytest.raises(
        aws.sagemaker.exceptions.ResourceNotFound, match="can't find a tuning job called none"
    ):
        described(aws, "none")
    ended(aws, "tune-1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a, c, d: c.update(Strategy="Bayesian"), "strategy Bayesian it does not know"),
        (lambda a, c, d: c.update(TuningJobCompletionCriteria={}), "without TuningJobCompletionCriteria"),
        (lambda a, c, d: c["ResourceLimits"].update(MaxRuntimeInSeconds=200), "without MaxRuntimeInSeconds"),
        (lambda a, c, d: c["ResourceLimits"].pop("MaxNumberOfTrainingJobs"), "needs MaxNumberOfTrainingJobs"),
        (lambda a, c, d: c.pop("ParameterRanges"), "needs ParameterRanges"),
        (lambda a, c, d: a.pop("TrainingJobDefinition"), "needs TrainingJobDefinition"),
        (lambda a, c, d: a.update(WarmStartConfig={"WarmStartType": "TransferLearning",
         "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "a"}]}), "without WarmSt"),
        (lambda a, c, d: d["AlgorithmSpecification"].pop("MetricDefinitions"),
         "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric"),
        (lambda a, c, d: d["AlgorithmSpecification"].update(TrainingImage="1.dkr.ecr/other:2"),
         "Cannot find repository: other"),
        (lambda a, c, d: d["StaticHyperParameters"].update(depth="8"), "hyperparameter depth is given twice"),
        (lambda a, c, d: a.update(HyperParameterTuningJobName="x" * 33), "length less than or equal to 32"),
    ],
)  # fmt: skip
def test_a_tuning_job_that_cannot_be_run_is_refused(aws: Aws, room: Path, change: Any, told: str) -> None:
    parameters = asked("tune-1", room)
    change(parameters, parameters["HyperParameterTuningJobConfig"], parameters["TrainingJobDefinition"])
    code, message = refused(aws, parameters)
    assert (code, told in message) == ("ValidationException", True), message
    assert aws.sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []


# Draws


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (("2", "1", "Linear"), "ends at 1, before it begins at 2"),
        (("0", "1", "Logarithmic"), "must begin above 0, not at 0"),
        (("a", "1", "Auto"), "no number"),
        (("0.1", "1", "ReverseLogarithmic"), "scaling ReverseLogarithmic; the stand-in knows Auto"),
        (("nan", "1", "Auto"), "before it begins"),
    ],
)
def test_ranges_that_nothing_can_be_drawn_from_are_refused(limits: tuple[str, str, str], told: str) -> None:
    low, high, scale = limits
    numbers = [{"Name": "x", "MinValue": low, "MaxValue": high, "ScalingType": scale}]
    with pytest.raises(ServiceError, match=told):
        draws.check({"ContinuousParameterRanges": numbers}, {})


def test_draws_fill_their_ranges_on_their_scale() -> None:
    drawn = [draws.draw(RANGES, 3, number) for number in range(1, 801)]
    assert {int(each["depth"]) for each in drawn} == set(range(6, 13))
    assert {each["kind"] for each in drawn} == {"a", "b"}
    rates = sorted(float(each["rate"]) for each in drawn)
    assert 0.01 <= rates[0] <= rates[-1] <= 0.1
    assert rates[400] == pytest.approx(math.sqrt(0.01 * 0.1), rel=0.1), (
        "half of them below the geometric mean"
    )
    assert abs(sum(float(each["x"]) for each in drawn) / 800) < 0.1


# Early stopping


def trial(status: str, *history: float) -> dict[str, Any]:
    return {"TrainingJobStatus": status, "history": list(history)}


def config(kind: str = "Minimize", stopping: str = "Auto") -> dict[str, Any]:
    objective = {"Type": kind, "MetricName": "loss"}
    told = {"HyperParameterTuningJobObjective": objective, "TrainingJobEarlyStoppingType": stopping}
    return {"HyperParameterTuningJobConfig": told}


def test_a_trial_is_bad_if_it_is_worse_than_the_median_of_running_averages() -> None:
    done = [trial("Completed", 4, 2), trial("Completed", 3, 3), trial("Completed", 10, 0, 0)]
    assert not tuning.is_bad(config(), trial("InProgress", 9, 3.0), done), "the median is 3"
    assert tuning.is_bad(config(), trial("InProgress", 0, 3.1), done)
    assert not tuning.is_bad(config("Maximize"), trial("InProgress", 0, 3.1), done)
    assert not tuning.is_bad(config(stopping="Off"), trial("InProgress", 99), done)
    assert not tuning.is_bad(config(), trial("InProgress"), done), "it has said nothing yet"
    assert not tuning.is_bad(config(), trial("InProgress", 9, 9, 9, 9), done), "none got so far"
    assert not tuning.is_bad(config(), trial("InProgress", 9), [trial("Stopped", 0), trial("InProgress", 0)])


def test_the_rule_agrees_with_one_written_another_way() -> None:
    source = random.Random(11)
    for _ in range(300):
        done = [
            trial("Completed", *(source.random() for _ in range(source.randint(0, 4))))
            for _ in range(source.randint(0, 5))
        ]
        running = trial("InProgress", *(source.random() for _ in range(source.randint(1, 4))))
        count = len(running["history"])
        means = sorted(sum(d["history"][:count]) / count for d in done if len(d["history"]) >= count)
        half = len(means) // 2
        middle = (means[half] + means[-half - 1]) / 2 if means else math.inf
        assert tuning.is_bad(config(), running, done) == (running["history"][-1] > middle)


def test_a_bad_trial_is_stopped_and_the_others_go_on(aws: Aws, room: Path) -> None:
    parameters = asked("tune-1", room, most=3, parallel=1)
    seed = {"TrainingJobEarlyStoppingType": "Auto", "RandomSeed": 28}
    parameters["HyperParameterTuningJobConfig"].update(seed)
    drawn = [float(draws.draw(RANGES, 28, number)["x"]) for number in (1, 2, 3)]
    assert drawn[2] < drawn[0] < drawn[1], "so that the second one is bad, the third one not"
    (room / "wait-002").touch()
    aws.sagemaker.create_hyper_parameter_tuning_job(**parameters)
    told, found = ended(aws, "tune-1"), trials(aws, "tune-1")
    assert told["HyperParameterTuningJobStatus"] == "Completed"
    assert [each["TrainingJobStatus"] for each in found] == ["Completed", "Stopped", "Completed"]
    assert found[1]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == pytest.approx(drawn[1])
    assert told["ObjectiveStatusCounters"]["Succeeded"] == 3
    assert aws.trouble.requests("StopTrainingJob") == []
