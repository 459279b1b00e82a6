"""SageMaker's control plane for hosting: one method for each operation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.aws import listing
from local.aws.call import Call
from local.aws.errors import ServiceError, invalid
from local.aws.hosting import documents
from local.aws.hosting.hosting import Hosting
from local.aws.hosting.kinds import BUSY, CONFIG, DELETING, ENDPOINT, FAILED, MODEL, SETTLED
from local.aws.listing import Listing
from local.aws.settings import Settings
from local.aws.storage import Place, Storage
from local.aws.store import Document, Store

MODELS = Listing(MODEL, "Models", "CreationTime", backwards=True)
CONFIGS = Listing(CONFIG, "EndpointConfigs", "CreationTime", backwards=True)
ENDPOINTS = Listing(ENDPOINT, "Endpoints", "CreationTime", backwards=True)

Parameters = dict[str, Any]
Operation = Callable[[Parameters, Call], Document | None]


class HostingControl:
    """Answers the requests about hosting.

    Args:
        settings: of the server.
        stores: of models, configurations and endpoints.
        storage: S3, to see whether there are models.
        hosting: the endpoints.

    Attributes:
        operations: by their names.
        stores: as they were given.
    """

    def __init__(
        self, settings: Settings, stores: tuple[Store, Store, Store], storage: Storage, hosting: Hosting
    ) -> None:
        self._settings, self._storage, self._hosting = settings, storage, hosting
        self.stores = stores
        self._models, self._configs, self._endpoints = stores
        self.operations: dict[str, Operation] = {
            "CreateModel": self._create_model,
            "CreateEndpointConfig": self._create_config,
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._wish,
            "DeleteEndpoint": self._delete,
        }
        for store, plural in zip(stores, (MODELS, CONFIGS, ENDPOINTS), strict=True):
            prefix = store.kind.prefix
            self.operations.setdefault(f"Describe{prefix}", self._describer(store))
            self.operations.setdefault(f"Delete{prefix}", self._deleter(store))
            self.operations[f"List{prefix}s"] = _lister(store, plural)

    def _describer(self, store: Store) -> Operation:
        return lambda asked, call: _get(store, store.kind.name(asked), call)

    def _deleter(self, store: Store) -> Operation:
        def delete(asked: Parameters, call: Call) -> None:
            _get(store, store.kind.name(asked), call)
            store.delete(store.kind.name(asked))

        return delete

    def _create_model(self, asked: Parameters, call: Call) -> Document:
        _check_model(asked)
        container = asked["PrimaryContainer"]
        python = self._settings.python(container["Image"])
        if python is None or not Path(python).exists():
            raise invalid(
                f'Using non-ECR image "{container["Image"]}" without Vpc repository access mode is not '
                f"supported. (Here {python or 'no interpreter'} stands for it.)"
            )
        if not self._storage.list(Place.of(container["ModelDataUrl"])):
            raise invalid(f"Could not find model data at {container['ModelDataUrl']}.")
        model = documents.new(MODEL, asked, call.region)
        self._models.add(model, lambda _: None)
        return {"ModelArn": model["ModelArn"]}

    def _create_config(self, asked: Parameters, call: Call) -> Document:
        _check_config(asked)
        for variant in asked["ProductionVariants"]:
            _get(self._models, variant["ModelName"], call)
        config = documents.new(CONFIG, asked, call.region)
        self._configs.add(config, lambda _: None)
        return {"EndpointConfigArn": config["EndpointConfigArn"]}

    def _create(self, asked: Parameters, call: Call) -> Document:
        _check_deployment(asked)
        endpoint = documents.new_endpoint(asked, self._deployment(asked, call), call.region)
        self._endpoints.add(endpoint, lambda _: None)
        self._hosting.start(asked["EndpointName"])
        return {"EndpointArn": endpoint["EndpointArn"]}

    def _describe(self, asked: Parameters, call: Call) -> Document:
        return documents.describe(_get(self._endpoints, asked["EndpointName"], call))

    def _update(self, asked: Parameters, call: Call) -> Document:
        _check_deployment(asked)
        name = asked["EndpointName"]
        before = _get(self._endpoints, name, call)
        deployment = self._deployment(asked, call)
        self._check_scaled(before, deployment, call)
        excluded = [each["VariantPropertyType"] for each in asked.get("ExcludeRetainedVariantProperties", ())]

        def change(endpoint: Document) -> None:
            _check_settled(endpoint)
            kept = (
                documents.properties(endpoint, excluded) if asked.get("RetainAllVariantProperties") else None
            )
            config = asked.get("DeploymentConfig")
            if config is None and asked.get("RetainDeploymentConfig"):
                config = endpoint.get("LastDeploymentConfig")
            documents.update(endpoint, deployment, documents.summaries(deployment, kept), config)

        return self._changed(name, change)

    def _wish(self, asked: Parameters, call: Call) -> Document:
        name = asked["EndpointName"]
        _get(self._endpoints, name, call)
        wishes = {
            each["VariantName"]: {
                member: each[member] for member in (documents.COUNT, documents.WEIGHT) if member in each
            }
            for each in asked["DesiredWeightsAndCapacities"]
        }

        def change(endpoint: Document) -> None:
            _check_settled(endpoint)
            known = [variant["VariantName"] for variant in endpoint["ProductionVariants"]]
            if unknown := sorted(set(wishes) - set(known)):
                raise invalid(
                    f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint.'
                )
            documents.wish(endpoint, wishes)

        return self._changed(name, change)

    def _delete(self, asked: Parameters, call: Call) -> None:
        name = asked["EndpointName"]
        _get(self._endpoints, name, call)

        def change(endpoint: Document) -> None:
            if ENDPOINT.status(endpoint) in BUSY:
                raise _in_progress(endpoint)
            documents.enter(endpoint, DELETING)

        self._changed(name, change)

    def _changed(self, name: str, change: Callable[[Document], None]) -> Document:
        def both(endpoint: Document) -> str:
            change(endpoint)
            return str(endpoint["EndpointArn"])

        arn = self._endpoints.change(name, both)
        self._hosting.wake(name)
        return {"EndpointArn": arn}

    def _deployment(self, asked: Parameters, call: Call) -> Document:
        config = _get(self._configs, asked["EndpointConfigName"], call)
        names = {variant["ModelName"] for variant in config["ProductionVariants"]}
        return documents.deployment(config, {name: _get(self._models, name, call) for name in names})

    def _check_scaled(self, endpoint: Document, deployment: Document, call: Call) -> None:
        """A variant that is scaled keeps its instance type: it has to be deregistered first."""
        types = {each["VariantName"]: each["InstanceType"] for each in deployment["variants"]}
        for variant in endpoint["deployed"]["variants"]:
            name = variant["VariantName"]
            is_target = self._hosting.scaling.is_target(call.region, endpoint["EndpointName"], name)
            if is_target and types.get(name) != variant["InstanceType"]:
                raise invalid(
                    f"The instance type of variant {name} cannot be changed while it is a scalable target of "
                    "Application Auto Scaling. Deregister it first."
                )


def _get(store: Store, name: str, call: Call) -> Document:
    found = store.find(name)
    if found is None:
        raise store.kind.missing(name, call.region)
    return found


def _lister(store: Store, plural: Listing) -> Operation:
    return lambda asked, call: listing.page(store.all(), asked, plural)


def _check_model(asked: Parameters) -> None:
    container = asked.get("PrimaryContainer", {})
    if container.get("Mode") != "MultiModel" or "Image" not in container:
        raise invalid("The stand-in hosts models with a PrimaryContainer of mode MultiModel and an Image.")
    environment = container.get("Environment", {})
    for name in ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"):
        if name not in environment:
            raise invalid(
                f"The stand-in runs script mode alone: the Environment of the container needs {name}."
            )
    if "ExecutionRoleArn" not in asked or not container.get("ModelDataUrl", "").startswith("s3://"):
        raise invalid("The stand-in needs ExecutionRoleArn, and a prefix of S3 as ModelDataUrl.")


def _check_config(asked: Parameters) -> None:
    names = [variant["VariantName"] for variant in asked["ProductionVariants"]]
    if len(set(names)) < len(names):
        raise invalid("Variant names must be unique within an endpoint configuration.")
    for variant in asked["ProductionVariants"]:
        if absent := [
            name for name in ("ModelName", "InstanceType", "InitialInstanceCount") if name not in variant
        ]:
            raise invalid(f"The stand-in needs {absent[0]} of variant {variant['VariantName']}.")


def _check_deployment(asked: Parameters) -> None:
    config = asked.get("DeploymentConfig", {})
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if "RollingUpdatePolicy" in config or routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE":
        raise invalid("The stand-in shifts traffic ALL_AT_ONCE.")


def _check_settled(endpoint: Document) -> None:
    if ENDPOINT.status(endpoint) == FAILED:
        raise invalid(f'Endpoint "{endpoint["EndpointArn"]}" has failed; it can only be deleted.')
    if ENDPOINT.status(endpoint) not in SETTLED:
        raise _in_progress(endpoint)


def _in_progress(endpoint: Document) -> ServiceError:
    return invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
