"""The model registry: versions, tokens, approval, lists, refusals; it survives a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import packages
from tests.sagemaker import BUCKET, IMAGE, Aws, served

GROUP = "bqx-eurusd"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"
ABSENT = f"{ARN}:model-package/{GROUP}/7"


@pytest.fixture
def registry(aws: Aws) -> Any:
    """A client, and one group."""
    aws.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    return aws.sagemaker


def asked(**more: Any) -> dict[str, Any]:
    """A request for a package."""
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/training/a/output/model.tar.gz"}],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    return {"ModelPackageGroupName": GROUP, "InferenceSpecification": specification} | more


def create(registry: Any, **more: Any) -> str:
    return str(registry.create_model_package(**asked(**more))["ModelPackageArn"])


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_group_is_made_once_and_described(registry: Any) -> None:
    told = registry.describe_model_package_group(ModelPackageGroupName=GROUP)
    assert told["ModelPackageGroupArn"] == f"{ARN}:model-package-group/{GROUP}"
    assert told["ModelPackageGroupStatus"] == "Completed"
    by_arn = registry.describe_model_package_group(ModelPackageGroupName=told["ModelPackageGroupArn"])
    assert by_arn["CreationTime"] == told["CreationTime"]
    again = refused(registry.create_model_package_group, ModelPackageGroupName=GROUP)
    assert again == (
        "ValidationException",
        f"Model Package Group already exists: {told['ModelPackageGroupArn']}",
    )
    unknown = refused(registry.describe_model_package_group, ModelPackageGroupName="none")
    assert unknown[1] == f"ModelPackageGroup {ARN}:model-package-group/none does not exist."


def test_packages_are_versions_of_their_group(registry: Any) -> None:
    lineage = {"decision": "decisions/eurusd/0123456789abcdef.json"}
    first = create(registry, CustomerMetadataProperties=lineage, ModelApprovalStatus="Approved")
    second = create(registry, ModelPackageDescription="second")
    assert (first, second) == (f"{ARN}:model-package/{GROUP}/1", f"{ARN}:model-package/{GROUP}/2")
    told = registry.describe_model_package(ModelPackageName=first)
    assert told["CustomerMetadataProperties"] == lineage
    assert (told["ModelPackageVersion"], told["ModelApprovalStatus"]) == (1, "Approved")
    assert told["InferenceSpecification"] == asked()["InferenceSpecification"]
    assert told["ModelPackageStatus"] == "Completed"
    assert registry.describe_model_package(ModelPackageName=second)["ModelApprovalStatus"] == packages.PENDING
    registry.delete_model_package(ModelPackageName=second)
    assert refused(registry.describe_model_package, ModelPackageName=second)[1].endswith("does not exist.")
    assert create(registry).endswith("/3"), "a number is never used again"


def test_a_token_makes_one_package(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = create(registry, ClientToken="eurusd-1")
    assert create(registry, ClientToken="eurusd-1") == first
    code, message = refused(registry.create_model_package, **asked(ClientToken="eurusd-1", Domain="OTHER"))
    assert code == "ConflictException"
    assert "eurusd-1" in message
    monkeypatch.setattr(packages, "REMEMBERED", 0.0)
    assert create(registry, ClientToken="eurusd-1") != first, "SageMaker forgets a token"


def test_many_at_once_have_numbers_of_their_own(registry: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(lambda _: create(registry), range(16)))
    assert sorted(int(arn.rpartition("/")[2]) for arn in arns) == list(range(1, 17))


def test_approval_and_metadata_are_changed(registry: Any) -> None:
    arn = create(registry, CustomerMetadataProperties={"a": "1", "b": "2"})
    told = registry.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Rejected",
        ApprovalDescription="a better one is there",
        CustomerMetadataProperties={"b": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    assert told["ModelPackageArn"] == arn
    package = registry.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Rejected"
    assert package["ApprovalDescription"] == "a better one is there"
    assert package["CustomerMetadataProperties"] == {"b": "3"}
    assert package["LastModifiedTime"] >= package["CreationTime"]


def test_packages_are_listed_by_group_approval_and_time(registry: Any) -> None:
    def versions(**filters: Any) -> list[int]:
        pages = registry.get_paginator("list_model_packages").paginate(
            **({"ModelPackageGroupName": GROUP} | filters), PaginationConfig={"PageSize": 5}
        )
        return [one["ModelPackageVersion"] for page in pages for one in page["ModelPackageSummaryList"]]

    registry.create_model_package_group(ModelPackageGroupName="bqx-gbpusd")
    create(registry, ModelPackageGroupName="bqx-gbpusd")
    for number in range(12):
        create(registry, ModelApprovalStatus="Approved" if number % 3 == 0 else "Rejected")
    assert versions() == list(range(1, 13))
    assert versions(SortBy="Name", SortOrder="Descending") == list(range(12, 0, -1))
    assert versions(ModelApprovalStatus="Approved") == [1, 4, 7, 10]
    assert versions(CreationTimeAfter=datetime.now(UTC) + timedelta(days=1)) == []
    assert len(versions(ModelPackageGroupName="bqx-gbpusd")) == 1
    assert registry.list_model_packages()["ModelPackageSummaryList"] == [], "those without a group only"
    whole = registry.list_model_packages(ModelPackageType="Versioned", MaxResults=100)
    assert len(whole["ModelPackageSummaryList"]) == 13
    first = registry.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"][0]
    assert "ModelPackageName" not in first, "as SageMaker does for a version"
    groups = registry.list_model_package_groups(NameContains="USD", SortBy="Name")
    assert [one["ModelPackageGroupName"] for one in groups["ModelPackageGroupSummaryList"]] == [
        GROUP,
        "bqx-gbpusd",
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"ModelPackageName": "one"}, "Both ModelPackageName and ModelPackageGroupName are provided"),
        ({"ModelPackageGroupName": "none"}, "model-package-group/none does not exist."),
        ({"InferenceSpecification": {"Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://bqx/a.zip"}]}},
         "ModelDataUrl s3://bqx/a.zip is no s3://bucket/key.tar.gz."),
        ({"ClientToken": "x" * 37}, "at 'clientToken' failed to satisfy constraint"),
        ({"ModelApprovalStatus": "Perhaps"}, "at 'modelApprovalStatus' failed to satisfy constraint"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_refused(registry: Any, more: dict[str, Any], told: str) -> None:
    code, message = refused(registry.create_model_package, **asked(**more))
    assert (code, told in message) == ("ValidationException", True), message
    assert registry.list_model_packages(ModelPackageType="Both")["ModelPackageSummaryList"] == []


def test_packages_that_nobody_knows(registry: Any) -> None:
    for operation, named in (
        ("describe_model_package", "ModelPackageName"),
        ("delete_model_package", "ModelPackageName"),
        ("update_model_package", "ModelPackageArn"),
    ):
        told = refused(getattr(registry, operation), **{named: ABSENT})
        assert told == ("ValidationException", f"ModelPackage {ABSENT} does not exist.")
    assert refused(registry.list_model_packages, ModelPackageGroupName="none")[0] == "ValidationException"
    assert refused(registry.list_model_packages, NextToken="none")[1] == "Invalid NextToken"
    token = asked() | {"ModelPackageName": "alone"}
    del token["ModelPackageGroupName"]
    assert "of groups only" in refused(registry.create_model_package, **token)[1]


def test_the_registry_survives_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as aws:
        aws.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
        arn = create(aws.sagemaker, ClientToken="eurusd-1")
        before = aws.sagemaker.describe_model_package(ModelPackageName=arn)
    with served(tmp_path) as aws:
        after = aws.sagemaker.describe_model_package(ModelPackageName=arn)
        assert {name: after[name] for name in before if name != "ResponseMetadata"} == {
            name: value for name, value in before.items() if name != "ResponseMetadata"
        }
        assert create(aws.sagemaker, ClientToken="eurusd-1") == arn
        assert create(aws.sagemaker).endswith("/2")
