"""The states of an endpoint, all nine of them, and what becomes of its instances."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.serving.requests import wanted
from include.training.requests import Account
from local.aws.hosting.kinds import BUSY
from tests import s3
from tests.cloudwatch import Clock
from tests.hosting import (
    VARIANT,
    Runtime,
    count_of,
    create_config,
    create_model,
    deploy,
    describe,
    put_model,
    wait,
    wait_gone,
)
from tests.local.aws.test_control import refused
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, process, served, wait_for
from tests.serving import PARAMS

NOT_FOUND = {"Code": "ValidationError", "Message": "Endpoint bqx of account 123456789012 not found."}


@pytest.fixture
def runtime(aws: Aws) -> Iterator[Runtime]:
    runtime = Runtime(aws)
    yield runtime
    runtime.close()


def second(aws: Aws, count: int = 1, **more: Any) -> None:
    """Ask for an update to another configuration; `more` as of UpdateEndpoint."""
    create_config(aws, "second", "bqx-model", count)
    aws.sagemaker.update_endpoint(EndpointName="bqx", EndpointConfigName="second", **more)


def test_an_endpoint_is_created_answers_and_is_deleted(aws: Aws, runtime: Runtime) -> None:
    aws.trouble.add("hosting", "Create", delay=0.3)
    aws.trouble.add("hosting", "Delete", delay=0.3)
    put_model(aws, "a.tar.gz")
    create_model(aws, "model")
    create_config(aws, "config", "model", 2)
    arn = aws.sagemaker.create_endpoint(EndpointName="bqx", EndpointConfigName="config")["EndpointArn"]
    told = describe(aws)
    assert (told["EndpointStatus"], told["EndpointArn"]) == ("Creating", arn)
    assert "ProductionVariants" not in told
    assert runtime.refused()["Error"] == NOT_FOUND
    told = wait(aws, "bqx", "InService")
    assert (told["EndpointConfigName"], count_of(told)) == ("config", (2, 2))
    response = runtime.raw()
    assert response["InvokedProductionVariant"] == VARIANT
    assert response["ContentType"] == "application/json"
    assert runtime.ask()["model"] == "a.tar.gz"
    aws.sagemaker.delete_endpoint(EndpointName="bqx")
    assert describe(aws)["EndpointStatus"] == "Deleting"
    wait_gone(aws, "bqx")
    assert runtime.refused()["Error"] == NOT_FOUND


@pytest.mark.parametrize("why", ["rule", "script", "code"])
def test_what_cannot_be_started_fails_and_can_only_be_deleted(aws: Aws, runtime: Runtime, why: str) -> None:
    put_model(aws, "a.tar.gz")
    create_model(aws, "model", script="import nothing_of_that_name" if why == "script" else "")
    create_config(aws, "config", "model")
    if why == "rule":
        aws.trouble.add("hosting", "Create", status=500, message="Unable to provision requested ML compute.")
    elif why == "code":
        aws.s3.delete_object(Bucket="bqx", Key="code/host.tar.gz")
    aws.sagemaker.create_endpoint(EndpointName="bqx", EndpointConfigName="config")
    told = wait(aws, "bqx", "Failed")
    expected = {
        "rule": "Unable to provision requested ML compute.",
        "script": "The primary container for production variant all did not pass the ping health check.",
        "code": "(SAGEMAKER_SUBMIT_DIRECTORY) does not exist",
    }
    assert expected[why] in told["FailureReason"]
    assert runtime.refused()["Error"] == NOT_FOUND
    code, message = refused(aws.sagemaker.update_endpoint, EndpointName="bqx", EndpointConfigName="config")
    assert (code, "can only be deleted" in message) == ("ValidationException", True)
    aws.sagemaker.delete_endpoint(EndpointName="bqx")
    wait_gone(aws, "bqx")


def test_an_update_takes_over_when_it_is_ready(aws: Aws, runtime: Runtime) -> None:
    deploy(aws)
    before = runtime.ask()["pid"]
    aws.trouble.add("hosting", "Update", delay=0.3)
    second(aws, 2)
    told = describe(aws)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("Updating", "bqx-config")
    assert told["PendingDeploymentSummary"]["EndpointConfigName"] == "second"
    assert runtime.ask()["pid"] == before
    told = wait(aws, "bqx", "InService")
    assert (told["EndpointConfigName"], count_of(told)) == ("second", (2, 2))
    assert "PendingDeploymentSummary" not in told
    assert runtime.ask()["pid"] != before
    with pytest.raises(ProcessLookupError):
        wait_for(lambda: os.kill(before, 0))


def test_an_update_under_load_loses_no_request(aws: Aws, runtime: Runtime) -> None:
    deploy(aws)
    stop, answers, errors = threading.Event(), [], []

    def load() -> None:
        client = Runtime(aws)
        while not stop.is_set():
            try:
                answers.append(client.ask(sleep=0.01)["pid"])
            except Exception as error:
                errors.append(error)
        client.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answers) > 20)
    second(aws, 2)
    told = wait(aws, "bqx", "InService")
    assert told["EndpointConfigName"] == "second"
    here = len(answers)
    wait_for(lambda: len(answers) > here + 20)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(answers)) > 1


def test_an_update_that_fails_is_rolled_back(aws: Aws, runtime: Runtime) -> None:
    deploy(aws)
    before = runtime.ask()["pid"]
    aws.trouble.add("hosting", "Rollback", delay=0.4)
    create_model(aws, "broken", code="code/broken.tar.gz", script="import nothing_of_that_name")
    create_config(aws, "broken", "broken")
    aws.sagemaker.update_endpoint(EndpointName="bqx", EndpointConfigName="broken")
    told = wait(aws, "bqx", "RollingBack")
    assert "did not pass the ping health check" in told["FailureReason"]
    assert runtime.ask()["pid"] == before
    told = wait(aws, "bqx", "InService")  # that is all a waiter would see
    assert (told["EndpointConfigName"], count_of(told)) == ("bqx-config", (1, 1))
    assert "did not pass the ping health check" in told["FailureReason"]
    assert runtime.ask()["pid"] == before
    aws.trouble.clear()
    second(aws)
    told = wait(aws, "bqx", "InService")
    assert told["EndpointConfigName"] == "second"
    assert "FailureReason" not in told


def test_the_latency_of_real_requests_rolls_an_update_back(tmp_path: Path) -> None:
    clock = Clock()
    with served(tmp_path, clock=clock) as aws:
        deploy(aws)
        runtime, watch = Runtime(aws), aws.client("cloudwatch")
        account = Account(BUCKET, IMAGE, ROLE, "us-east-1")
        told = wanted(account, "bqx", "code/host.tar.gz", PARAMS | {"p99_ms": 1000, "bake_seconds": 600})
        for alarm in told.alarms:
            watch.put_metric_alarm(**alarm)
        second(aws, DeploymentConfig=told.deployment)

        def state() -> str:
            (alarm,) = watch.describe_alarms(AlarmNames=["bqx-latency"])["MetricAlarms"]
            return str(alarm["StateValue"])

        def ask(count: int, **asked: Any) -> None:
            """Ask as often in a minute of CloudWatch, and let it end when all of it has been counted."""
            before = counted(watch, clock)
            for _ in range(count):
                runtime.ask(**asked)
            wait_for(lambda: counted(watch, clock) == before + count)
            clock.turn(60)

        runtime.ask()  # loads the model
        wait_for(lambda: counted(watch, clock) == 1)
        clock.turn(300)
        ask(20)
        wait_for(lambda: state() == "OK")
        assert describe(aws)["EndpointStatus"] == "Updating"
        ask(1, sleep=1.2)
        end = wait(aws, "bqx", "InService")
        assert (state(), end["EndpointConfigName"]) == ("ALARM", "bqx-config")
        assert "went into ALARM during the deployment: bqx-latency" in end["FailureReason"]
        watch.close()
        runtime.close()


def counted(watch: Any, clock: Clock) -> int:
    """Requests that CloudWatch knows of."""
    end = datetime.fromtimestamp(clock(), UTC) + timedelta(minutes=1)
    points = watch.get_metric_statistics(
        Namespace="AWS/SageMaker", MetricName="ModelLatency", StartTime=end - timedelta(hours=1), EndTime=end,
        Period=3600, Statistics=["SampleCount"],
        Dimensions=[{"Name": "EndpointName", "Value": "bqx"}, {"Name": "VariantName", "Value": VARIANT}],
    )["Datapoints"]  # fmt: skip
    return int(sum(point["SampleCount"] for point in points))


def test_a_rollback_that_fails_leaves_the_endpoint_serving_and_updatable(aws: Aws, runtime: Runtime) -> None:
    deploy(aws)
    aws.trouble.add("hosting", "Update", status=500, message="No capacity.")
    aws.trouble.add("hosting", "Rollback", status=500, message="No capacity either.")
    second(aws)
    told = wait(aws, "bqx", "UpdateRollbackFailed")
    assert told["EndpointConfigName"] == "bqx-config"
    assert told["FailureReason"] == "No capacity. The rollback failed too: No capacity either."
    assert runtime.ask()["model"] == "a.tar.gz"
    aws.trouble.clear()
    time.sleep(0.3)
    assert describe(aws)["EndpointStatus"] == "UpdateRollbackFailed"
    aws.sagemaker.update_endpoint(EndpointName="bqx", EndpointConfigName="second")
    assert wait(aws, "bqx", "InService")["EndpointConfigName"] == "second"


def test_maintenance_of_aws_refuses_changes_and_goes_on_serving(aws: Aws, runtime: Runtime) -> None:
    deploy(aws)
    aws.trouble.add("hosting", "Maintain", delay=0.5, times=1)
    told = wait(aws, "bqx", "SystemUpdating")
    assert runtime.ask()["model"] == "a.tar.gz"
    told_message = f'Cannot update in-progress endpoint "{told["EndpointArn"]}".'
    for call, more in (
        (aws.sagemaker.update_endpoint, {"EndpointConfigName": "bqx-config"}),
        (aws.sagemaker.delete_endpoint, {}),
        (
            aws.sagemaker.update_endpoint_weights_and_capacities,
            {"DesiredWeightsAndCapacities": [{"VariantName": VARIANT, "DesiredInstanceCount": 2}]},
        ),
    ):
        assert refused(call, EndpointName="bqx", **more) == ("ValidationException", told_message)
    wait(aws, "bqx", "InService")


def test_an_outage_ends_when_its_rule_does(aws: Aws, runtime: Runtime) -> None:
    deploy(aws)
    aws.trouble.add("hosting", "Outage")
    wait(aws, "bqx", "OutOfService")
    assert runtime.refused()["Error"] == NOT_FOUND
    aws.trouble.clear()
    wait(aws, "bqx", "InService")
    assert runtime.ask()["model"] == "a.tar.gz"


def test_weights_and_capacities_are_changed(aws: Aws) -> None:
    deploy(aws)
    change = aws.sagemaker.update_endpoint_weights_and_capacities
    for count in (3, 1):
        wish = {"VariantName": VARIANT, "DesiredInstanceCount": count, "DesiredWeight": 0.5}
        change(EndpointName="bqx", DesiredWeightsAndCapacities=[wish])
        told = wait(aws, "bqx", "InService")
        assert count_of(told) == (count, count)
        assert told["ProductionVariants"][0]["CurrentWeight"] == 0.5
    wish = {"VariantName": "other", "DesiredInstanceCount": 1}
    code, message = refused(change, EndpointName="bqx", DesiredWeightsAndCapacities=[wish])
    assert (code, message.startswith('The variant name(s) "other"')) == ("ValidationException", True)
    aws.trouble.add("hosting", "Scale", status=500, message="No capacity.")
    change(
        EndpointName="bqx", DesiredWeightsAndCapacities=[{"VariantName": VARIANT, "DesiredInstanceCount": 4}]
    )
    told = wait(aws, "bqx", "InService")
    assert (count_of(told), told["FailureReason"]) == ((1, 1), "No capacity.")


@pytest.mark.parametrize(("retain", "count"), [(True, 2), (False, 1)])
def test_an_update_keeps_the_number_of_instances_if_told(aws: Aws, retain: bool, count: int) -> None:
    deploy(aws)
    wish = {"VariantName": VARIANT, "DesiredInstanceCount": 2, "DesiredWeight": 0.5}
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="bqx", DesiredWeightsAndCapacities=[wish]
    )
    wait(aws, "bqx", "InService")
    excluded = [{"VariantPropertyType": "DesiredWeight"}]
    second(aws, RetainAllVariantProperties=retain, ExcludeRetainedVariantProperties=excluded)
    told = wait(aws, "bqx", "InService")
    assert count_of(told) == (count, count)
    assert told["ProductionVariants"][0]["CurrentWeight"] == 1.0


def test_an_instance_that_dies_is_replaced(aws: Aws, runtime: Runtime) -> None:
    deploy(aws)
    os.kill(runtime.ask()["pid"], signal.SIGKILL)
    assert runtime.ask()["model"] == "a.tar.gz"  # the request waits for the other one
    assert describe(aws)["EndpointStatus"] == "InService"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_endpoint_goes_on_after_a_restart(tmp_path: Path, end: signal.Signals) -> None:
    with s3.served(tmp_path / "s3") as store:
        with process(tmp_path / "aws", store.server_port) as (child, aws):
            deploy(aws, count=2)
            pids = set()
            for name in "bcdefgh":
                put_model(aws, f"{name}.tar.gz")
                pids.add(Runtime(aws).ask(f"{name}.tar.gz")["pid"])
            assert len(pids) == 2
            child.send_signal(end)
            child.wait(20)
            wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        with process(tmp_path / "aws", store.server_port) as (child, aws):
            runtime = Runtime(aws)
            told = describe(aws)
            assert (told["EndpointStatus"], count_of(told)) == ("InService", (2, 2))
            assert runtime.ask()["pid"] not in pids  # waits until they are there
            runtime.close()


@pytest.mark.parametrize(
    ("step", "status"), [("Create", "Creating"), ("Update", "Updating"), ("Delete", "Deleting")]
)
def test_what_was_being_done_is_finished_after_a_restart(tmp_path: Path, step: str, status: str) -> None:
    with s3.served(tmp_path / "s3") as store:
        with process(tmp_path / "aws", store.server_port) as (child, aws):
            if step == "Create":
                aws.trouble.add("hosting", step, delay=60)
                put_model(aws, "a.tar.gz")
                create_model(aws, "bqx-model")
                create_config(aws, "second", "bqx-model")
                aws.sagemaker.create_endpoint(EndpointName="bqx", EndpointConfigName="second")
            else:
                deploy(aws)
                aws.trouble.add("hosting", step, delay=60)
                second(aws) if step == "Update" else aws.sagemaker.delete_endpoint(EndpointName="bqx")
            assert describe(aws)["EndpointStatus"] == status
            assert status in BUSY
            time.sleep(0.2)
            child.send_signal(signal.SIGTERM)
            assert child.wait(20) == 0
            aws.trouble.clear()
        with process(tmp_path / "aws", store.server_port) as (_, aws):
            if step == "Delete":
                wait_gone(aws, "bqx")
            else:
                assert wait(aws, "bqx", "InService")["EndpointConfigName"] == "second"
