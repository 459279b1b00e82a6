"""A tuning job on SageMaker that is paid once; see `bqx.operators.paid_once`."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTuningOperator

from bqx.operators import sagemaker_errors as errors
from bqx.operators.paid_once import JobTrigger, Kind, PaidOnce

TUNING = Kind(
    what="tuning job",
    job_type="tuning",
    prefix="HyperParameterTuningJob",
    describe="describe_tuning_job",
    operation="hyper_parameter_tuning_job",
)


class TuningTrigger(JobTrigger):
    """Wait for a tuning job."""

    kind = TUNING


class TuningOperator(PaidOnce, SageMakerTuningOperator):
    """Run one tuning job and wait for it without holding a worker, however long it takes.

    Args:
        config: the request; its name is that of the first attempt, its tag ``bqx:request`` says what it does.
        check_interval: seconds between two looks at the job, a number or a template.
        operator: further arguments of the operator.

    Returns:
        What is noted of the completed job; see ``include.training.tuning.record``.
    """

    kind = TUNING
    trigger = TuningTrigger

    def __init__(self, *, config: dict[str, Any], check_interval: Any = 30, **operator: Any) -> None:
        super().__init__(config=config, check_interval=check_interval, deferrable=True, **operator)

    def definition(self) -> dict[str, Any]:
        """How each trial runs."""
        return dict(self.config["TrainingJobDefinition"])

    def create(self, request: dict[str, Any]) -> None:
        """Start a job, and wait for nothing."""
        self.hook.create_tuning_job(request, wait_for_completion=False)

    def record(self, description: dict[str, Any]) -> dict[str, Any]:
        """Note all trials of the job."""
        from bqx.objects import object_store
        from include.training import tuning

        return tuning.record(object_store(""), self.config, description, self._trials(description))

    def evidence(self, description: dict[str, Any]) -> str:
        """Why trials failed, and the end of the log of the first of them."""
        failed = [trial for trial in self._trials(description) if trial["TrainingJobStatus"] == "Failed"]
        lines = [f"{trial['TrainingJobName']}: {trial.get('FailureReason', '')}" for trial in failed]
        tails = [errors.log_tail(self.hook, trial["TrainingJobName"]) for trial in failed[:1]]
        return "\n".join([*lines, *tails]) or "None of its training jobs failed."

    def _trials(self, description: dict[str, Any]) -> list[dict[str, Any]]:
        pages = self.hook.get_conn().get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        found = pages.paginate(HyperParameterTuningJobName=self.kind.name(description))
        return [trial for page in found for trial in page["TrainingJobSummaries"]]
