"""A training job on SageMaker that is paid once: adopted after a crash, stopped only by a person.

The provider's operator renames a job whose name is taken, ends after thirty minutes, and knows nothing of a
job that an earlier attempt of its task has started. This one never starts a job twice:

- The name says what is trained. SageMaker refuses a name that exists; the job is adopted then, if its tag
  says that it does the same. A closed job, one that a person stopped or whose failure was reported, is not
  adopted: the next attempt is called ``...-a2``.
- A lost worker, a restart, a time-out or a triggerer that was replaced stop nothing. A person who marks or
  clears a waiting task stops its job: `TrainingTrigger.on_kill`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator
from airflow.providers.amazon.aws.triggers.sagemaker import SageMakerTrigger
from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

from bqx.operators import sagemaker_errors as errors

REQUEST_TAG = "bqx:request"
CLOSED_TAG = "bqx:closed"  # why a job is not adopted any more
AT_WORK = ("InProgress", "Stopping")
ENDED = ("Completed", "Failed", "Stopped")
ATTEMPTS = 99  # names that are tried for one request
POLLS = 480  # describes of one deferral; then the task looks for itself and defers again


class TrainingOperator(SageMakerTrainingOperator):
    """Run one training job and wait for it without holding a worker.

    Args:
        config: the request; its name is that of the first attempt, and a tag `REQUEST_TAG` says what it does.
        check_interval: seconds between two looks at the job.
        operator: further arguments of the operator.

    Returns:
        What is noted of the completed job; see ``include.training.jobs.record``.
    """

    def __init__(self, *, config: dict[str, Any], check_interval: int = 30, **operator: Any) -> None:
        super().__init__(
            config=config,
            check_interval=check_interval,
            check_if_job_exists=False,
            print_log=False,
            deferrable=True,
            **operator,
        )

    def execute(self, context: Any) -> dict[str, Any]:
        """Start the job, or adopt the one that does the same; wait for its end."""
        with errors.for_people("start a training job"):
            _refuse_costly(self.config)
            self.preprocess_config()
            description = self._start_or_adopt()
        context["ti"].xcom_push("job", description["TrainingJobName"])
        return self._conclude(context, description)

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at the job itself, whatever the trigger says: a time-out there is not one of the job."""
        with errors.for_people("look at a training job"):
            description = self.hook.describe_training_job((event or {})["job_name"])
        return self._conclude(context, description)

    def on_kill(self) -> None:
        """Stop nothing: this is also called when a worker is shut down."""

    def _conclude(self, context: Any, description: dict[str, Any]) -> dict[str, Any]:
        """What follows from the state of a job; a state that is not known is a failure."""
        name, status = description["TrainingJobName"], description["TrainingJobStatus"]
        if status in AT_WORK:
            self._wait(name)
        if status == "Completed":
            return self._record(description)
        if status == "Stopped" and self._tags(description).get(CLOSED_TAG):
            return self.execute(context)  # a person stopped it, and cleared its task since
        failure = self._failure(description)
        self._close(description, "its failure was reported")
        raise failure

    def _start_or_adopt(self) -> dict[str, Any]:
        base = str(self.config["TrainingJobName"])
        for attempt in range(1, ATTEMPTS + 1):
            name = base if attempt == 1 else f"{base}-a{attempt}"
            description = self._create(self.config | {"TrainingJobName": name})
            tags = self._tags(description)
            wanted = _tags_of(self.config["Tags"])[REQUEST_TAG]
            if tags.get(REQUEST_TAG) != wanted:
                raise errors.refused(
                    f"SageMaker has a job {name} that does something else (tag {REQUEST_TAG}: "
                    f"{tags.get(REQUEST_TAG)}, not {wanted}). Nothing was started. Find out who made it; "
                    "delete it, or change a param, which gives the job another name."
                )
            if CLOSED_TAG not in tags:
                return description
            self.log.info("The job %s is over: %s.", name, tags[CLOSED_TAG])
        raise errors.refused(f"{ATTEMPTS} attempts of {base} have ended without a model. Look at their logs.")

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job unless there is one of that name; either way, its description."""
        from botocore.exceptions import ClientError

        name = request["TrainingJobName"]
        try:
            self.hook.create_training_job(request, wait_for_completion=False, print_log=False)
            self.log.info("Started the training job %s.", name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":
                raise
            self.log.info("The training job %s exists: it is adopted if it does the same.", name)
        return dict(self.hook.describe_training_job(name))

    def _wait(self, name: str) -> None:
        self.defer(
            trigger=TrainingTrigger(
                job_name=name,
                job_type="Training",
                waiter_delay=self.check_interval,
                waiter_max_attempts=POLLS,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
            method_name="execute_complete",
        )

    def _record(self, description: dict[str, Any]) -> dict[str, Any]:
        from bqx.objects import object_store
        from include.training import jobs

        self.log.info("The job %s is completed.", description["TrainingJobName"])
        return jobs.record(object_store(""), self.config, description)

    def _failure(self, description: dict[str, Any]) -> Exception:
        name, status = description["TrainingJobName"], description["TrainingJobStatus"]
        said = description.get("FailureReason") or description.get("SecondaryStatus", "no reason was given")
        tail = errors.log_tail(self.hook, name)
        return errors.failed(
            f"The training job {name} ended as {status}: {said}\n{tail}\n"
            "Mend the cause, then clear this task: it starts another attempt. The other jobs go on."
        )

    def _tags(self, description: dict[str, Any]) -> dict[str, str]:
        client = self.hook.get_conn()
        pages = client.get_paginator("list_tags").paginate(ResourceArn=description["TrainingJobArn"])
        return _tags_of([tag for page in pages for tag in page["Tags"]])

    def _close(self, description: dict[str, Any], why: str) -> None:
        tag = {"Key": CLOSED_TAG, "Value": why}
        self.hook.get_conn().add_tags(ResourceArn=description["TrainingJobArn"], Tags=[tag])


class TrainingTrigger(SageMakerTrigger):
    """Wait for a training job. What AWS refuses for a moment is asked again; only a person's act stops it."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the job has ended, or as often as agreed."""
        for _ in range(self.attempts):
            status = await self._status()
            if status not in (*AT_WORK, None):
                break
            await asyncio.sleep(self.waiter_delay)
        yield TriggerEvent({"status": "look", "job_name": self.job_name})

    async def on_kill(self) -> None:
        """Stop the job of a task that a person marked or cleared.

        Airflow calls this also where another triggerer has taken the trigger over; the task still waits
        then, and nothing is stopped. The tag comes first: whoever finds the job afterwards knows why.
        """
        if await self._still_waits():
            self.log.info("The task still waits: the job %s goes on.", self.job_name)
            return
        async with await self.hook().get_async_conn() as client:
            description = await client.describe_training_job(TrainingJobName=self.job_name)
            if description["TrainingJobStatus"] not in AT_WORK:
                return
            tag = {"Key": CLOSED_TAG, "Value": "a person stopped its task"}
            await client.add_tags(ResourceArn=description["TrainingJobArn"], Tags=[tag])
            await client.stop_training_job(TrainingJobName=self.job_name)
        self.log.info("Stopped the job %s: a person marked or cleared its task.", self.job_name)

    async def _status(self) -> str | None:
        """State of the job; None if AWS did not say."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            async with await self.hook().get_async_conn() as client:
                answer = await client.describe_training_job(TrainingJobName=self.job_name)
        except (ClientError, BotoCoreError, OSError) as error:
            self.log.warning("SageMaker did not say how %s stands: %s", self.job_name, error)
            return None
        status = str(answer["TrainingJobStatus"])
        self.log.info("The job %s: %s, %s", self.job_name, status, answer.get("SecondaryStatus"))
        return status

    async def _still_waits(self) -> bool:
        """Whether the task is deferred, or nobody knows."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        task = self.task_instance
        assert task is not None, "the triggerer runs triggers of tasks only"
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.run_id], map_index=task.map_index
        )
        return {str(state) for state in states.get(task.run_id, {}).values()} in ({"deferred"}, set())


def _tags_of(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _refuse_costly(request: dict[str, Any]) -> None:
    """A job on spot instances that keeps no checkpoints begins anew after each interruption."""
    if request.get("EnableManagedSpotTraining") and not request.get("CheckpointConfig"):
        raise errors.refused(
            f"{request['TrainingJobName']} asks for spot instances and keeps no checkpoints: after each "
            "interruption it would begin anew. Give it a CheckpointConfig, or take spot off."
        )
