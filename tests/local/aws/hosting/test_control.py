"""Models, configurations and endpoints: how they are refused, listed, tagged and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hosting import PREFIX, create_config, create_model, deploy, put_model
from tests.local.aws.test_control import refused
from tests.sagemaker import IMAGE, ROLE, Aws

ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bqx/code/x"}
INVALID = "ValidationException"


def test_what_nobody_knows_is_not_found(aws: Aws) -> None:
    sagemaker = aws.sagemaker
    for what, member, kind in (
        ("model", "ModelName", "model"),
        ("endpoint_config", "EndpointConfigName", "endpoint configuration"),
        ("endpoint", "EndpointName", "endpoint"),
    ):
        message = f'Could not find {kind} "{ARN}{what.replace("_", "-")}/none".'
        for verb in ("describe", "delete"):
            assert refused(getattr(sagemaker, f"{verb}_{what}"), **{member: "none"}) == (INVALID, message)
    message = f'Could not find endpoint configuration "{ARN}endpoint-config/none".'
    create = sagemaker.create_endpoint
    assert refused(create, EndpointName="bqx", EndpointConfigName="none") == (INVALID, message)
    variant = {"VariantName": "all", "ModelName": "none", "InstanceType": "ml.m5.xlarge"}
    variant["InitialInstanceCount"] = 1  # type: ignore[assignment]
    config = {"EndpointConfigName": "config", "ProductionVariants": [variant]}
    message = f'Could not find model "{ARN}model/none".'
    assert refused(sagemaker.create_endpoint_config, **config) == (INVALID, message)


def test_a_name_is_taken_once(aws: Aws) -> None:
    deploy(aws)
    create = aws.sagemaker.create_endpoint
    message = f'Cannot create already existing endpoint "{ARN}endpoint/bqx".'
    assert refused(create, EndpointName="bqx", EndpointConfigName="bqx-config") == (INVALID, message)
    with pytest.raises(Exception, match='Cannot create already existing model "arn'):
        create_model(aws, "bqx-model")
    with pytest.raises(Exception, match='Cannot create already existing endpoint configuration "arn'):
        create_config(aws, "bqx-config", "bqx-model")


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({"Mode": "SingleModel"}, "mode MultiModel"),
        ({"Environment": {}}, "needs SAGEMAKER_PROGRAM"),
        ({"ModelDataUrl": "https://elsewhere/"}, "a prefix of S3"),
        ({"ModelDataUrl": "s3://bqx/none/"}, "Could not find model data at s3://bqx/none/."),
        ({"Image": "other:1"}, 'Using non-ECR image "other:1"'),
        ({"Mode": "Other"}, "failed to satisfy constraint"),
    ],
)
def test_a_model_that_cannot_be_hosted_is_refused(aws: Aws, container: dict[str, Any], told: str) -> None:
    put_model(aws, "a.tar.gz")
    known = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": PREFIX, "Environment": ENVIRONMENT}
    asked = {"ModelName": "model", "ExecutionRoleArn": ROLE, "PrimaryContainer": known | container}
    code, message = refused(aws.sagemaker.create_model, **asked)
    assert (code, told in message) == (INVALID, True), message


def test_traffic_is_shifted_at_once_or_not_at_all(aws: Aws) -> None:
    deploy(aws)
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": 60,
               "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}}  # fmt: skip
    code, message = refused(
        aws.sagemaker.update_endpoint, EndpointName="bqx", EndpointConfigName="bqx-config",
        DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
    )  # fmt: skip
    assert (code, message) == (INVALID, "The stand-in shifts traffic ALL_AT_ONCE.")


def test_everything_is_listed_described_tagged_and_deleted(aws: Aws) -> None:
    deploy(aws)
    sagemaker = aws.sagemaker
    (model,) = sagemaker.list_models(NameContains="bqx")["Models"]
    (config,) = sagemaker.list_endpoint_configs(SortBy="Name")["EndpointConfigs"]
    (endpoint,) = sagemaker.list_endpoints(StatusEquals="InService", SortBy="Status")["Endpoints"]
    assert sagemaker.list_endpoints(StatusEquals="Failed")["Endpoints"] == []
    assert set(model) == {"ModelName", "ModelArn", "CreationTime"}
    assert set(config) == {"EndpointConfigName", "EndpointConfigArn", "CreationTime"}
    assert endpoint["EndpointStatus"] == "InService"
    assert sagemaker.describe_model(ModelName="bqx-model")["PrimaryContainer"]["ModelDataUrl"] == PREFIX
    told = sagemaker.describe_endpoint_config(EndpointConfigName="bqx-config")
    assert told["ProductionVariants"][0]["InstanceType"] == "ml.m5.xlarge"
    for arn in (model["ModelArn"], config["EndpointConfigArn"], endpoint["EndpointArn"]):
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "bqx:hash", "Value": "1"}])
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "bqx:hash", "Value": "1"}]
    create_config(aws, "later", "bqx-model")
    names = [each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
    assert names == ["later", "bqx-config"]  # the newest first, as at AWS
    sagemaker.delete_endpoint_config(EndpointConfigName="bqx-config")
    sagemaker.delete_model(ModelName="bqx-model")
    assert sagemaker.list_models()["Models"] == []
    runtime = aws.client("sagemaker-runtime")
    asked = {
        "EndpointName": "bqx",
        "TargetModel": "a.tar.gz",
        "Body": b"{}",
        "ContentType": "application/json",
    }
    assert runtime.invoke_endpoint(**asked)["Body"].read()  # what it runs is not taken away
    runtime.close()
