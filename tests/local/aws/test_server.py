"""One front for all services: moto for the small ones, S3 passed on, faults before all of them."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.errors import BqxError
from local.aws.__main__ import main
from local.aws.server import Server
from local.aws.settings import Settings
from local.aws.trouble import Trouble
from local.aws.trouble import main as trouble
from tests.local.aws.test_control import refused
from tests.s3 import signed
from tests.sagemaker import BUCKET, Aws, request


@pytest.fixture
def s3(aws: Aws) -> Any:
    """S3 through the front."""
    client = aws.client("s3", s3={"addressing_style": "path"})
    yield client
    client.close()


def test_small_services_are_answered_by_moto(aws: Aws) -> None:
    sns, secrets, watch = (aws.client(name) for name in ("sns", "secretsmanager", "cloudwatch"))
    arn = sns.create_topic(Name="alerts")["TopicArn"]
    assert [one["TopicArn"] for one in sns.list_topics()["Topics"]] == [arn]
    secrets.create_secret(Name="bqx/airtable", SecretString="{}")
    assert secrets.get_secret_value(SecretId="bqx/airtable")["SecretString"] == "{}"
    watch.put_metric_data(Namespace="bqx", MetricData=[{"MetricName": "skill", "Value": 0.5}])
    assert [one["MetricName"] for one in watch.list_metrics(Namespace="bqx")["Metrics"]] == ["skill"]
    for client in (sns, secrets, watch):
        client.close()


@pytest.mark.parametrize("size", [0, 5, 3 << 20])
def test_objects_go_through_the_front(aws: Aws, s3: Any, size: int) -> None:
    body = os.urandom(size)
    s3.put_object(Bucket=BUCKET, Key="a/b é+%", Body=body, Metadata={"of_us": "1"}, ChecksumAlgorithm="CRC32")
    assert aws.get("a/b é+%") == body
    answer = s3.get_object(Bucket=BUCKET, Key="a/b é+%")
    assert (answer["Body"].read(), answer["Metadata"]) == (body, {"of_us": "1"})
    assert s3.head_object(Bucket=BUCKET, Key="a/b é+%")["ContentLength"] == size
    assert refused(s3.put_object, Bucket=BUCKET, Key="a/b é+%", IfNoneMatch="*")[0] == "PreconditionFailed"
    assert refused(s3.get_object, Bucket=BUCKET, Key="none")[0] == "NoSuchKey"
    if size > 1:
        part = s3.get_object(Bucket=BUCKET, Key="a/b é+%", Range="bytes=1-2")
        assert (part["Body"].read(), part["ContentRange"]) == (body[1:3], f"bytes 1-2/{size}")
    s3.delete_object(Bucket=BUCKET, Key="a/b é+%")
    assert aws.keys() == []


def test_bodies_without_a_length_and_large_ones_go_through(aws: Aws, s3: Any, tmp_path: Path) -> None:
    whole = os.urandom(12 << 20)
    (tmp_path / "large").write_bytes(whole)
    s3.upload_file(str(tmp_path / "large"), BUCKET, "large")
    assert aws.get("large") == whole
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "large"})
    address = f"{aws.endpoint}/{BUCKET}/chunked"
    body = iter([b"one ", b"two"])
    asked = urllib.request.Request(address, body, signed("PUT", address), method="PUT")
    urllib.request.urlopen(asked).close()
    assert aws.get("chunked") == b"one two"
    assert url.startswith(aws.endpoint)


@pytest.mark.parametrize(("method", "path"), [("GET", f"{BUCKET}/a"), ("POST", "moto-api/reset")])
def test_who_has_not_signed_meets_s3(aws: Aws, method: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{aws.endpoint}/{path}", method=method))
    with caught.value as answer:
        assert (answer.code, b"<Code>AccessDenied</Code>" in answer.read()) == (403, True)


def test_faults_before_and_after_a_request_is_done(aws: Aws) -> None:
    create = aws.sagemaker.create_training_job
    aws.put("code/job.tar.gz", b"")
    aws.trouble.add("sagemaker", "Create*", status=500, code="InternalFailure", message="gone", times=1)
    assert refused(create, **request("job-1")) == ("InternalFailure", "gone")
    assert refused(aws.sagemaker.describe_training_job, TrainingJobName="job-1")[0] == "ValidationException"
    aws.trouble.add("sagemaker", "Create*", status=503, times=1, applied=True)
    assert refused(create, **request("job-1"))[0] == "ServiceUnavailable"
    assert aws.describe("job-1")["TrainingJobName"] == "job-1"
    assert refused(create, **request("job-1"))[0] == "ResourceInUse"
    seen = [(one["name"], one["status"], one["fault"]) for one in aws.trouble.requests("CreateTrainingJob")]
    assert seen == [("job-1", 500, True), ("job-1", 503, True), ("job-1", 400, False)]


def test_faults_by_number_and_by_chance(aws: Aws) -> None:
    def outcome() -> int:
        try:
            return int(aws.sagemaker.list_training_jobs()["ResponseMetadata"]["HTTPStatusCode"])
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])

    aws.trouble.add("sagemaker", "ListTrainingJobs", nth=[2, 3], status=500)
    assert [outcome() for _ in range(4)] == [200, 500, 500, 200]
    aws.trouble.clear()
    assert outcome() == 200
    rounds = []
    for _ in range(2):
        aws.trouble.add("*", probability=0.3, seed=7, status=503)
        rounds.append([outcome() for _ in range(40)])
        aws.trouble.clear()
    assert rounds[0] == rounds[1]
    assert 4 < rounds[0].count(503) < 20


@pytest.mark.parametrize("applied", [False, True])
def test_faults_of_the_other_services_have_their_shapes(aws: Aws, s3: Any, applied: bool) -> None:
    aws.trouble.add("*", status=400, code="Trouble", message="a <b>", applied=applied)
    for service, call in (
        ("sns", "list_topics"),
        ("cloudwatch", "list_metrics"),
        ("logs", "describe_log_groups"),
    ):
        client = aws.client(service)
        assert refused(getattr(client, call)) == ("Trouble", "a <b>")
        client.close()
    assert refused(s3.put_object, Bucket=BUCKET, Key="a", Body=b"x" * 3_000_000) == ("Trouble", "a <b>")
    assert aws.keys() == (["a"] if applied else [])


def test_a_delay_is_waited_for(aws: Aws) -> None:
    aws.trouble.add("sagemaker", delay=0.3)
    begun = time.monotonic()
    aws.sagemaker.list_training_jobs()
    assert time.monotonic() - begun >= 0.3


def test_a_file_that_is_no_list_of_rules_is_named(aws: Aws) -> None:
    (aws.folder / "faults.json").write_text('[{"nonsense": 1}]')
    code, message = refused(aws.sagemaker.list_training_jobs)
    assert (code, "faults.json is no list of rules" in message) == ("InternalFailure", True)
    with pytest.raises(TypeError):
        aws.trouble.add("sagemaker", nonsense=1)


def test_trouble_from_the_command_line(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(aws.folder)]
    assert trouble([*folder, "add", '{"service": "sagemaker", "status": 500}']) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == 500
    assert refused(aws.sagemaker.list_training_jobs)[0] == "ServiceUnavailable"
    assert trouble([*folder, "add", '{"nonsense": 1}']) == 1
    assert trouble([*folder, "clear"]) == 0
    assert Trouble(aws.folder).faults() == []
    aws.sagemaker.list_training_jobs()


def test_the_log_of_requests_counts_by_operation(aws: Aws) -> None:
    begun = time.time()
    aws.submit("job-1", "")
    aws.wait("job-1")
    aws.sagemaker.add_tags(
        ResourceArn=aws.describe("job-1")["TrainingJobArn"], Tags=[{"Key": "a", "Value": ""}]
    )
    (created,) = aws.trouble.requests("CreateTrainingJob")
    assert (created["service"], created["name"], created["status"]) == ("sagemaker", "job-1", 200)
    assert begun <= created["time"] <= time.time()
    assert aws.trouble.requests("AddTags")[0]["name"] == "job-1"
    assert aws.trouble.requests("StopTrainingJob") == []
    assert len(aws.trouble.requests("DescribeTrainingJob")) >= 2


def test_one_folder_has_one_server(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BqxError, match="served by another process"):
        Server(Settings(aws.folder, ""))
    port = aws.endpoint.rpartition(":")[2]
    told = ["--folder", str(aws.folder.parent / "other"), "--s3", "http://127.0.0.1:9", "--port", port]
    assert main(told) == 1
    assert f"Port {port} cannot be used" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*told, "--image", "no python"])
    assert "is not PATTERN=PYTHON" in capsys.readouterr().err


def test_without_s3_it_says_so(aws: Aws, tmp_path: Path) -> None:
    from tests.sagemaker import connect

    with Server(Settings(tmp_path / "alone", "http://127.0.0.1:9")) as server:
        import threading

        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = connect("s3", server.endpoint, s3={"addressing_style": "path"})
        assert refused(client.list_buckets)[0] == "ServiceUnavailable"
        client.close()
        server.shutdown()
        thread.join()
