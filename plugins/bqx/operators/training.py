"""A training job on SageMaker that is paid once; see `bqx.operators.paid_once`."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator

from bqx.operators import sagemaker_errors as errors
from bqx.operators.paid_once import CLOSED_TAG, JobTrigger, Kind, PaidOnce

__all__ = ["CLOSED_TAG", "TrainingOperator", "TrainingTrigger"]

TRAINING = Kind(
    what="training job",
    job_type="Training",
    prefix="TrainingJob",
    describe="describe_training_job",
    operation="training_job",
)


class TrainingTrigger(JobTrigger):
    """Wait for a training job."""

    kind = TRAINING


class TrainingOperator(PaidOnce, SageMakerTrainingOperator):
    """Run one training job and wait for it without holding a worker.

    Args:
        config: the request; its name is that of the first attempt, its tag ``bqx:request`` says what it does.
        check_interval: seconds between two looks at the job, a number or a template.
        operator: further arguments of the operator.

    Returns:
        What is noted of the completed job; see ``include.training.jobs.record``.
    """

    kind = TRAINING
    trigger = TrainingTrigger

    def __init__(self, *, config: dict[str, Any], check_interval: Any = 30, **operator: Any) -> None:
        super().__init__(
            config=config,
            check_interval=check_interval,
            check_if_job_exists=False,
            print_log=False,
            deferrable=True,
            **operator,
        )

    def create(self, request: dict[str, Any]) -> None:
        """Start a job, and wait for nothing."""
        self.hook.create_training_job(request, wait_for_completion=False, print_log=False)

    def record(self, description: dict[str, Any]) -> dict[str, Any]:
        """Note model and output of the job."""
        from bqx.objects import object_store
        from include.training import jobs

        return jobs.record(object_store(""), self.config, description)

    def evidence(self, description: dict[str, Any]) -> str:
        """The end of its log."""
        return errors.log_tail(self.hook, self.kind.name(description))
