"""The life of a training job as DescribeTrainingJob tells it: documents, states, times."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from local.aws.kinds import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING, TRAINING_JOB

# Secondary states; those of an end are what SecondaryStatus says for ever.
STARTING, DOWNLOADING, TRAINING, UPLOADING = "Starting", "Downloading", "Training", "Uploading"
INTERRUPTED, RESTARTING = "Interrupted", "Restarting"
MAX_RUNTIME, MAX_WAIT = "MaxRuntimeExceeded", "MaxWaitTimeExceeded"
MESSAGES = {
    STARTING: "Preparing the instances for training",
    DOWNLOADING: "Downloading input data",
    TRAINING: "Training image download completed. Training in progress.",
    UPLOADING: "Uploading generated training model",
    INTERRUPTED: "Training job interrupted: the spot instance was reclaimed",
    RESTARTING: "Restarting the training job on another spot instance",
    STOPPING: "Stopping the training job",
    STOPPED: "Training job stopped",
    COMPLETED: "Training job completed",
    FAILED: "Training job failed",
    MAX_RUNTIME: "Training job runtime exceeded MaxRuntimeInSeconds provided",
    MAX_WAIT: "Training job runtime exceeded MaxWaitTimeInSeconds provided",
}
SPOT_SHARE = 0.3  # what a second on a spot instance costs of one on demand; invented
LONGEST_REASON = 1024  # characters

Document = dict[str, Any]


def new(request: Mapping[str, Any], region: str) -> Document:
    """The document of a job that begins now: what AWS tells of it, and members of our own in lower case.

    Args:
        request: parameters of CreateTrainingJob, checked.
        region: where it was asked for.
    """
    now = time.time()
    job: Document = {name: value for name, value in request.items() if name != "Tags"}
    job |= {
        "TrainingJobArn": TRAINING_JOB.arn(region, request["TrainingJobName"]),
        "TrainingJobStatus": IN_PROGRESS,
        "CreationTime": now,
        "SecondaryStatusTransitions": [],
        "region": region,
        "tags": {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())},
        "attempt": 0,
        "trained": 0.0,
    }
    enter(job, STARTING)
    return job


def name_of(job: Mapping[str, Any]) -> str:
    """Its name."""
    return str(job["TrainingJobName"])


def is_spot(job: Mapping[str, Any]) -> bool:
    """Whether it runs on instances that can be taken away."""
    return bool(job.get("EnableManagedSpotTraining"))


def enter(job: Document, secondary: str) -> None:
    """Let a job be in a secondary state from now on."""
    now = time.time()
    transitions = job["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1].setdefault("EndTime", now)
    transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": MESSAGES[secondary]})
    job["SecondaryStatus"], job["LastModifiedTime"] = secondary, now
    if secondary == TRAINING:
        job.setdefault("TrainingStartTime", now)


def stop(job: Document) -> None:
    """Let a job be stopped from now on.

    Raises:
        ServiceError: it has ended.
    """
    if not TRAINING_JOB.is_active(job):
        raise TRAINING_JOB.rejected(job)
    if job["TrainingJobStatus"] != STOPPING:
        job["TrainingJobStatus"] = STOPPING
        enter(job, STOPPING)


def end(job: Document, status: str, secondary: str, reason: str = "") -> None:
    """Let a job end.

    Args:
        job: its document.
        status: STOPPED, COMPLETED or FAILED.
        secondary: the same, MAX_RUNTIME or MAX_WAIT.
        reason: why it failed.
    """
    enter(job, secondary)
    last = job["SecondaryStatusTransitions"][-1]
    last["EndTime"] = last["StartTime"]
    job["TrainingJobStatus"] = status
    job["TrainingEndTime"] = last["StartTime"]
    if reason:
        last["StatusMessage"] = job["FailureReason"] = reason[:LONGEST_REASON]
    if job["trained"]:
        seconds = max(1, math.ceil(job["trained"]))
        job["TrainingTimeInSeconds"] = seconds
        job["BillableTimeInSeconds"] = max(1, round(seconds * SPOT_SHARE)) if is_spot(job) else seconds
