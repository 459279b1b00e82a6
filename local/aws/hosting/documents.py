"""Documents of models, configurations and endpoints: what AWS tells of them, and members of our own."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from local.aws.hosting.kinds import CONFIG, CREATING, DELETING, ENDPOINT, FAILED, MODEL, UPDATING
from local.aws.kinds import Kind

LONGEST_REASON = 1024  # characters
COUNT, WEIGHT = "DesiredInstanceCount", "DesiredWeight"

Document = dict[str, Any]


def new(kind: Kind, asked: Mapping[str, Any], region: str) -> Document:
    """A model or a configuration that is made now."""
    return {name: value for name, value in asked.items() if name != "Tags"} | {
        f"{kind.prefix}Arn": kind.arn(region, kind.name(asked)),
        "CreationTime": time.time(),
        "region": region,
        "tags": {tag["Key"]: tag["Value"] for tag in asked.get("Tags", ())},
    }


def new_endpoint(asked: Mapping[str, Any], deployment: Document, region: str) -> Document:
    """An endpoint that begins now.

    Args:
        asked: parameters of CreateEndpoint.
        deployment: from `deployment`.
        region: where it was asked for.
    """
    endpoint = new(ENDPOINT, asked, region)
    return endpoint | {
        "EndpointStatus": CREATING,
        "LastModifiedTime": endpoint["CreationTime"],
        "deployed": deployment,
        "ProductionVariants": summaries(deployment, None),
    }


def deployment(config: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> Document:
    """A configuration with all that its instances need: later changes of its models do not reach them.

    Args:
        config: of the endpoint.
        models: by name.
    """
    variants = [
        variant | {"container": models[variant["ModelName"]]["PrimaryContainer"]}
        for variant in config["ProductionVariants"]
    ]
    return {"config": CONFIG.name(config), "variants": variants, "since": time.time()}


def summaries(deployed: Document, before: Sequence[Mapping[str, Any]] | None) -> list[Document]:
    """The variants of a deployment that has no instance yet.

    Args:
        deployed: from `deployment`.
        before: variants whose wishes are kept for those of the same name.
    """
    kept = {variant["VariantName"]: variant for variant in before or ()}
    return [
        {
            "VariantName": variant["VariantName"],
            "DeployedImages": [
                {
                    "SpecifiedImage": variant["container"]["Image"],
                    "ResolvedImage": variant["container"]["Image"],
                    "ResolutionTime": deployed["since"],
                }
            ],
            "CurrentInstanceCount": 0,
            COUNT: variant["InitialInstanceCount"],
            "CurrentWeight": 0.0,
            WEIGHT: variant.get("InitialVariantWeight", 1.0),
        }
        | {name: kept[variant["VariantName"]][name] for name in _kept(kept, variant["VariantName"])}
        for variant in deployed["variants"]
    ]


def _kept(kept: Mapping[str, Mapping[str, Any]], variant: str) -> list[str]:
    return [name for name in (COUNT, WEIGHT) if name in kept.get(variant, ())]


def properties(endpoint: Document, excluded: Collection[str]) -> list[Document]:
    """The wishes of an endpoint's variants that an update keeps, without those that are excluded."""
    return [
        {name: value for name, value in variant.items() if name == "VariantName" or name not in excluded}
        for variant in endpoint["ProductionVariants"]
    ]


def update(endpoint: Document, wanted: Document, variants: list[Document], deployment_config: Any) -> None:
    """Let an endpoint be updated from now on.

    Args:
        endpoint: its document.
        wanted: from `deployment`.
        variants: from `summaries`.
        deployment_config: DeploymentConfig of the update; None for none.
    """
    endpoint["wanted"], endpoint["wanted_variants"] = wanted, variants
    endpoint["PendingDeploymentSummary"] = {
        "EndpointConfigName": wanted["config"],
        "ProductionVariants": variants,
        "StartTime": wanted["since"],
    }
    if deployment_config is None:
        endpoint.pop("LastDeploymentConfig", None)
    else:
        endpoint["LastDeploymentConfig"] = deployment_config
    enter(endpoint, UPDATING)


def updated(endpoint: Document) -> None:
    """Let the update of an endpoint be done: what was wanted is deployed."""
    endpoint["deployed"] = endpoint.pop("wanted")
    endpoint["ProductionVariants"] = endpoint.pop("wanted_variants")
    endpoint["EndpointConfigName"] = endpoint["deployed"]["config"]
    endpoint.pop("PendingDeploymentSummary", None)
    endpoint.pop("FailureReason", None)


def not_updated(endpoint: Document) -> None:
    """Let the update of an endpoint be given up."""
    for name in ("wanted", "wanted_variants", "PendingDeploymentSummary"):
        endpoint.pop(name, None)


def wish(endpoint: Document, wishes: Mapping[str, Mapping[str, Any]]) -> None:
    """Let variants have other numbers of instances and weights from now on; `wishes` by variant."""
    for variant in endpoint["ProductionVariants"]:
        variant.update(wishes.get(variant["VariantName"], {}))
    enter(endpoint, UPDATING)


def arrive(endpoint: Document, counts: Mapping[str, int]) -> None:
    """Note how many instances each variant has."""
    for variant in endpoint["ProductionVariants"]:
        variant["CurrentInstanceCount"] = counts.get(variant["VariantName"], 0)
        variant["CurrentWeight"] = variant[WEIGHT]


def enter(endpoint: Document, status: str, reason: str = "") -> None:
    """Let an endpoint be in a status from now on; with a reason if something failed."""
    endpoint["EndpointStatus"], endpoint["LastModifiedTime"] = status, time.time()
    if reason:
        endpoint["FailureReason"] = reason[:LONGEST_REASON]


def describe(endpoint: Document) -> Document:
    """What DescribeEndpoint answers."""
    told = dict(endpoint)
    if told["EndpointStatus"] in (CREATING, FAILED, DELETING):
        told.pop("ProductionVariants")
    return told


__all__ = [
    "COUNT", "MODEL", "WEIGHT", "arrive", "deployment", "describe", "enter", "new", "new_endpoint",
    "not_updated", "properties", "summaries", "update", "updated", "wish",
]  # fmt: skip
