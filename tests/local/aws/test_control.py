"""SageMaker's operations: what they answer, and how they refuse."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.aws.test_run import SLEEP
from tests.s3 import signed
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, connect, request, served, spot

TOO_SHORT = (
    "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
)
PLACE = f"s3://{BUCKET}/checkpoints"


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    """Code and message of the error."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def channel(uri: str, kind: str = "S3Prefix", name: str = "dataset") -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}}


def test_a_name_is_taken_once(aws: Aws) -> None:
    arn = aws.submit("job-1", "")
    told = (
        "Training job names must be unique within an AWS account and region, and a training job with this "
        f"name already exists ({arn})"
    )
    assert refused(aws.sagemaker.create_training_job, **request("job-1")) == ("ResourceInUse", told)
    aws.wait("job-1", "Failed", "Completed")
    assert refused(aws.sagemaker.create_training_job, **request("job-1"))[0] == "ResourceInUse"


def test_a_job_nobody_knows(aws: Aws) -> None:
    told = ("ValidationException", "Requested resource not found.")
    for operation in ("describe_training_job", "stop_training_job", "delete_training_job"):
        assert refused(getattr(aws.sagemaker, operation), TrainingJobName="none") == told
    arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/none"
    assert refused(aws.sagemaker.list_tags, ResourceArn=arn) == told
    assert refused(aws.sagemaker.list_tags, ResourceArn=arn.replace("training-job", "pipeline")) == told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"AlgorithmSpecification": {"TrainingImage": "1.dkr.ecr/other:2", "TrainingInputMode": "File"}},
         "Cannot find repository: other in registry ID: 1 Please check if your ECR repository exists and "
         f"role {ROLE} has proper pull permissions for SageMaker: ecr:BatchCheckLayerAvailability, "
         "ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"),
        ({"EnableManagedSpotTraining": True},
         TOO_SHORT),
        (spot("job", 600, 599),
         TOO_SHORT),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 2}},
         "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"),
        ({"InputDataConfig": [channel(f"s3://{BUCKET}/none/")]},
         f'No S3 objects found under S3 URL "s3://{BUCKET}/none/" given in input data source. Please ensure '
         "that the bucket exists in the selected region (us-east-1), that objects exist under that S3 "
         f'prefix, and that the role "{ROLE}" has "s3:ListBucket" permissions on bucket "{BUCKET}".'),
        ({"InputDataConfig": [channel("s3://nobody/manifest.json", "ManifestFile")]}, "No S3 objects found"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
         "on one instance"),
        ({"ResourceConfig": None}, "The stand-in needs ResourceConfig"),
        ({"CheckpointConfig": {"S3Uri": PLACE, "LocalPath": "/elsewhere"}}, "not in /elsewhere"),
        ({"CheckpointConfig": {"S3Uri": PLACE, "LocalPath": "/opt/ml/model/x"}}, "below /opt/ml"),
        ({"CheckpointConfig": {"S3Uri": PLACE, "LocalPath": "/opt/ml/a/../../b"}}, "below /opt/ml"),
        ({"ResourceConfig": {"InstanceType": "ml.none", "InstanceCount": 1, "VolumeSizeInGB": 1}},
         "Value 'ml.none' at 'resourceConfig.InstanceType' failed to satisfy constraint: Member must satisfy "
         "enum value set: ["),
        ({"RoleArn": "somebody-with-a-long-name"}, "at 'roleArn' failed to satisfy constraint: Member must "
         "satisfy regular expression pattern: arn:aws"),
        ({"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File",
          "MetricDefinitions": [{"Name": "rmse", "Regex": "rmse=(["}]}}, "regex of metric rmse is invalid"),
        ({"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
          "InputDataConfig": [channel(f"s3://{BUCKET}/a")]}, "File mode; channel dataset is another one"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_run_is_refused(aws: Aws, more: dict[str, Any], told: str) -> None:
    code, message = refused(aws.sagemaker.create_training_job, **request("job-1", **more))
    assert (code, told in message) == ("ValidationException", True), message
    assert aws.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


def test_names_are_checked_as_the_model_says(aws: Aws) -> None:
    for name in ("with space", "-begin", "x" * 64):
        code, message = refused(aws.sagemaker.create_training_job, **request(name))
        assert code == "ValidationException"
        assert "validation error" in message
        assert "'trainingJobName' failed to satisfy constraint" in message


def test_what_boto3_would_not_send_is_refused_by_the_model(aws: Aws) -> None:
    client = aws.client("sagemaker", parameter_validation=False)
    code, message = refused(client.create_training_job, TrainingJobName=5)
    assert code == "ValidationException"
    assert 'Missing required parameter in input: "RoleArn"' in message
    assert "Invalid type for parameter TrainingJobName" in message
    client.close()


def test_an_operation_the_stand_in_does_not_have_says_so(aws: Aws) -> None:
    code, message = refused(aws.sagemaker.list_notebook_instances)
    assert code == "NotImplementedException"
    assert "does not have ListNotebookInstances. It has CreateTrainingJob" in message
    runtime = aws.client("sagemaker-runtime")
    asked = {"EndpointName": "e", "InputLocation": "s3://bucket/key"}
    assert refused(runtime.invoke_endpoint_async, **asked)[0] == "NotImplementedException"
    runtime.close()


def test_a_body_that_is_no_json_is_refused(aws: Aws) -> None:
    headers = {"X-Amz-Target": "SageMaker.DescribeTrainingJob"}
    headers = signed("POST", f"{aws.endpoint}/", b"{", headers, service="sagemaker")
    asked = urllib.request.Request(f"{aws.endpoint}/", b"{", headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)
    with caught.value as answer:
        assert json.loads(answer.read())["__type"] == "SerializationException"


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sagemaker", "list_training_jobs", "InvalidSignatureException"),
        ("logs", "describe_log_groups", "InvalidSignatureException"),
        ("cloudwatch", "list_metrics", "InvalidSignatureException"),
        ("sns", "list_topics", "SignatureDoesNotMatch"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
    ],
)
def test_who_does_not_know_the_secret_is_refused(aws: Aws, service: str, operation: str, code: str) -> None:
    known, wrong = connect(service, aws.endpoint), connect(service, aws.endpoint, secret="Secret")
    getattr(known, operation)()
    assert refused(getattr(wrong, operation))[0] == code
    for client in (known, wrong):
        client.close()


def test_at_most_eight_instances_of_a_type(tmp_path: Path) -> None:
    with served(tmp_path, quota=2, grace=0.1) as aws:
        for number in range(2):
            aws.submit(f"job-{number}", SLEEP)
        told = (
            "The account-level service limit 'ml.m5.large for training job usage' is 2 Instances, with "
            "current utilization of 2 Instances and a request delta of 1 Instances. Please use AWS Service "
            "Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact "
            "AWS support to request an increase for this quota."
        )
        more = request("more", "code/job-0.tar.gz")
        assert refused(aws.sagemaker.create_training_job, **more) == ("ResourceLimitExceeded", told)
        aws.submit("other", SLEEP, ResourceConfig=more["ResourceConfig"] | {"InstanceType": "ml.c5.xlarge"})
        for number in range(2):
            aws.submit(f"spot-{number}", SLEEP, **spot(f"spot-{number}"))
        _, message = refused(aws.sagemaker.create_training_job, **more | spot("more"))
        assert "'ml.m5.large for spot training job usage' is 2 Instances" in message
        aws.sagemaker.stop_training_job(TrainingJobName="job-0")
        aws.wait("job-0")
        aws.sagemaker.create_training_job(**more)


def test_too_many_calls_are_throttled(tmp_path: Path) -> None:
    with served(tmp_path, rate=3) as aws:
        patient = aws.client("sagemaker", retries={"mode": "standard", "total_max_attempts": 10})
        for _ in range(4):
            patient.list_training_jobs()
        patient.close()
        statuses = [one["status"] for one in aws.trouble.requests("ListTrainingJobs")]
        assert statuses.count(200) == 4
        assert set(statuses) <= {200, 400}


def test_a_job_that_has_ended_is_not_stopped_but_deleted(aws: Aws) -> None:
    aws.submit("job-1", SLEEP)
    rejected = "The request was rejected because the training job is in status "
    code, message = refused(aws.sagemaker.delete_training_job, TrainingJobName="job-1")
    assert (code, message) == ("ValidationException", f"{rejected}InProgress.")
    aws.sagemaker.stop_training_job(TrainingJobName="job-1")
    aws.wait("job-1", "Stopped")
    code, message = refused(aws.sagemaker.stop_training_job, TrainingJobName="job-1")
    assert (code, message) == ("ValidationException", f"{rejected}Stopped.")
    aws.sagemaker.delete_training_job(TrainingJobName="job-1")
    assert refused(aws.sagemaker.describe_training_job, TrainingJobName="job-1")[0] == "ValidationException"
    aws.submit("job-1", "")
    aws.wait("job-1", "Completed")


def test_tags_are_added_listed_and_deleted(aws: Aws) -> None:
    def tags() -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in aws.sagemaker.list_tags(ResourceArn=arn)["Tags"]}

    arn = aws.submit("job-1", "", Tags=[{"Key": "bqx:request", "Value": "ab"}])
    assert tags() == {"bqx:request": "ab"}
    added = [{"Key": "bqx:request", "Value": "cd"}, {"Key": "bqx:stopped-for-try", "Value": "2"}]
    assert aws.sagemaker.add_tags(ResourceArn=arn, Tags=added)["Tags"] == added
    assert tags() == {"bqx:request": "cd", "bqx:stopped-for-try": "2"}
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["bqx:request", "none"])
    assert tags() == {"bqx:stopped-for-try": "2"}
    assert "Tags" not in aws.describe("job-1")
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    assert refused(aws.sagemaker.add_tags, ResourceArn=arn, Tags=many)[0] == "ResourceLimitExceeded"


def test_jobs_are_listed_by_name_state_and_time(aws: Aws) -> None:
    def names(**asked: Any) -> list[str]:
        return [
            one["TrainingJobName"]
            for one in aws.sagemaker.list_training_jobs(**asked)["TrainingJobSummaries"]
        ]

    for name in ("eurusd-b", "usdjpy", "eurusd-a"):
        aws.submit(name, "" if name != "usdjpy" else "raise SystemExit(1)")
        aws.wait(name)
    assert names() == ["eurusd-b", "usdjpy", "eurusd-a"]
    assert names(SortOrder="Descending") == ["eurusd-a", "usdjpy", "eurusd-b"]
    assert names(NameContains="EUR", SortBy="Name") == ["eurusd-a", "eurusd-b"]
    assert names(StatusEquals="Failed") == ["usdjpy"]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert names(CreationTimeAfter=tomorrow) == names(LastModifiedTimeAfter=tomorrow) == []
    assert len(names(CreationTimeBefore=tomorrow, LastModifiedTimeBefore=tomorrow)) == 3
    (one,) = aws.sagemaker.list_training_jobs(NameContains="usd", StatusEquals="Failed")[
        "TrainingJobSummaries"
    ]
    job = aws.describe("usdjpy")
    assert {name: job[name] for name in one} == one
    assert "HyperParameters" not in one
    pages = aws.sagemaker.get_paginator("list_training_jobs")
    for backwards in ("Ascending", "Descending"):
        found = pages.paginate(SortBy="Status", SortOrder=backwards, PaginationConfig={"PageSize": 1})
        assert len({one["TrainingJobSummaries"][0]["TrainingJobName"] for one in found}) == 3
    assert refused(aws.sagemaker.list_training_jobs, NextToken="none")[0] == "ValidationException"
    assert refused(aws.sagemaker.list_training_jobs, MaxResults=101)[0] == "ValidationException"


def test_another_key_is_refused(aws: Aws) -> None:
    for service, call, code in (
        ("sagemaker", "list_training_jobs", "UnrecognizedClientException"),
        ("sns", "list_topics", "InvalidClientTokenId"),
        ("cloudwatch", "list_dashboards", "UnrecognizedClientException"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ):
        client = connect(service, aws.endpoint, "AKIAOTHER")
        assert refused(getattr(client, call))[0] == code
        client.close()
