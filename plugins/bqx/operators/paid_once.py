"""A job on SageMaker that is paid once: adopted after a crash, stopped only by a person.

The provider's operators rename a job whose name is taken or fail on it, end after a number of looks, and know
nothing of a job that an earlier attempt of their task has started. These never start a job twice:

- The name says what is done. SageMaker refuses a name that exists; the job is adopted then, if its tag says
  that it does the same. A closed job, one that a person stopped or whose failure was reported, is not
  adopted: the next attempt is called ``...-a2``.
- A lost worker, a restart, a time-out or a triggerer that was replaced stop nothing. A person who marks or
  clears a waiting task stops its job: `JobTrigger.on_kill`.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar, NamedTuple

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerBaseOperator
from airflow.providers.amazon.aws.triggers.sagemaker import SageMakerTrigger
from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

from bqx.operators import sagemaker_errors as errors

REQUEST_TAG = "bqx:request"
CLOSED_TAG = "bqx:closed"  # why a job is not adopted any more
AT_WORK = ("InProgress", "Stopping")
ATTEMPTS = 99  # names that are tried for one request
POLLS = 480  # describes of one deferral; then the task looks for itself and defers again


class Kind(NamedTuple):
    """What differs between the kinds of jobs.

    Attributes:
        what: in messages.
        job_type: as the provider's trigger calls it.
        prefix: of the members of requests and answers, ``TrainingJob`` in ``TrainingJobName``.
        describe: method of the provider's hook.
        operation: end of the names of SageMaker's operations in boto3.
    """

    what: str
    job_type: str
    prefix: str
    describe: str
    operation: str

    def name(self, answer: dict[str, Any]) -> str:
        """Name of a job, from a request or a description."""
        return str(answer[f"{self.prefix}Name"])

    def status(self, description: dict[str, Any]) -> str:
        """Status of a job."""
        return str(description[f"{self.prefix}Status"])

    def arn(self, description: dict[str, Any]) -> str:
        """ARN of a job."""
        return str(description[f"{self.prefix}Arn"])


class JobTrigger(SageMakerTrigger):
    """Wait for a job. What AWS refuses for a moment is asked again; only a person's act stops the job."""

    kind: ClassVar[Kind]
    at_work: ClassVar[tuple[str, ...]] = AT_WORK  # states that end by themselves
    _client: Any = None  # one for the whole wait: to make one takes longer than to ask

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the job has ended, or as often as agreed."""
        async with AsyncExitStack() as opened:
            for _ in range(self.attempts):
                status = await self._status(opened)
                if status not in (*self.at_work, None):
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
            description = await self._call(client, "describe")
            if self.kind.status(description) not in AT_WORK:
                return
            tag = {"Key": CLOSED_TAG, "Value": "a person stopped its task"}
            await client.add_tags(ResourceArn=self.kind.arn(description), Tags=[tag])
            await self._call(client, "stop")
        self.log.info("Stopped the job %s: a person marked or cleared its task.", self.job_name)

    async def _call(self, client: Any, verb: str) -> dict[str, Any]:
        operation = getattr(client, f"{verb}_{self.kind.operation}")
        return dict(await operation(**{f"{self.kind.prefix}Name": self.job_name}))

    async def _status(self, opened: AsyncExitStack) -> str | None:
        """State of the job; None if AWS did not say."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                # Without the shield a cancellation that comes meanwhile loses its reason, and Airflow does
                # not call on_kill: a person would mark the task, and the job would go on.
                client = await asyncio.shield(self.hook().get_async_conn())
                self._client = await opened.enter_async_context(client)
            answer = await self._call(self._client, "describe")
        except (ClientError, BotoCoreError, OSError) as error:
            if self.gone(error):
                return "gone"
            self.log.warning("SageMaker did not say how %s stands: %s", self.job_name, error)
            self._client = None  # another one reads the credentials again
            await opened.aclose()
            return None
        status = self.kind.status(answer)
        self.log.info("The job %s: %s %s", self.job_name, status, answer.get("SecondaryStatus", ""))
        return status

    def gone(self, error: Exception) -> bool:
        """Whether AWS says that what is waited for is not there; a job is kept for ever."""
        return False

    async def _still_waits(self) -> bool:
        """Whether the task is deferred, or nobody knows."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        task = self.task_instance
        assert task is not None, "the triggerer runs triggers of tasks only"
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.run_id], map_index=task.map_index
        )
        return {str(state) for state in states.get(task.run_id, {}).values()} in ({"deferred"}, set())


class PaidOnce(SageMakerBaseOperator):
    """Run one job and wait for it without holding a worker; comes before the provider's operator of its kind.

    The request, ``config``, has the name of the first attempt, and a tag `REQUEST_TAG` says what it does.
    """

    template_fields: Sequence[str] = (*SageMakerBaseOperator.template_fields, "check_interval")
    kind: ClassVar[Kind]
    trigger: ClassVar[type[JobTrigger]]
    check_interval: Any

    def execute(self, context: Any) -> dict[str, Any]:
        """Start the job, or adopt the one that does the same; wait for its end."""
        with errors.refusals(f"start a {self.kind.what}"):
            self._refuse_costly()
            self.preprocess_config()
            description = self._start_or_adopt()
        context["ti"].xcom_push("job", self.kind.name(description))
        return self._conclude(context, description)

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at the job itself, whatever the trigger says: a time-out there is not one of the job."""
        with errors.refusals(f"look at a {self.kind.what}"):
            description = self._describe((event or {})["job_name"])
        return self._conclude(context, description)

    def on_kill(self) -> None:
        """Stop nothing: this is also called when a worker is shut down."""

    def definition(self) -> dict[str, Any]:
        """The part of the request that says how a training job runs."""
        return self.config

    @abstractmethod
    def create(self, request: dict[str, Any]) -> None:
        """Start a job, and wait for nothing."""

    @abstractmethod
    def record(self, description: dict[str, Any]) -> dict[str, Any]:
        """Note what the completed job left; returns what the task returns."""

    @abstractmethod
    def evidence(self, description: dict[str, Any]) -> str:
        """What helps to understand a failure of the job."""

    def _conclude(self, context: Any, description: dict[str, Any]) -> dict[str, Any]:
        """What follows from the state of a job; a state that is not known is a failure."""
        name, status = self.kind.name(description), self.kind.status(description)
        if status in AT_WORK:
            self._wait(name)
        if status == "Completed":
            self.log.info("The %s %s is completed.", self.kind.what, name)
            return self.record(description)
        if status == "Stopped" and self._tags(description).get(CLOSED_TAG):
            return self.execute(context)  # a person stopped it, and cleared its task since
        failure = self._failure(description)
        self._close(description, "its failure was reported")
        raise failure

    def _start_or_adopt(self) -> dict[str, Any]:
        base = self.kind.name(self.config)
        for attempt in range(1, ATTEMPTS + 1):
            name = base if attempt == 1 else f"{base}-a{attempt}"
            description = self._create(self.config | {f"{self.kind.prefix}Name": name})
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
        raise errors.refused(f"{ATTEMPTS} attempts of {base} have ended without result. Look at their logs.")

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job unless there is one of that name; either way, its description."""
        from botocore.exceptions import ClientError

        name = self.kind.name(request)
        try:
            self.create(request)
            self.log.info("Started the %s %s.", self.kind.what, name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":
                raise
            self.log.info("The %s %s exists: it is adopted if it does the same.", self.kind.what, name)
        return self._describe(name)

    def _describe(self, name: str) -> dict[str, Any]:
        return dict(getattr(self.hook, self.kind.describe)(name))

    def _wait(self, name: str) -> None:
        self.defer(
            trigger=self.trigger(
                job_name=name,
                job_type=self.kind.job_type,
                waiter_delay=int(self.check_interval),
                waiter_max_attempts=POLLS,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
            method_name="execute_complete",
        )

    def _failure(self, description: dict[str, Any]) -> Exception:
        name, status = self.kind.name(description), self.kind.status(description)
        said = description.get("FailureReason") or description.get("SecondaryStatus", "no reason was given")
        return errors.failed(
            f"The {self.kind.what} {name} ended as {status}: {said}\n{self.evidence(description)}\n"
            "Mend the cause, then clear this task: it starts another attempt. The other jobs go on."
        )

    def _tags(self, description: dict[str, Any]) -> dict[str, str]:
        pages = self.hook.get_conn().get_paginator("list_tags")
        found = pages.paginate(ResourceArn=self.kind.arn(description))
        return _tags_of([tag for page in found for tag in page["Tags"]])

    def _close(self, description: dict[str, Any], why: str) -> None:
        tag = {"Key": CLOSED_TAG, "Value": why}
        self.hook.get_conn().add_tags(ResourceArn=self.kind.arn(description), Tags=[tag])

    def _refuse_costly(self) -> None:
        """A job on spot instances that keeps no checkpoints begins anew after each interruption."""
        definition = self.definition()
        if definition.get("EnableManagedSpotTraining") and not definition.get("CheckpointConfig"):
            raise errors.refused(
                f"{self.kind.name(self.config)} asks for spot instances and keeps no checkpoints: after each "
                "interruption it would begin anew. Give it a CheckpointConfig, or take spot off."
            )


def _tags_of(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
