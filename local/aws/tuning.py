"""Tuning jobs as SageMaker tells them: documents, the training jobs they launch, counters, the best one."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from local.aws import draws, jobs
from local.aws.errors import invalid
from local.aws.kinds import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING, TRAINING_JOB, TUNING_JOB
from local.aws.listing import VALUE

ENOUGH = 5  # trials without a result after which a tuning job fails
# What the service adds to the hyperparameters of each trial.
OBJECTIVE = "_tuning_objective_metric"
_SHARED = ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
           "StoppingCondition", "EnableManagedSpotTraining", "CheckpointConfig", "EnableNetworkIsolation",
           "Environment")  # fmt: skip
_KNOWN_CONFIG = ("Strategy", "HyperParameterTuningJobObjective", "ResourceLimits", "ParameterRanges",
                 "TrainingJobEarlyStoppingType", "RandomSeed")  # fmt: skip

Document = dict[str, Any]


def check(asked: Mapping[str, Any]) -> None:
    """Refuse a tuning job that the stand-in cannot run.

    Raises:
        ServiceError: ValidationException, with the words of AWS where AWS refuses it too.
    """
    config, definition = asked["HyperParameterTuningJobConfig"], asked.get("TrainingJobDefinition", {})
    if config["Strategy"] != "Random":
        raise invalid(f"The stand-in searches at random; strategy {config['Strategy']} it does not know.")
    unknown = sorted(set(config) - set(_KNOWN_CONFIG))
    unknown += sorted(set(definition) - {*_SHARED, "StaticHyperParameters"})
    unknown += [name for name in ("TrainingJobDefinitions", "WarmStartConfig", "Autotune") if name in asked]
    unknown += ["MaxRuntimeInSeconds"] * ("MaxRuntimeInSeconds" in config["ResourceLimits"])
    if unknown:
        raise invalid(f"The stand-in tunes without {unknown[0]}.")
    for name, given in {
        "TrainingJobDefinition": definition,
        "HyperParameterTuningJobObjective": config.get("HyperParameterTuningJobObjective"),
        "ParameterRanges": config.get("ParameterRanges"),
        "MaxNumberOfTrainingJobs": config["ResourceLimits"].get("MaxNumberOfTrainingJobs"),
    }.items():
        if not given:
            raise invalid(f"The stand-in needs {name} of a tuning job.")
    metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", ())
    if config["HyperParameterTuningJobObjective"]["MetricName"] not in [each["Name"] for each in metrics]:
        raise invalid(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the "
            "metric definitions."
        )
    draws.check(config["ParameterRanges"], definition.get("StaticHyperParameters", {}))


def new(asked: Mapping[str, Any], region: str) -> Document:
    """The document of a tuning job that begins now."""
    now = time.time()
    config = asked["HyperParameterTuningJobConfig"]
    return {name: value for name, value in asked.items() if name != "Tags"} | {
        "HyperParameterTuningJobArn": TUNING_JOB.arn(region, asked["HyperParameterTuningJobName"]),
        "HyperParameterTuningJobStatus": IN_PROGRESS,
        "CreationTime": now,
        "LastModifiedTime": now,
        "region": region,
        "tags": {tag["Key"]: tag["Value"] for tag in asked.get("Tags", ())},
        "seed": config.get("RandomSeed", secrets.randbelow(1 << 31)),
        "launched": 0,
    }


def stop(job: Document) -> None:
    """Let a tuning job be stopped from now on.

    Raises:
        ServiceError: it has ended.
    """
    if not TUNING_JOB.is_active(job):
        raise TUNING_JOB.rejected(job)
    job["HyperParameterTuningJobStatus"], job["LastModifiedTime"] = STOPPING, time.time()


def end(job: Document, reason: str = "") -> None:
    """Let a tuning job be over: stopped, failed if there is a reason, or completed."""
    if reason:
        job["FailureReason"] = reason[: jobs.LONGEST_REASON]
    stopped = TUNING_JOB.status(job) == STOPPING
    job["HyperParameterTuningJobStatus"] = (
        STOPPED if stopped else FAILED if "FailureReason" in job else COMPLETED
    )
    job["LastModifiedTime"] = job["HyperParameterTuningEndTime"] = time.time()


def most(job: Document) -> int:
    """How many trials it makes."""
    return int(job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"])


def parallel(job: Document) -> int:
    """How many trials run at once, at most."""
    return int(job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"])


def trial(job: Document, number: int) -> Document:
    """The training job that a tuning job launches as its n-th, from 1.

    Everything about it follows from tuning job and number, so that after a crash it is the same one. The
    checkpoints of a trial are its own.
    """
    definition, name = job["TrainingJobDefinition"], trial_name(job, number)
    config = job["HyperParameterTuningJobConfig"]
    tuned = draws.draw(config["ParameterRanges"], job["seed"], number)
    metric = config["HyperParameterTuningJobObjective"]["MetricName"]
    request = {member: definition[member] for member in _SHARED if member in definition} | {
        "TrainingJobName": name,
        "HyperParameters": definition.get("StaticHyperParameters", {}) | {OBJECTIVE: metric} | tuned,
        "Tags": [{"Key": key, "Value": value} for key, value in job["tags"].items()],
    }
    if checkpoints := definition.get("CheckpointConfig"):
        place = f"{checkpoints['S3Uri'].rstrip('/')}/{name}/"
        request["CheckpointConfig"] = checkpoints | {"S3Uri": place}
    return jobs.new(request, job["region"]) | {
        "TuningJobArn": job["HyperParameterTuningJobArn"],
        "tuned": tuned,
        "objective": metric,
        "history": [],
    }


def trial_name(job: Document, number: int) -> str:
    """As AWS makes it; its last digits are drawn there."""
    name = TUNING_JOB.name(job)
    digits = hashlib.sha256(f"{name} {job['CreationTime']} {number}".encode()).hexdigest()[:8]
    return f"{name}-{number:03d}-{digits}"


def trial_names(job: Document) -> list[str]:
    """Names of the trials that were launched, in their order."""
    return [trial_name(job, number) for number in range(1, job["launched"] + 1)]


def summary(trial: Document) -> Document:
    """A trial with what a summary of it has more."""
    told = trial | {"TunedHyperParameters": trial["tuned"], "ObjectiveStatus": _objective_status(trial)}
    if (value := _objective(trial)) is not None:
        told[VALUE] = {"MetricName": trial["objective"], "Value": value}
    return told


def short(job: Document, trials: Sequence[Document]) -> Document:
    """A tuning job with what a summary of it has more."""
    config = job["HyperParameterTuningJobConfig"]
    return job | {
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
        "TrainingJobStatusCounters": _states(trials),
        "ObjectiveStatusCounters": _count(
            ("Succeeded", "Pending", "Failed"), [_objective_status(trial) for trial in trials]
        ),
    }


def describe(job: Document, trials: Sequence[Document]) -> Document:
    """What DescribeHyperParameterTuningJob answers."""
    told = short(job, trials)
    finished = [
        trial for trial in trials if TRAINING_JOB.status(trial) == COMPLETED and _objective(trial) is not None
    ]
    if finished:
        told["BestTrainingJob"] = summary(min(finished, key=lambda each: _loss(job, _objective(each))))
    return told


def problem(job: Document, trials: Sequence[Document]) -> str:
    """Why a tuning job fails; empty if it does not."""
    ended = [trial for trial in trials if not TRAINING_JOB.is_active(trial)]
    if len(ended) < min(ENOUGH, most(job)):
        return ""
    if all(TRAINING_JOB.status(trial) == FAILED for trial in ended):
        return (
            f"No training job succeeded after {len(ended)} attempts. Please take a look at the training job "
            "failures to get more details."
        )
    if all(_objective_status(trial) == FAILED for trial in ended):
        return (
            f"No objective metrics found after running {len(ended)} training jobs. Please ensure that the "
            "custom algorithm is emitting the objective metric as defined by the regular expression provided."
        )
    return ""


def is_bad(job: Document, trial: Document, trials: Sequence[Document]) -> bool:
    """Whether a trial is stopped early, by the rule of AWS.

    It is, if its newest value is worse than the median of the running averages that the completed trials had
    after as many values.
    """
    if job["HyperParameterTuningJobConfig"].get("TrainingJobEarlyStoppingType") != "Auto":
        return False
    count = len(trial["history"])
    averages = [
        fmean(other["history"][:count])
        for other in trials
        if TRAINING_JOB.status(other) == COMPLETED and len(other["history"]) >= count > 0
    ]
    return bool(averages) and _loss(job, trial["history"][-1]) > _loss(job, median(averages))


def _loss(job: Document, value: Any) -> float:
    kind = job["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["Type"]
    return float(value) if kind == "Minimize" else -float(value)


def _objective(trial: Document) -> float | None:
    """The last value of the objective that a trial has said."""
    return float(trial["history"][-1]) if trial["history"] else None


def _objective_status(trial: Document) -> str:
    if TRAINING_JOB.is_active(trial):
        return "Pending"
    known = TRAINING_JOB.status(trial) != FAILED and _objective(trial) is not None
    return "Succeeded" if known else FAILED


def _states(trials: Sequence[Document]) -> dict[str, int]:
    names = []
    for trial in trials:
        status = TRAINING_JOB.status(trial)
        if status == FAILED:
            again = trial.get("FailureReason", "").startswith("InternalServerError")
            names.append("RetryableError" if again else "NonRetryableError")
        else:
            names.append(status if status in (COMPLETED, STOPPED) else IN_PROGRESS)
    return _count((COMPLETED, IN_PROGRESS, "RetryableError", "NonRetryableError", STOPPED), names)


def _count(names: Sequence[str], values: Sequence[str]) -> dict[str, int]:
    return {name: values.count(name) for name in names}
