"""Why SageMaker refuses a request that is well formed: what it cannot do, quotas, too many calls."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.aws import jobs
from local.aws.errors import ServiceError, invalid
from local.aws.settings import Settings

_NEEDED = ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
_CHECKPOINTS = re.compile(r"/opt/ml/(?!input|output|model|code)[^./][^/]*(/[^./][^/]*)*/?")


def check(asked: Mapping[str, Any], settings: Settings) -> None:
    """Refuse a training job that cannot be run.

    Raises:
        ServiceError: ValidationException, with the words of AWS where AWS refuses it too.
    """
    if absent := [name for name in _NEEDED if name not in asked]:
        raise invalid(f"The stand-in needs {', '.join(absent)} of a training job.")
    _check_spot(asked)
    _check_image(asked, settings)
    _check_metrics(asked)
    resources = asked["ResourceConfig"]
    if "InstanceType" not in resources or resources.get("InstanceCount", 1) != 1:
        raise invalid("The stand-in runs a training job on one instance of one type.")
    path = asked.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints")
    if not _CHECKPOINTS.fullmatch(path):
        raise invalid(
            f"The stand-in keeps checkpoints in a folder of their own below /opt/ml, not in {path}."
        )


def _check_spot(asked: Mapping[str, Any]) -> None:
    condition = asked["StoppingCondition"]
    longest, wait = condition.get("MaxRuntimeInSeconds", 86_400), condition.get("MaxWaitTimeInSeconds")
    if asked.get("EnableManagedSpotTraining"):
        if wait is None or wait < longest:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )


def _check_image(asked: Mapping[str, Any], settings: Settings) -> None:
    image = asked["AlgorithmSpecification"].get("TrainingImage", "")
    python = settings.python(image)
    if python is None:
        registry, _, repository = image.partition("/")
        raise invalid(
            f"Cannot find repository: {repository.partition(':')[0]} in registry ID: "
            f"{registry.partition('.')[0]} Please check if your ECR repository exists and role "
            f"{asked['RoleArn']} has proper pull permissions for SageMaker: "
            "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
        )
    if not Path(python).exists():
        raise invalid(
            f"Here {python} stands for the image {image}, and it does not exist. The environment of the "
            "networks is made by `make tft`."
        )


def _check_metrics(asked: Mapping[str, Any]) -> None:
    for metric in asked["AlgorithmSpecification"].get("MetricDefinitions", ()):
        try:
            re.compile(metric["Regex"])
        except re.error as error:
            raise invalid(f"The regex of metric {metric['Name']} is invalid: {error}") from error


def check_quota(
    job: Mapping[str, Any], active: Sequence[Mapping[str, Any]], quota: int, count: int = 1
) -> None:
    """Refuse jobs that need more instances than the account may have.

    Args:
        job: that is asked for.
        active: the others.
        quota: instances of one type; those on demand and spot instances count separately.
        count: how many such jobs are asked for.

    Raises:
        ServiceError: ResourceLimitExceeded.
    """
    kind, spot = job["ResourceConfig"]["InstanceType"], jobs.is_spot(job)
    used = sum(
        other["ResourceConfig"]["InstanceType"] == kind and jobs.is_spot(other) == spot for other in active
    )
    if used + count > quota:
        what = f"{kind} for {'spot ' if spot else ''}training job usage"
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{what}' is {quota} Instances, with current utilization of "
            f"{used} Instances and a request delta of {count} Instances. Please use AWS Service Quotas to "
            "request an increase for this quota. If AWS Service Quotas is not available, contact AWS support "
            "to request an increase for this quota.",
        )


class Throttle:
    """Refuses an operation that is called too often. Threads may use it at once.

    Args:
        rate: calls of one operation in any second.
    """

    def __init__(self, rate: int) -> None:
        self._rate, self._lock = rate, threading.Lock()
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def enter(self, operation: str) -> None:
        """Count a call.

        Raises:
            ServiceError: ThrottlingException.
        """
        now = time.monotonic()
        with self._lock:
            calls = self._calls[operation]
            while calls and now - calls[0] >= 1:
                calls.popleft()
            if len(calls) >= self._rate:
                raise ServiceError("ThrottlingException", "Rate exceeded")
            calls.append(now)
