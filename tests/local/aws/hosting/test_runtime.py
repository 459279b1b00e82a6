"""InvokeEndpoint: errors as AWS writes them, metrics in CloudWatch, scaling that acts on the load."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import s3
from tests.hosting import VARIANT, Runtime, count_of, create_config, deploy, describe, put_model, wait
from tests.local.aws.test_control import refused
from tests.sagemaker import Aws, process, served, wait_for

RESOURCE = {
    "ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/bqx/variant/{VARIANT}",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}  # fmt: skip


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """One instance with memory for two models."""
    with served(tmp_path_factory.mktemp("aws"), model_memory=2000) as aws:
        deploy(aws)
        for name in ("b", "c", "d"):
            put_model(aws, f"{name}.tar.gz", size=1000)
        put_model(aws, "broken.tar.gz", "broken")
        put_model(aws, "large.tar.gz", size=3000)
        aws.put("models/torn.tar.gz", b"torn")
        yield aws


@pytest.fixture
def runtime(hosted: Aws) -> Iterator[Runtime]:
    runtime = Runtime(hosted)
    yield runtime
    runtime.close()


def test_what_a_model_refuses_is_told_with_its_words(runtime: Runtime) -> None:
    told = runtime.refused(status=400)
    assert (told["Error"]["Code"], told["OriginalStatusCode"]) == ("ModelError", 400)
    assert json.loads(told["OriginalMessage"])["model"] == "a.tar.gz"
    assert told["Error"]["Message"].startswith('Received client error (400) from model with message "{')
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert told["LogStreamArn"].endswith("/aws/sagemaker/Endpoints/bqx")
    told = runtime.refused("broken.tar.gz")
    assert (told["Error"]["Code"], told["OriginalStatusCode"]) == ("ModelError", 500)
    assert json.loads(told["OriginalMessage"].partition("\n")[0])["error"] == "corrupt_archive"
    assert runtime.refused("large.tar.gz")["OriginalStatusCode"] == 507


def test_what_the_endpoint_refuses_is_told_as_aws_does(hosted: Aws, runtime: Runtime) -> None:
    for target, what in (
        ("none.tar.gz", "Failed to download model data"),
        ("torn.tar.gz", "Failed to extract"),
    ):
        error = runtime.refused(target)["Error"]
        assert (error["Code"], what in error["Message"]) == ("ValidationError", True)
    client = hosted.client("sagemaker-runtime")
    asked = {"EndpointName": "bqx", "Body": b"{}", "ContentType": "application/json"}
    code, message = refused(client.invoke_endpoint, **asked)
    assert (code, "is missing a target model header" in message) == ("ValidationError", True)
    more = {"TargetModel": "a.tar.gz", "TargetVariant": "none"}
    assert refused(client.invoke_endpoint, **asked, **more)[0] == "ValidationError"
    more = {"TargetModel": "a.tar.gz", "TargetVariant": VARIANT}
    assert client.invoke_endpoint(**asked, **more)["InvokedProductionVariant"] == VARIANT
    assert (
        refused(client.invoke_endpoint, **asked | more | {"Body": b" " * 6_300_000})[0] == "ValidationError"
    )
    client.close()
    stranger = hosted.client("sagemaker-runtime", key="somebody")
    assert refused(stranger.invoke_endpoint, **asked, **more)[0] == "UnrecognizedClientException"
    stranger.close()


def test_rules_of_faults_meet_invocations(hosted: Aws, runtime: Runtime) -> None:
    hosted.trouble.add("sagemaker", "InvokeEndpoint", status=503, times=1)
    assert runtime.refused()["Error"]["Code"] == "ServiceUnavailable"
    assert runtime.ask()["model"] == "a.tar.gz"
    assert hosted.trouble.requests("InvokeEndpoint")[-1]["name"] == "bqx"
    hosted.trouble.clear()


def total(aws: Aws, name: str, namespace: str = "AWS/SageMaker", statistic: str = "Sum") -> float:
    """A statistic of a metric since the server began."""
    watch = aws.client("cloudwatch")
    now = datetime.now(UTC)
    found = watch.get_metric_statistics(
        Namespace=namespace, MetricName=name, StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1), Period=3600, Statistics=[statistic],
        Dimensions=[{"Name": "EndpointName", "Value": "bqx"}, {"Name": "VariantName", "Value": VARIANT}],
    )["Datapoints"]  # fmt: skip
    watch.close()
    return float(sum(each[statistic] for each in found))


def test_metrics_are_in_cloudwatch(tmp_path: Path) -> None:
    with served(tmp_path, model_memory=2000) as aws:
        deploy(aws)
        runtime = Runtime(aws)
        put_model(aws, "b.tar.gz", size=2000)
        for target in ("a.tar.gz", "a.tar.gz", "b.tar.gz", "a.tar.gz"):
            runtime.ask(target, sleep=0.01)
        runtime.refused(status=400)
        runtime.refused(status=500)
        runtime.close()
        wait_for(lambda: total(aws, "Invocations") == 6)
        assert total(aws, "ModelCacheHit") == 3
        assert total(aws, "Invocation4XXErrors") == 1
        assert total(aws, "Invocation5XXErrors") == 1
        assert total(aws, "ModelLatency", statistic="Average") > 10_000 * 4 / 6
        assert 0 < total(aws, "OverheadLatency", statistic="Average") < 1e6
        for name in (
            "ModelLoadingWaitTime",
            "ModelLoadingTime",
            "ModelDownloadingTime",
            "ModelUnloadingTime",
        ):
            assert total(aws, name) > 0, name
        assert total(aws, "LoadedModelCount", "/aws/sagemaker/Endpoints", "Maximum") == 1


def register(aws: Aws, target: float, least: int = 1, most: int = 4) -> Any:
    """Register the variant for scaling; cool-downs of a minute out and two in."""
    scaling = aws.client("application-autoscaling")
    scaling.register_scalable_target(**RESOURCE, MinCapacity=least, MaxCapacity=most)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    scaling.put_scaling_policy(
        **RESOURCE, PolicyName="load", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": target, "PredefinedMetricSpecification": metric, "ScaleOutCooldown": 60,
            "ScaleInCooldown": 120,
        },
    )  # fmt: skip
    return scaling


def test_the_load_decides_on_the_number_of_instances(tmp_path: Path) -> None:
    with served(tmp_path, minute=1.0) as aws:
        deploy(aws)
        scaling = register(aws, target=10)
        stop, errors = threading.Event(), []

        def load() -> None:
            runtime = Runtime(aws)
            while not stop.is_set():
                try:
                    runtime.ask()
                except Exception as error:
                    errors.append(error)
                time.sleep(0.01)
            runtime.close()

        thread = threading.Thread(target=load)
        thread.start()
        wait_for(lambda: count_of(describe(aws)) == (4, 4))  # 10 a second are much less than this
        stop.set()
        thread.join()
        assert errors == []
        wait_for(lambda: count_of(describe(aws)) == (1, 1))
        scaling.register_scalable_target(**RESOURCE, MinCapacity=2)
        wait_for(lambda: count_of(describe(aws)) == (2, 2))
        scaling.close()


def test_a_minute_of_load_starts_no_instance(tmp_path: Path) -> None:
    with served(tmp_path, minute=2.0) as aws:
        deploy(aws)
        scaling = register(aws, target=1)
        runtime = Runtime(aws)
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            runtime.ask()
        time.sleep(6.0)  # more looks at a load that is over
        assert count_of(describe(aws)) == (1, 1)
        runtime.close()
        scaling.close()


def test_a_variant_that_is_scaled_keeps_its_instance_type(aws: Aws) -> None:
    deploy(aws)
    scaling = register(aws, target=1000)
    create_config(aws, "larger", "bqx-model", InstanceType="ml.m5.2xlarge")
    update = {"EndpointName": "bqx", "EndpointConfigName": "larger"}
    code, message = refused(aws.sagemaker.update_endpoint, **update)
    assert (code, "Deregister it first" in message) == ("ValidationException", True)
    scaling.deregister_scalable_target(**RESOURCE)
    aws.sagemaker.update_endpoint(**update)
    assert wait(aws, "bqx", "InService")["EndpointConfigName"] == "larger"
    scaling.close()


def test_scaling_is_remembered_over_a_restart(tmp_path: Path) -> None:
    with s3.served(tmp_path / "s3") as store:
        with process(tmp_path / "aws", store.server_port) as (_, aws):
            deploy(aws)
            register(aws, target=1000, least=2).close()
            wait_for(lambda: count_of(describe(aws)) == (2, 2))
        with process(tmp_path / "aws", store.server_port) as (_, aws):
            scaling = aws.client("application-autoscaling")
            (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
            assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
            (policy,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
            assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 1000
            scaling.close()
