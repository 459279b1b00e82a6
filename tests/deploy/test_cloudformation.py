"""The templates of what the DAGs do not make: no right is wider than its reason. `make check` lints them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from include.serving.api import handler, settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "cloudformation"
# Operations that know no resource, by what AWS says of them; each is in a statement of its own kind.
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData", "ecr:GetAuthorizationToken", "sagemaker:ListModels",
    "sagemaker:ListEndpointConfigs", "sagemaker:ListEndpoints", "sagemaker:ListTrainingJobs",
    "application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:DescribeScalingActivities", "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
    "cloudwatch:ListDashboards", "ce:GetCostAndUsage", "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}  # fmt: skip
SERVICES = ("sagemaker", "sagemaker-runtime", "application-autoscaling", "cloudwatch", "ce", "rds", "ses")
PREFIX = {"sagemaker-runtime": "sagemaker"}
# Methods of other things that are called like operations of AWS.
OURS = {"search"}


class Loader(yaml.SafeLoader):
    """Reads the short forms of intrinsic functions as ``{"!Ref": value}``."""


def intrinsic(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    raise AssertionError(node)


Loader.add_multi_constructor("!", intrinsic)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """Those of all templates."""
    base, api = (loaded(name)["Resources"] for name in ("bqx", "api"))
    assert not base.keys() & api.keys()
    return base | api


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((FOLDER / f"{name}.yaml").read_text(), Loader)
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(resources: dict[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    """Every statement that allows something, of some resources or of all."""
    for name in names or resources:
        properties = resources[name].get("Properties", {})
        documents = [
            properties.get("PolicyDocument"),
            *(one["PolicyDocument"] for one in properties.get("Policies", ())),
        ]
        for document in filter(None, documents):
            yield from (one for one in document["Statement"] if one["Effect"] == "Allow")


def test_no_action_is_a_pattern_and_no_resource_is_everything_without_need(resources: dict[str, Any]) -> None:
    actions = [action for one in statements(resources) for action in listed(one["Action"])]
    assert [action for action in actions if "*" in action] == []
    wide = [one for one in statements(resources) if "*" in listed(one["Resource"])]
    assert wide
    assert {action for one in wide for action in listed(one["Action"])} <= WITHOUT_RESOURCE


def test_roles_can_be_handed_to_sagemaker_alone(resources: dict[str, Any]) -> None:
    (handed,) = (one for one in statements(resources) if "iam:PassRole" in listed(one["Action"]))
    assert handed["Resource"] == {"!GetAtt": "SageMakerRole.Arn"}
    assert handed["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def called() -> set[str]:
    """Operations of AWS that the product calls by name, as actions of IAM."""
    words = set()
    for folder in ("include/alerts", "include/monitoring", "include/serving", "include/training", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    words.add(node.attr)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    words.add(node.value)  # of paginators and waiters
    found = set()
    for service in SERVICES:
        client = boto3.client(
            service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        names = client.meta.method_to_api_mapping
        client.close()
        found |= {f"{PREFIX.get(service, service)}:{names[word]}" for word in words & names.keys() - OURS}
    return found


def test_the_workers_may_do_what_the_product_calls(resources: dict[str, Any]) -> None:
    allowed = {action for one in statements(resources, "AirflowPolicy") for action in listed(one["Action"])}
    needed = called()
    assert {"sagemaker:CreateModelPackage", "sagemaker:InvokeEndpoint", "rds:CreateDBSnapshot"} <= needed
    assert "cloudwatch:PutMetricData" in needed
    assert {"cloudwatch:DescribeAlarms", "ses:SendRawEmail"} <= needed
    assert "sns:Publish" in allowed, "SNS and SageMaker have an operation of the same name"
    assert needed - allowed == set()


def test_the_api_may_read_the_table_and_ask_the_endpoint_and_nothing_else(resources: dict[str, Any]) -> None:
    allowed = {action for one in statements(resources, "ApiRole") for action in listed(one["Action"])}
    assert {action for action in allowed if not action.startswith(("ec2:", "logs:"))} == {
        "sagemaker:InvokeEndpoint", "s3:GetObject", "s3:ListBucket", "secretsmanager:GetSecretValue",
    }  # fmt: skip
    (read,) = (one for one in statements(resources, "ApiRole") if one["Action"] == "s3:GetObject")
    assert read["Resource"] == {"!Sub": "arn:${AWS::Partition}:s3:::${BucketName}/serving/routing.json"}


def test_every_path_of_the_handler_has_a_route_that_asks_for_a_signature(resources: dict[str, Any]) -> None:
    routes = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGatewayV2::Route"]
    assert {route["AuthorizationType"] for route in routes} == {"AWS_IAM"}
    assert {route["RouteKey"] for route in routes} == {
        f"{method} {path}" for path, method in handler.METHODS.items()
    }


def test_the_function_is_told_what_the_settings_ask_for(resources: dict[str, Any]) -> None:
    told = resources["ApiFunction"]["Properties"]["Environment"]["Variables"]
    known = {name: value if isinstance(value, str) else "x" for name, value in told.items()}
    assert settings.read(known, lambda name: "postgresql://u:p@h/d").as_of == "now"
    stage = resources["ApiStage"]["Properties"]["DefaultRouteSettings"]
    assert stage["ThrottlingRateLimit"] == {"!Ref": "RequestsPerSecond"}
    parameters = loaded("api")["Parameters"]
    assert parameters["RequestsPerSecond"]["Default"] == settings.RATE
    assert parameters["EndpointName"]["Default"] == settings.ENDPOINT


def test_the_bucket_is_private_and_outlives_the_stack(resources: dict[str, Any]) -> None:
    bucket = resources["Bucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
