"""Decisions become model packages of the embedded AWS, each of them once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from include.dataset.export import open_manifest
from include.errors import RegistryRefused
from include.objects import ObjectStore
from include.pairs import PAIRS
from include.training.registry import register
from local.aws import packages
from tests.include.training.worlds import make_dataset
from tests.sagemaker import BUCKET, Aws, served


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with served(tmp_path_factory.mktemp("aws")) as it:
        make_dataset(ObjectStore(it.s3, BUCKET, "datasets"), days=9, dataset_id="registered")
        yield it


@pytest.fixture
def bucket(aws: Aws) -> ObjectStore:
    return ObjectStore(aws.s3, BUCKET, "")


def archive(pair: str, model: str, weight: float = 1.0) -> dict[str, Any]:
    key = f"training/{'c' * 16}/bqx-{pair}-{model}/output/model.tar.gz"
    return {"model": model, "weight": weight, "job": f"bqx-{pair}-{model}", "key": key, "sha256": "5" * 64}


def decision(pair: str, number: int = 1, **more: Any) -> tuple[str, dict[str, Any]]:
    """Key and content of a decision record."""
    record = {
        "pair": pair,
        "dataset_id": "registered",
        "content_hash": "c" * 64,
        "chosen": "xgboost",
        "archives": [archive(pair, "xgboost")],
        "deployable": True,
        "rule": "simpler wins",
        "rationale": [f"The forest is not better (0.41, 0.40). Number {number}."],
    } | more
    return f"decisions/{pair}/{hashlib.sha256(body_of(record)).hexdigest()[:16]}.json", record


def body_of(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def registered(aws: Aws, bucket: ObjectStore, *decisions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Write the records, as the task `choose` does, and register them."""
    for key, record in decisions:
        bucket.put(key, body_of(record))
    choice = {"records": {record["pair"]: key for key, record in decisions}}
    return register(
        bucket, aws.sagemaker, lambda model: "networks:1" if model == "tft" else "trees:1", choice
    )


def of_group(aws: Aws, pair: str) -> list[dict[str, Any]]:
    """The packages of a pair, oldest first, as they are described."""
    listed = aws.sagemaker.list_model_packages(ModelPackageGroupName=f"bqx-{pair}", MaxResults=100)
    arns = [one["ModelPackageArn"] for one in listed["ModelPackageSummaryList"]]
    return [aws.sagemaker.describe_model_package(ModelPackageName=arn) for arn in arns]


def test_a_decision_is_a_package_with_its_lineage(aws: Aws, bucket: ObjectStore) -> None:
    key, record = decision("eurusd")
    told = registered(aws, bucket, (key, record))
    (package,) = of_group(aws, "eurusd")
    assert told["packages"] == {"eurusd": package["ModelPackageArn"]}
    assert told["summary"] == "1 decisions are in the model registry, 1 of them are new."
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["InferenceSpecification"] == {
        "Containers": [{"Image": "trees:1", "ModelDataUrl": bucket.uri(record["archives"][0]["key"])}],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    manifest = open_manifest(bucket._replace(prefix="datasets"), "registered")
    assert package["CustomerMetadataProperties"] == {
        "decision": key,
        "pair": "eurusd",
        "dataset_id": "registered",
        "content_hash": "c" * 64,
        "catalogue_hash": manifest.catalogue_hash,
        "chosen": "xgboost",
        "rule": "simpler wins",
        "xgboost.weight": "1.0",
        "xgboost.job": "bqx-eurusd-xgboost",
        "xgboost.sha256": "5" * 64,
    }


def test_a_decision_is_registered_once_also_when_its_token_is_forgotten(
    aws: Aws, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions = (decision("gbpusd"), decision("usdjpy"))
    first = registered(aws, bucket, *decisions)
    again = registered(aws, bucket, *decisions)
    monkeypatch.setattr(packages, "REMEMBERED", 0.0)
    later = registered(aws, bucket, *decisions)
    assert first["packages"] == again["packages"] == later["packages"]
    assert (first["created"], again["created"], later["created"]) == (2, 0, 0)
    aws.sagemaker.update_model_package(
        ModelPackageArn=first["packages"]["gbpusd"], ModelApprovalStatus="Rejected"
    )
    assert registered(aws, bucket, *decisions)["created"] == 0, "a person's word stays"
    assert of_group(aws, "gbpusd")[0]["ModelApprovalStatus"] == "Rejected"
    registered(aws, bucket, decision("gbpusd", 2, deployable=False))
    assert [each["ModelApprovalStatus"] for each in of_group(aws, "gbpusd")] == ["Rejected", "Rejected"]
    assert registered(aws, bucket, *decisions)["packages"] == first["packages"]


def test_the_answer_of_a_creation_is_lost(aws: Aws, bucket: ObjectStore) -> None:
    decisions = (decision("audusd"),)
    aws.trouble.add("sagemaker", "CreateModelPackage", status=500, times=1, applied=True)
    with pytest.raises(RegistryRefused, match=r"decision s3://bqx/decisions/audusd/.*clear this task"):
        registered(aws, bucket, *decisions)
    assert registered(aws, bucket, *decisions)["created"] == 0
    assert len(of_group(aws, "audusd")) == 1


def test_an_ensemble_has_all_its_archives(aws: Aws, bucket: ObjectStore) -> None:
    weights = {"random_forest": 0.25, "xgboost": 0.4, "tft": 0.35}
    members = [archive("eurjpy", model, weight) for model, weight in weights.items()]
    registered(aws, bucket, decision("eurjpy", chosen="ensemble", archives=members))
    (package,) = of_group(aws, "eurjpy")
    others = package["AdditionalInferenceSpecifications"]
    told = [package["InferenceSpecification"], *others]
    assert [each["Containers"][0]["ModelDataUrl"].split("-")[-1] for each in told] == [
        f"{model}/output/model.tar.gz" for model in ("xgboost", "tft", "random_forest")
    ]
    assert [each["Containers"][0]["Image"] for each in told] == ["trees:1", "networks:1", "trees:1"]
    assert [each["Name"] for each in others] == ["tft", "random-forest"]
    assert package["CustomerMetadataProperties"]["tft.weight"] == "0.35"


def test_every_pair_has_a_group_and_what_has_no_archive_is_left_out(aws: Aws, bucket: ObjectStore) -> None:
    nothing = {"archives": [], "chosen": None, "deployable": False}
    told = registered(
        aws, bucket, *(decision(pair, 7, **(nothing if pair == "eurgbp" else {})) for pair in PAIRS)
    )
    assert told["created"] == len(PAIRS) - 1
    pages = aws.sagemaker.get_paginator("list_model_package_groups").paginate(NameContains="bqx-")
    names = [one["ModelPackageGroupName"] for page in pages for one in page["ModelPackageGroupSummaryList"]]
    assert sorted(names) == sorted(f"bqx-{pair}" for pair in PAIRS if pair != "eurgbp")


def test_it_is_found_among_many(aws: Aws, bucket: ObjectStore) -> None:
    for number in range(103):
        registered(aws, bucket, decision("nzdusd", 100 + number))
    assert registered(aws, bucket, decision("nzdusd", 100))["created"] == 0
