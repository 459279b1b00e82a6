"""Endpoints of the embedded AWS for tests, with a script that is there at once and does what it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, packed, wait_for

PREFIX = f"s3://{BUCKET}/models/"
VARIANT = "all"
# Answers with the text of its model; a request tells it what else to do.
SCRIPT = """
import json, os, time
from pathlib import Path

def model_fn(folder):
    text = (Path(folder) / "model.txt").read_text().strip()
    if text == "broken":
        raise RuntimeError(json.dumps({"error": "corrupt_archive", "message": "broken"}))
    return text

def transform_fn(model, body, content_type, accept, context):
    asked = json.loads(body)
    time.sleep(asked.get("sleep", 0))
    if asked.get("die"):
        os._exit(1)
    if "status" in asked:
        context.set_response_status(code=asked["status"], phrase="told")
    return json.dumps({"model": model, "pid": os.getpid(), "accept": accept}), "application/json"
"""


def put_model(aws: Aws, target: str, text: str = "", size: int = 0) -> str:
    """Write an archive whose model answers with a text; `size` in bytes, at least that of the text."""
    told = text or target
    aws.put(f"models/{target}", packed({"model.txt": told + " " * max(size - len(told), 0)}))
    return target


def create_model(
    aws: Aws, name: str, code: str = "code/host.tar.gz", script: str = SCRIPT, **more: Any
) -> str:
    """A multi-model container with a script; `more` replaces members of the container."""
    aws.put(code, packed({"inference.py": script}))
    container = {
        "Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": PREFIX,
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{BUCKET}/{code}",
        },
    } | more  # fmt: skip
    told = aws.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return str(told["ModelArn"])


def create_config(aws: Aws, name: str, model: str, count: int = 1, **more: Any) -> str:
    """A configuration with one variant; `more` is added to the variant."""
    variant = {
        "VariantName": VARIANT, "ModelName": model, "InstanceType": "ml.m5.xlarge",
        "InitialInstanceCount": count,
    } | more  # fmt: skip
    told = aws.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    return str(told["EndpointConfigArn"])


def deploy(aws: Aws, name: str = "bqx", count: int = 1, **more: Any) -> None:
    """An endpoint with the script that answers, and a model ``a.tar.gz``; `more` as of `create_model`."""
    put_model(aws, "a.tar.gz")
    create_model(aws, f"{name}-model", **more)
    create_config(aws, f"{name}-config", f"{name}-model", count)
    aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")
    wait(aws, name, "InService")


def describe(aws: Aws, name: str = "bqx") -> dict[str, Any]:
    """What DescribeEndpoint says."""
    return dict(aws.sagemaker.describe_endpoint(EndpointName=name))


def wait(aws: Aws, name: str, *states: str) -> dict[str, Any]:
    """Wait until an endpoint is in one of some states."""
    told: dict[str, Any] = {}

    def there() -> bool:
        told.clear()
        told.update(describe(aws, name))
        return told["EndpointStatus"] in states

    wait_for(there, lambda: f"{name} is {told}")
    return told


def wait_gone(aws: Aws, name: str) -> None:
    """Wait until an endpoint is deleted."""

    def gone() -> bool:
        try:
            describe(aws, name)
        except ClientError as error:
            return "Could not find endpoint" in str(error)
        return False

    wait_for(gone)


def count_of(told: Mapping[str, Any]) -> tuple[int, int]:
    """Instances that the only variant has, and those that are wished for."""
    (variant,) = told["ProductionVariants"]
    return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


class Runtime:
    """A client that asks models.

    Args:
        aws: whose.
        name: of the endpoint.
    """

    def __init__(self, aws: Aws, name: str = "bqx") -> None:
        self._client, self._name = aws.client("sagemaker-runtime"), name

    def raw(self, target: str = "a.tar.gz", body: bytes | None = None, **asked: Any) -> dict[str, Any]:
        """Ask; returns the response."""
        return dict(
            self._client.invoke_endpoint(
                EndpointName=self._name,
                TargetModel=target,
                ContentType="application/json",
                Body=json.dumps(asked).encode() if body is None else body,
            )
        )

    def ask(self, target: str = "a.tar.gz", **asked: Any) -> dict[str, Any]:
        """Ask; returns what the script says."""
        return dict(json.loads(self.raw(target, **asked)["Body"].read()))

    def refused(self, target: str = "a.tar.gz", **asked: Any) -> dict[str, Any]:
        """Ask what is refused; returns the error response."""
        try:
            told = self.ask(target, **asked)
        except ClientError as error:
            return dict(error.response)
        raise AssertionError(f"it was answered: {told}")

    def close(self) -> None:
        """Close the client."""
        self._client.close()
