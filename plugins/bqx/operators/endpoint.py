"""The endpoint as it is wanted: made, updated or left alone, and waited for without holding a worker.

The provider's operator takes an update that SageMaker rolled back for a success: it ends in service, with the
old configuration. Here the configuration that runs is compared with the one that is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator

from bqx.operators.paid_once import POLLS, JobTrigger, Kind

ENDPOINT = Kind(
    what="endpoint",
    job_type="endpoint",
    prefix="Endpoint",
    describe="describe_endpoint",
    operation="endpoint",
)


class EndpointTrigger(JobTrigger):
    """Wait until an endpoint does not change by itself any more. Nothing stops a change that was begun."""

    kind = ENDPOINT
    at_work = ("Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting")

    async def on_kill(self) -> None:
        """Stop nothing: SageMaker ends an update by itself, and the next attempt of the task takes it up."""

    def gone(self, error: Exception) -> bool:
        """Whether AWS says that there is no such endpoint: it was deleted, and can be made anew."""
        return "could not find" in str(error).lower()


class EndpointOperator(SageMakerEndpointOperator):
    """Bring an endpoint to what is wanted.

    Args:
        config: what ``include.serving.requests.Wanted`` takes; model and configuration are there.
        check_interval: seconds between two looks at the endpoint, a number or a template.
        operator: further arguments of the operator.

    Returns:
        Name of the endpoint and of the configuration that it runs.
    """

    template_fields: Sequence[str] = ("config", "check_interval")

    def __init__(self, *, config: Any, check_interval: Any = 30, **operator: Any) -> None:
        super().__init__(config=config, check_interval=check_interval, deferrable=True, **operator)

    def execute(self, context: Any, begun: bool = False) -> dict[str, str]:
        """Take one step, then wait or be done."""
        from bqx.endpoint import serving_clients
        from include.serving.endpoint import ensure_endpoint
        from include.serving.requests import Wanted

        wanted = Wanted(**self.config)
        step = ensure_endpoint(serving_clients(), wanted, begun)
        if not step.ready:
            self._wait(wanted.endpoint, step.begun)
        return {"endpoint": wanted.endpoint, "configuration": wanted.config_name}

    def execute_complete(
        self, context: Any, event: dict[str, Any] | None = None, begun: bool = False
    ) -> dict[str, str]:
        """Look at the endpoint itself, whatever the trigger says."""
        return self.execute(context, begun)

    def on_kill(self) -> None:
        """Stop nothing: this is also called when a worker is shut down."""

    def _wait(self, name: str, begun: bool) -> None:
        self.defer(
            trigger=EndpointTrigger(
                job_name=name,
                job_type=ENDPOINT.job_type,
                waiter_delay=int(self.check_interval),
                waiter_max_attempts=POLLS,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
            method_name="execute_complete",
            kwargs={"begun": begun},
        )
