"""Model packages: what may be deployed, in SageMaker's registry, with its lineage.

Every pair has a group of packages, and every decision record is one package of it, however often it is
registered. SageMaker recognises a ClientToken for some time only, so a package is first looked for by the
decision that its description names: a list tells descriptions, but no metadata.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from include.dataset.export import open_manifest
from include.errors import RegistryRefused
from include.objects import ObjectStore
from include.training.choice.record import read
from include.training.requests import DATASETS

__all__ = ["GROUPS", "register"]

log = logging.getLogger(__name__)

GROUPS = "bqx-"  # and the pair: name of a group
TYPES = ["application/json"]
APPROVED, REJECTED = "Approved", "Rejected"
_PAGE = 100  # the most that a list gives at once
_OF_ARCHIVE = ("weight", "job", "sha256", "code_hash")
_METADATA = re.compile(r"[\w .:/=+@-]{1,256}")  # what SageMaker takes as a value

Plain = Mapping[str, Any]


def register(
    bucket: ObjectStore, client: Any, image_of: Callable[[str], str], choice: Plain
) -> dict[str, Any]:
    """Let the registry hold exactly one package for every decision of a run.

    Args:
        bucket: the whole bucket.
        client: boto3 client of SageMaker.
        image_of: address of the image of a model.
        choice: what the task `choose` returned; ``records`` has the key of each pair's decision record. A
            decision without an archive has nothing to register.

    Returns:
        ``packages``, the ARN of the package by pair; ``created``, how many are new; ``summary``, a sentence.

    Raises:
        RegistryRefused: SageMaker does not take one; says which.
        QualityError: a record is gone or was changed.
        MissingInput: the data set that it names is gone.
    """
    manifest = cache(lambda dataset_id: open_manifest(bucket._replace(prefix=DATASETS), dataset_id))
    records = {key: read(bucket, key).content for key in choice["records"].values()}
    wanted = {key: record for key, record in records.items() if record["archives"]}
    packages: dict[str, str] = {}
    created = 0
    for key, record in wanted.items():
        lineage = {"catalogue_hash": manifest(record["dataset_id"]).catalogue_hash}
        request = _request(bucket, key, record, image_of, lineage)
        try:
            _ensure_group(client, request["ModelPackageGroupName"], record["pair"])
            arn = _find(client, request)
            created += arn is None
            packages[record["pair"]] = arn or client.create_model_package(**request)["ModelPackageArn"]
        except client.exceptions.ClientError as error:
            raise RegistryRefused(
                f"The model registry does not take decision {bucket.uri(key)}: {error} Correct that, then "
                f"clear this task; {len(packages)} of {len(wanted)} decisions are registered already."
            ) from error
    summary = f"{len(packages)} decisions are in the model registry, {created} of them are new."
    log.info(summary)
    return {"packages": packages, "created": created, "summary": summary}


def _ensure_group(client: Any, name: str, pair: str) -> None:
    try:
        client.create_model_package_group(
            ModelPackageGroupName=name,
            ModelPackageGroupDescription=f"BQX models of {pair}, one package for each decision",
        )
    except client.exceptions.ClientError as error:
        if "already exists" not in str(error):
            raise


def _find(client: Any, request: Plain) -> str | None:
    """The package of the same decision."""
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=request["ModelPackageGroupName"],
        SortOrder="Descending",
        PaginationConfig={"PageSize": _PAGE},
    )
    for page in pages:
        for package in page["ModelPackageSummaryList"]:
            if package.get("ModelPackageDescription") == request["ModelPackageDescription"]:
                return str(package["ModelPackageArn"])
    return None


def _request(
    bucket: ObjectStore, key: str, record: Plain, image_of: Callable[[str], str], lineage: dict[str, str]
) -> dict[str, Any]:
    """The request for the package of a decision. Of an ensemble, the model of most weight comes first."""
    first, *others = sorted(record["archives"], key=lambda archive: (-archive["weight"], archive["model"]))
    digest = key.rpartition("/")[2].removesuffix(".json")
    request: dict[str, Any] = {
        "ModelPackageGroupName": f"{GROUPS}{record['pair']}",
        "ModelPackageDescription": f"Decision {key}",
        "ClientToken": f"{record['pair']}-{digest}",
        "InferenceSpecification": _specification(bucket, first, image_of),
        "ModelApprovalStatus": APPROVED if record["deployable"] else REJECTED,
        "CustomerMetadataProperties": {"decision": key} | _metadata(record) | lineage,
    }
    if others:
        request["AdditionalInferenceSpecifications"] = [
            {"Name": archive["model"].replace("_", "-")} | _specification(bucket, archive, image_of)
            for archive in others
        ]
    return request


def _specification(bucket: ObjectStore, archive: Plain, image_of: Callable[[str], str]) -> dict[str, Any]:
    container = {"Image": image_of(archive["model"]), "ModelDataUrl": bucket.uri(archive["key"])}
    return {
        "Containers": [container],
        "SupportedContentTypes": TYPES,
        "SupportedResponseMIMETypes": TYPES,
    }


def _metadata(record: Plain) -> dict[str, str]:
    """The texts of the record that SageMaker takes, hashes among them, and what is known of each archive."""
    texts = {name: value for name, value in record.items() if isinstance(value, str)}
    for archive in record["archives"]:
        texts |= {
            f"{archive['model']}.{name}": str(archive[name])
            for name in _OF_ARCHIVE
            if archive.get(name) is not None
        }
    return {name: value for name, value in texts.items() if _METADATA.fullmatch(value)}
