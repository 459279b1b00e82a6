"""The endpoint and what belongs to it: made unless it is there, changed only if it is another one.

Everything here may be called again at any time. An update that SageMaker took back ends in service with the
old configuration; only a look at the configuration that runs tells it from a success.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from include.aws import Remedy, for_people
from include.errors import DeployFailed, DeployRefused
from include.serving.requests import (
    OWNED,
    PREFIX,
    SCALE_IN_SECONDS,
    SCALE_OUT_SECONDS,
    VARIANT,
    Wanted,
    comparable,
)

__all__ = [
    "MOVING", "Clients", "Step", "ensure_alarms", "ensure_config", "ensure_endpoint", "ensure_model",
    "ensure_parts", "ensure_scaling", "look", "refusals", "tidy",
]  # fmt: skip

log = logging.getLogger(__name__)

IN_SERVICE, FAILED = "InService", "Failed"
MOVING = ("Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting")  # it ends by itself
POLICY = "bqx-requests"  # of the scaling
SCALED = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
_NO_SUCH = "could not find"
_AT_WORK = "in-progress"
_THERE = ("already existing", "already exists")

REMEDY = Remedy(
    DeployRefused,
    "What served before serves on.",
    "Give the role of Airflow the permissions of docs/serving.md, and iam:PassRole on the role of the "
    "endpoint; or mend the connection aws_default.",
    "Mend what it names.",
)

Plain = dict[str, Any]


class Clients(NamedTuple):
    """Clients of boto3: of SageMaker, CloudWatch and Application Auto Scaling."""

    sagemaker: Any
    cloudwatch: Any
    scaling: Any


class Step(NamedTuple):
    """Where the endpoint stands on its way to what is wanted.

    Attributes:
        ready: it is in service, as wanted.
        begun: SageMaker has begun to bring about what is wanted; what it ends as now is the outcome.
    """

    ready: bool
    begun: bool


def refusals(what: str) -> AbstractContextManager[None]:
    """Turn what AWS refuses into an error that says whether to wait or what to do.

    Args:
        what: what was tried, as in "change the endpoint".

    Raises:
        AwsBusy: it passes by itself.
        DeployRefused: a person has to act.
    """
    return for_people(what, REMEDY)


def ensure_parts(clients: Clients, wanted: Wanted) -> str:
    """Make sure that model, configuration and alarms are there; returns the name of the configuration."""
    with refusals("prepare the endpoint"):
        ensure_model(clients.sagemaker, wanted.model)
        ensure_config(clients.sagemaker, wanted.config)
        ensure_alarms(clients.cloudwatch, wanted)
    return wanted.config_name


def ensure_model(client: Any, request: Mapping[str, Any]) -> str:
    """Make sure that a model is there; returns its name.

    Raises:
        DeployRefused: a model of that name is another one.
    """
    name = str(request["ModelName"])
    _ensure(
        lambda: client.describe_model(ModelName=name),
        lambda: client.create_model(**request),
        request,
        f"model {name}",
    )
    return name


def ensure_config(client: Any, request: Mapping[str, Any]) -> str:
    """Make sure that an endpoint configuration is there; returns its name.

    Raises:
        DeployRefused: a configuration of that name is another one.
    """
    name = str(request["EndpointConfigName"])
    _ensure(
        lambda: client.describe_endpoint_config(EndpointConfigName=name),
        lambda: client.create_endpoint_config(**request),
        comparable(request),
        f"endpoint configuration {name}",
    )
    return name


def ensure_alarms(cloudwatch: Any, wanted: Wanted) -> None:
    """Make sure that the alarms are there which bring an update back."""
    for alarm in wanted.alarms:
        cloudwatch.put_metric_alarm(**alarm)


def look(client: Any, endpoint: str) -> Plain | None:
    """What DescribeEndpoint says; None if there is no such endpoint.

    Raises:
        AwsBusy: AWS does not say it now.
        DeployRefused: it may not be asked.
    """
    with refusals(f"look at endpoint {endpoint}"):
        return _asked(lambda: client.describe_endpoint(EndpointName=endpoint))


def ensure_endpoint(clients: Clients, wanted: Wanted, begun: bool = False) -> Step:
    """Bring the endpoint one step nearer to what is wanted, and wait for nothing.

    Args:
        clients: of AWS.
        wanted: what is to run; model and configuration are there.
        begun: what an earlier step said.

    Raises:
        DeployFailed: it ended as something else; says why, and what serves.
    """
    with refusals("change the endpoint"):
        found = look(clients.sagemaker, wanted.endpoint)
        if found is None:
            return _created(clients, wanted)
        status = str(found["EndpointStatus"])
        log.info("Endpoint %s is %s with configuration %s.", wanted.endpoint, status, _config_of(found))
        if status in MOVING:
            return Step(False, begun or _comes(found, wanted))
        ready = status == IN_SERVICE and _config_of(found) == wanted.config_name
        if status == IN_SERVICE and not ready and not begun:
            return _updated(clients, wanted, found)
        if status == FAILED and not begun:  # SageMaker allows nothing else to be done with it
            clients.sagemaker.delete_endpoint(EndpointName=wanted.endpoint)
            return Step(False, False)
        if status == IN_SERVICE:  # also after an update that was taken back
            ensure_scaling(clients, wanted)
        if ready:
            return Step(True, True)
    raise _failure(found, wanted)


def ensure_scaling(clients: Clients, wanted: Wanted) -> None:
    """Let the number of instances follow the requests; the endpoint is in service."""
    place = _scaled(wanted)
    told = wanted.scaling
    clients.scaling.register_scalable_target(**place, MinCapacity=told["least"], MaxCapacity=told["most"])
    clients.scaling.put_scaling_policy(
        **place,
        PolicyName=POLICY,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": float(told["target"]),
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
            "ScaleOutCooldown": SCALE_OUT_SECONDS,
            "ScaleInCooldown": SCALE_IN_SECONDS,
        },
    )


def tidy(client: Any, endpoint: str, keep: int) -> list[str]:
    """Remove configurations and models of ours that nothing needs any more.

    Args:
        client: of SageMaker.
        endpoint: what it runs, or is about to, stays.
        keep: how many of the other configurations stay, the newest ones: to go back to by hand.

    Returns:
        Names of what was removed.
    """
    found = look(client, endpoint)
    if found is None or found["EndpointStatus"] != IN_SERVICE:
        return []
    configs = _ours(client, "list_endpoint_configs", "EndpointConfigs", "EndpointConfig")
    used = set(_used(client))
    others = [name for name in configs if name not in used]
    gone = others[keep:]
    needed = set(_models_used(client, gone))
    for name in gone:
        client.delete_endpoint_config(EndpointConfigName=name)
    models = [name for name in _ours(client, "list_models", "Models", "Model") if name not in needed]
    for name in models:
        client.delete_model(ModelName=name)
    return [*gone, *models]


def _created(clients: Clients, wanted: Wanted) -> Step:
    try:
        clients.sagemaker.create_endpoint(
            EndpointName=wanted.endpoint, EndpointConfigName=wanted.config_name, Tags=[OWNED]
        )
    except clients.sagemaker.exceptions.ClientError as error:
        if not _says(error, *_THERE):  # an answer was lost, or another run was faster: look again
            raise
    return Step(False, True)


def _updated(clients: Clients, wanted: Wanted, found: Mapping[str, Any]) -> Step:
    """Begin an update. SageMaker does not change the type of instances that are scaled: that stops first."""
    running = clients.sagemaker.describe_endpoint_config(EndpointConfigName=_config_of(found))
    types = {variant["InstanceType"] for variant in running["ProductionVariants"]}
    unscaled = types != {wanted.instance_type}
    if unscaled:
        with suppress(clients.scaling.exceptions.ObjectNotFoundException):  # an earlier attempt did it
            clients.scaling.deregister_scalable_target(**_scaled(wanted))
    try:
        clients.sagemaker.update_endpoint(
            EndpointName=wanted.endpoint,
            EndpointConfigName=wanted.config_name,
            RetainAllVariantProperties=True,
            DeploymentConfig=wanted.deployment,
        )
    except clients.sagemaker.exceptions.ClientError as error:
        if not _says(error, _AT_WORK):
            if unscaled:  # what serves on is scaled as before
                ensure_scaling(clients, wanted)
            raise
        return Step(False, False)  # an answer was lost, or somebody else changes it: look again
    return Step(False, True)


def _failure(found: Mapping[str, Any], wanted: Wanted) -> DeployFailed:
    """What a state means that is not the wanted one."""
    status, runs = str(found["EndpointStatus"]), _config_of(found)
    reason = found.get("FailureReason") or "SageMaker gave no reason"
    name = f"Endpoint {wanted.endpoint}"
    return DeployFailed(
        {
            IN_SERVICE: f"{name} was not updated to {wanted.config_name}: SageMaker took the update back and "
            f"serves {runs} as before. Reason: {reason}. Mend the cause and clear this task.",
            FAILED: f"{name} has failed and serves nothing: {reason}. Mend the cause and clear this task: it "
            "deletes the endpoint, which is all that SageMaker allows, and makes it anew.",
            "UpdateRollbackFailed": f"{name} serves a mix of old and new instances: neither the update to "
            f"{wanted.config_name} nor the way back succeeded. Reason: {reason}. Nothing is done by itself: "
            "delete the endpoint when you can do without it for minutes, then clear this task.",
            "OutOfService": f"{name} takes no requests (OutOfService): {reason}. Delete it, then clear this "
            "task.",
        }.get(
            status,
            f"{name} is in a state that is not known here: {status}. Reason: {reason}. Look at it in the "
            "console of SageMaker; nothing was done.",
        )
    )


def _comes(found: Mapping[str, Any], wanted: Wanted) -> bool:
    """Whether what is under way leads to what is wanted, begun by an attempt that was lost."""
    if found["EndpointStatus"] == "Creating":
        return _config_of(found) == wanted.config_name
    return _pending(found) == wanted.config_name


def _ensure(
    describe: Callable[[], Plain], create: Callable[[], Any], request: Mapping[str, Any], what: str
) -> None:
    found = _asked(describe)
    if found is None:
        try:
            create()
            return
        except Exception as error:
            if not _says(error, *_THERE):
                raise
        found = describe()
    differing = [
        name for name, value in request.items() if name != "Tags" and not _covers(found.get(name), value)
    ]
    if differing:
        raise DeployRefused(
            f"There is a {what} whose {', '.join(differing)} is not what its name says. Nothing was changed: "
            "find out who made it, and delete it."
        )


def _covers(found: Any, wanted: Any) -> bool:
    """Whether everything that is wanted is there; AWS adds its own."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _covers(found.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_covers(*each) for each in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)


def _asked(describe: Callable[[], Any]) -> Plain | None:
    """What a description says; None if there is nothing of that name."""
    try:
        return dict(describe())
    except Exception as error:
        if _says(error, _NO_SUCH):
            return None
        raise


def _says(error: Exception, *words: str) -> bool:
    """SageMaker has one code, ValidationException, for all that is wrong with a name; only the text tells."""
    said = getattr(error, "response", {}).get("Error", {})
    return said.get("Code") in ("ValidationException", "ResourceInUse", "ResourceNotFound") and any(
        word in said.get("Message", "").lower() for word in words
    )


def _ours(client: Any, operation: str, listed: str, kind: str) -> list[str]:
    """Names of what this module made, the newest first."""
    pages = client.get_paginator(operation).paginate(NameContains=PREFIX)
    found: list[tuple[datetime, str]] = []
    for page in pages:
        for one in page[listed]:
            if not one[f"{kind}Name"].startswith(PREFIX):  # NameContains is no prefix
                continue
            if OWNED in client.list_tags(ResourceArn=one[f"{kind}Arn"])["Tags"]:
                found.append((one["CreationTime"], one[f"{kind}Name"]))
    return [name for _, name in sorted(found, reverse=True)]


def _models_used(client: Any, gone: Collection[str]) -> Iterator[str]:
    """Models that any configuration names, also one that is not ours, but for those that go."""
    for page in client.get_paginator("list_endpoint_configs").paginate():
        for name in [one["EndpointConfigName"] for one in page["EndpointConfigs"]]:
            if name not in gone:
                found = _asked(partial(client.describe_endpoint_config, EndpointConfigName=name)) or {}
                yield from (variant.get("ModelName", "") for variant in found.get("ProductionVariants", ()))


def _used(client: Any) -> Iterator[str]:
    """Configurations that all endpoints run, or are about to; also those that are not ours."""
    for page in client.get_paginator("list_endpoints").paginate():
        for one in page["Endpoints"]:
            found = look(client, one["EndpointName"])
            if found is not None:
                yield _config_of(found)
                yield _pending(found)


def _scaled(wanted: Wanted) -> Plain:
    return {**SCALED, "ResourceId": f"endpoint/{wanted.endpoint}/variant/{VARIANT}"}


def _config_of(found: Mapping[str, Any]) -> str:
    return str(found["EndpointConfigName"])


def _pending(found: Mapping[str, Any]) -> str:
    """The configuration that an update under way leads to; empty if there is none."""
    return str((found.get("PendingDeploymentSummary") or {}).get("EndpointConfigName", ""))
