"""The small services: moto in this process, loaded when somebody asks for the first time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from local.aws.errors import ServiceError
from local.aws.settings import ACCOUNT

GROUP = "/aws/sagemaker/TrainingJobs"
SAGEMAKER = "sagemaker"  # as a namespace of Application Auto Scaling


class Line(NamedTuple):
    """One line of a job's output.

    Attributes:
        moment: milliseconds since the epoch.
        text: without the end of the line.
    """

    moment: int
    text: str


class SmallServices:
    """Moto behind one lock, for its stores are made for one thread.

    Args:
        on_load: called with this object, under the lock, when moto has been loaded; more may be added.
    """

    def __init__(self, on_load: Callable[[SmallServices], None]) -> None:
        self.lock = threading.RLock()
        self.on_load = [on_load]
        self._app: Any = None

    @property
    def is_loaded(self) -> bool:
        """Whether anybody has asked for a small service yet."""
        return self._app is not None

    def answer(self, environ: dict[str, Any]) -> Response:
        """What moto answers."""
        with self.lock:
            self._load()
            return Response.from_app(self._app, environ, buffered=True)

    def put_log(self, region: str, stream: str, lines: Iterable[Line]) -> None:
        """Add lines to a stream of the training jobs; makes group and stream if they are not there."""
        from moto.logs.models import logs_backends

        events = [{"timestamp": line.moment, "message": line.text} for line in lines]
        with self.lock:
            backend = logs_backends[ACCOUNT][region]
            backend.ensure_log_group(GROUP)
            backend.ensure_log_stream(GROUP, stream)
            if events:
                backend.put_log_events(GROUP, stream, events)

    def publish(self, topic: str, subject: str, text: str) -> None:
        """Give a topic of SNS a message.

        Args:
            topic: its ARN.
            subject: of the message.
            text: of it.

        Raises:
            ServiceError: there is no such topic. What moto holds ends with the server.
        """
        region = topic.split(":")[3]
        with self.lock:
            if self.is_loaded:
                from moto.sns.models import sns_backends

                if topic in sns_backends[ACCOUNT][region].topics:
                    sns_backends[ACCOUNT][region].publish(text, arn=topic, subject=subject)
                    return
        raise ServiceError("NotFound", f"Topic does not exist: {topic}", 404)

    def scaling(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What Application Auto Scaling was told of SageMaker: region, operation and parameters."""
        from moto.applicationautoscaling.models import applicationautoscaling_backends

        found: list[tuple[str, str, dict[str, Any]]] = []
        with self.lock:
            for region, backend in sorted(applicationautoscaling_backends[ACCOUNT].items()):
                for target in backend.describe_scalable_targets(SAGEMAKER, None, None):
                    known: dict[str, Any] = {"r_id": target.resource_id}
                    known |= {"dimension": target.scalable_dimension}
                    known |= {"min_capacity": target.min_capacity, "max_capacity": target.max_capacity}
                    known |= {"role_arn": target.role_arn, "suspended_state": target.suspended_state}
                    found.append((region, "register_scalable_target", known))
                for policy in backend.policies.values():
                    if policy.service_namespace == SAGEMAKER:
                        names = ("policy_name", "resource_id", "scalable_dimension", "policy_type")
                        known = {name: getattr(policy, name) for name in names}
                        found.append(
                            (region, "put_scaling_policy", known | {"policy_body": policy._policy_body})
                        )
        return found

    def restore_scaling(self, told: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Tell Application Auto Scaling again what `scaling` has said."""
        from moto.applicationautoscaling.models import applicationautoscaling_backends

        with self.lock:
            for region, operation, known in told:
                backend = applicationautoscaling_backends[ACCOUNT][region]
                namespace = "namespace" if operation == "register_scalable_target" else "service_namespace"
                getattr(backend, operation)(**{namespace: SAGEMAKER}, **known)

    def close(self) -> None:
        """Forget what the services hold: moto keeps it for the process, not for one server."""
        with self.lock:
            if self._app is not None:
                from moto.moto_api._internal.models import moto_api_backend

                moto_api_backend.reset()

    def _load(self) -> None:
        if self._app is None:
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

            self._app = DomainDispatcherApplication(create_backend_app)
            for call in self.on_load:
                call(self)
