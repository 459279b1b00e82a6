"""The kinds of things that SageMaker keeps: how their documents, addresses and errors differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from local.aws.errors import ServiceError, invalid
from local.aws.settings import ACCOUNT

IN_PROGRESS, STOPPING, STOPPED, COMPLETED, FAILED = "InProgress", "Stopping", "Stopped", "Completed", "Failed"
ACTIVE = (IN_PROGRESS, STOPPING)
REGION = "us-east-1"  # in messages of which the region is not known


class Kind(NamedTuple):
    """One kind of thing, most often of job.

    Attributes:
        prefix: of the members of its documents, ``TrainingJob`` in ``TrainingJobName``.
        resource: of its ARN.
        what: in messages.
        taken: why a second one of a name is refused, with ``{name}`` and ``{arn}``.
        absent: code and message about one that nobody knows, with ``{name}`` and ``{arn}``.
        taken_code: of the refusal of a second one.
        active: statuses in which something is still being done.
    """

    prefix: str
    resource: str
    what: str
    taken: str
    absent: tuple[str, str]
    taken_code: str = "ResourceInUse"
    active: tuple[str, ...] = ACTIVE

    def name(self, job: Mapping[str, Any]) -> str:
        """Name of a job."""
        return str(job[f"{self.prefix}Name"])

    def arn(self, region: str, name: str) -> str:
        """ARN of a job."""
        return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{self.resource}/{name}"

    def status(self, job: Mapping[str, Any]) -> str:
        """Status of a job; empty for what has none."""
        return str(job.get(f"{self.prefix}Status", ""))

    def is_active(self, job: Mapping[str, Any]) -> bool:
        """Whether a job has not ended."""
        return self.status(job) in self.active

    def in_use(self, job: Mapping[str, Any]) -> ServiceError:
        """Why a job of this name cannot be created."""
        arn = job[f"{self.prefix}Arn"]
        return ServiceError(self.taken_code, self.taken.format(name=self.name(job), arn=arn))

    def missing(self, name: str, region: str = REGION) -> ServiceError:
        """What SageMaker says of a job that it does not know."""
        code, message = self.absent
        return ServiceError(code, message.format(name=name, arn=self.arn(region, name)))

    def rejected(self, job: Mapping[str, Any]) -> ServiceError:
        """What a request is answered with that the status of a job does not allow."""
        return invalid(f"The request was rejected because the {self.what} is in status {self.status(job)}.")


TRAINING_JOB = Kind(
    "TrainingJob",
    "training-job",
    "training job",
    "Training job names must be unique within an AWS account and region, and a training job with this name "
    "already exists ({arn})",
    ("ValidationException", "Requested resource not found."),
)
TUNING_JOB = Kind(
    "HyperParameterTuningJob",
    "hyper-parameter-tuning-job",
    "hyperparameter tuning job",
    "A hyperparameter tuning job with the name, {name}, already exists. Choose a different name.",
    ("ResourceNotFound", "Amazon SageMaker can't find a tuning job called {name}. Type another name."),
)
