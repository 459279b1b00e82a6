"""AWS in memory, as far as a deployment sees it: nothing waits, and a test may stop at every request."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from include.objects import ObjectStore
from include.serving import archives
from include.serving.container import inference, wire
from include.serving.endpoint import Clients

START = datetime(2024, 7, 1, tzinfo=UTC)


class ObjectNotFound(ClientError):
    """There is no such target of scaling."""


class Exceptions:
    """What a client of boto3 has under this name."""

    ClientError = ClientError
    ObjectNotFoundException = ObjectNotFound


class Killed(BaseException):
    """The process was killed."""


class Watch:
    """Counts requests, and kills before or after one of them.

    Args:
        number: of the request, from 0; None kills never.
        done: after the request was carried out.

    Attributes:
        seen: names of the operations so far.
    """

    def __init__(self, number: int | None = None, *, done: bool = False) -> None:
        self._number, self._done = number, done
        self.seen: list[str] = []

    def call(self, name: str, operation: Callable[..., Any], *args: Any, **asked: Any) -> Any:
        """Carry out an operation."""
        hit = len(self.seen) == self._number
        self.seen.append(name)
        if hit and not self._done:
            raise Killed(name)
        try:
            return operation(*args, **asked)
        finally:
            if hit:
                raise Killed(name)


class Watched:
    """A client whose requests are watched.

    Args:
        client: whose.
        watch: what is told of each request.
    """

    def __init__(self, client: Any, watch: Watch) -> None:
        self._client, self._watch = client, watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in ("exceptions", "meta", "can_paginate"):
            return found
        return lambda *args, **asked: self._watch.call(name, found, *args, **asked)


class Cloud:
    """Models, configurations and one endpoint, alarms, scaling; every look at the endpoint is a step of it.

    Attributes:
        models, configs: by name, as they were asked for.
        endpoint: what DescribeEndpoint says; None if there is none.
        coming: states that the endpoint goes through at the next looks.
        alarms: by name.
        targets, policies: of scaling, by what they scale.
    """

    exceptions = Exceptions

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.endpoint: dict[str, Any] | None = None
        self.coming: list[dict[str, Any] | None] = []
        self.alarms: dict[str, Any] = {}
        self.targets: dict[str, Any] = {}
        self.policies: dict[str, Any] = {}

    def state(self) -> dict[str, Any]:
        """All of it, to compare; without times."""
        return {
            "models": sorted(self.models), "configs": sorted(self.configs), "endpoint": self.endpoint,
            "alarms": self.alarms, "targets": self.targets, "policies": self.policies,
        }  # fmt: skip

    def create_model(self, **asked: Any) -> dict[str, Any]:
        return self._new(self.models, "Model", asked)

    def describe_model(self, ModelName: str) -> dict[str, Any]:
        return self._known(self.models, ModelName, "model")

    def delete_model(self, ModelName: str) -> None:
        del self.models[ModelName]

    def create_endpoint_config(self, **asked: Any) -> dict[str, Any]:
        return self._new(self.configs, "EndpointConfig", asked)

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        return self._known(self.configs, EndpointConfigName, "endpoint configuration")

    def delete_endpoint_config(self, EndpointConfigName: str) -> None:
        del self.configs[EndpointConfigName]

    def create_endpoint(self, EndpointName: str, EndpointConfigName: str, **_: Any) -> None:
        if self.endpoint is not None:
            raise refused(f'Cannot create already existing endpoint "{EndpointName}".')
        self.endpoint = {"EndpointName": EndpointName, "EndpointConfigName": EndpointConfigName}
        self._go({"EndpointStatus": "Creating"}, {"EndpointStatus": "InService"})

    def update_endpoint(self, EndpointConfigName: str, **_: Any) -> None:
        if self.endpoint is None or self.endpoint["EndpointStatus"] != "InService":
            raise refused("Cannot update in-progress endpoint.")
        types = [
            self.configs[name]["ProductionVariants"][0]["InstanceType"]
            for name in (EndpointConfigName, self.endpoint["EndpointConfigName"])
        ]
        if len(set(types)) > 1 and self.targets:
            raise refused("The variant is a scalable target. Deregister it first.")
        pending = {"PendingDeploymentSummary": {"EndpointConfigName": EndpointConfigName}}
        self._go(
            {"EndpointStatus": "Updating", **pending},
            {"EndpointStatus": "InService", "EndpointConfigName": EndpointConfigName},
        )

    def delete_endpoint(self, EndpointName: str) -> None:
        self._go({"EndpointStatus": "Deleting"}, None)

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        told = self.endpoint
        if told is None:
            raise refused(f'Could not find endpoint "{EndpointName}".')
        if self.coming:
            self._go(*self.coming)
        variant = {"VariantName": "all", "CurrentInstanceCount": 1}
        return {**told, "ProductionVariants": [variant]}

    def get_paginator(self, operation: str) -> Any:
        kind = {"list_models": "Model", "list_endpoint_configs": "EndpointConfig"}.get(operation, "Endpoint")
        kept = {"Model": self.models, "EndpointConfig": self.configs}.get(kind)
        found = list(kept.values()) if kept is not None else [self.endpoint] if self.endpoint else []
        listed = [
            each | {f"{kind}Arn": f"{kind}/{each[f'{kind}Name']}"} for each in found if each is not None
        ]
        return type("", (), {"paginate": staticmethod(lambda **_: [{f"{kind}s": listed}])})

    def list_tags(self, ResourceArn: str) -> dict[str, Any]:
        kind, _, name = ResourceArn.partition("/")
        kept = self.models if kind == "Model" else self.configs
        return {"Tags": kept[name]["Tags"]}

    def put_metric_alarm(self, **asked: Any) -> None:
        self.alarms[asked["AlarmName"]] = asked

    def get_metric_statistics(self, **_: Any) -> dict[str, Any]:
        return {"Datapoints": []}

    def register_scalable_target(self, ResourceId: str, **asked: Any) -> None:
        self.targets[ResourceId] = asked

    def deregister_scalable_target(self, ResourceId: str, **_: Any) -> None:
        if self.targets.pop(ResourceId, None) is None:
            raise ObjectNotFound({"Error": {"Code": "ObjectNotFoundException"}}, "DeregisterScalableTarget")
        self.policies.pop(ResourceId, None)

    def put_scaling_policy(self, ResourceId: str, **asked: Any) -> None:
        self.policies[ResourceId] = asked

    def _go(self, *states: dict[str, Any] | None) -> None:
        """Enter a state now, and the others at the next looks."""
        first, *self.coming = states
        if first is None or self.endpoint is None:
            self.endpoint = None
            return
        self.endpoint.pop("PendingDeploymentSummary", None)
        self.endpoint = self.endpoint | first

    def _new(self, kept: dict[str, dict[str, Any]], kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked[f"{kind}Name"]
        if name in kept:
            raise refused(f"Cannot create already existing {kind} {name}.")
        kept[name] = asked | {"CreationTime": START + timedelta(seconds=len(kept))}
        return {}

    def _known(self, kept: dict[str, dict[str, Any]], name: str, what: str) -> dict[str, Any]:
        if name not in kept:
            raise refused(f'Could not find {what} "{name}".')
        return kept[name]


class Runtime:
    """Answers as an endpoint that has all archives of a bucket in memory.

    Args:
        bucket: the whole bucket.
    """

    def __init__(self, bucket: ObjectStore) -> None:
        self._bucket = bucket
        self._loaded: dict[str, inference.Loaded] = {}

    def invoke_endpoint(self, TargetModel: str, Body: bytes, **_: Any) -> dict[str, Any]:
        if TargetModel not in self._loaded:
            with tempfile.TemporaryDirectory() as folder:
                for name, body in archives.opened(self._bucket, TargetModel).items():
                    path = Path(folder) / name
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(body)
                self._loaded[TargetModel] = inference.load(Path(folder))
        told = inference.answer(self._loaded[TargetModel], wire.read_request(Body))
        return {"Body": io.BytesIO(wire.answer(told))}


def clients(cloud: Cloud, watch: Watch) -> Clients:
    """The clients of a deployment, watched."""
    return Clients(*(Watched(cloud, watch) for _ in Clients._fields))


def refused(message: str) -> ClientError:
    """What SageMaker refuses."""
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "Operation")
