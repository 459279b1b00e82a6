"""The Amazon provider finds every service by one Airflow connection, as the stack writes it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from local import services
from local.aws.settings import ACCOUNT
from local.state import State
from tests.s3 import know
from tests.sagemaker import BUCKET, Aws, request

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves


@pytest.fixture
def connection(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(tmp_path / "state")
    state.create()
    know(state)
    ports = {"s3": _port(aws.s3.meta.endpoint_url), "aws": _port(aws.endpoint), "airtable": 9, "smtp": 9}
    for name, value in services.settings(state, ports).items():
        monkeypatch.setenv(name, value)
    # A real account that the caller may have must not be asked.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


def _port(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


@pytest.mark.usefixtures("connection")
def test_s3_goes_to_its_stand_in_and_the_rest_to_the_front(aws: Aws) -> None:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook

    hook = SageMakerHook()  # type: ignore[no-untyped-call]
    assert S3Hook().conn.meta.endpoint_url == aws.s3.meta.endpoint_url
    assert hook.conn.meta.endpoint_url == hook.logs_hook.conn.meta.endpoint_url == aws.endpoint
    assert S3Hook().check_for_bucket(BUCKET)
    assert aws.trouble.requests(service="s3") == []


@pytest.mark.usefixtures("connection")
def test_the_hook_of_sagemaker_creates_follows_and_lists(aws: Aws) -> None:
    from airflow.providers.amazon.aws.hooks.sagemaker import LogState, SageMakerHook

    hook = SageMakerHook()  # type: ignore[no-untyped-call]
    aws.submit("first", "print('a line')\nprint('another')")
    aws.wait("first", "Completed")
    asked = request("job-1", "code/first.tar.gz")
    hook.create_training_job(asked, wait_for_completion=False, print_log=False)
    aws.wait("job-1", "Completed")
    assert hook.describe_training_job("job-1")["SecondaryStatus"] == "Completed"
    assert [one["TrainingJobName"] for one in hook.list_training_jobs(name_contains="job")] == ["job-1"]
    state, described, _ = hook.describe_training_job_with_log(
        "job-1", {}, [], 1, LogState.JOB_COMPLETE, hook.describe_training_job("job-1"), 0
    )
    assert (state, described["TrainingJobStatus"]) == (LogState.COMPLETE, "Completed")
    group = "/aws/sagemaker/TrainingJobs"
    (stream,) = hook.logs_hook.conn.describe_log_streams(logGroupName=group, logStreamNamePrefix="job-1/")[
        "logStreams"
    ]
    events = hook.logs_hook.get_log_events(group, stream["logStreamName"])
    assert [event["message"] for event in events] == ["a line", "another"]


@pytest.mark.usefixtures("connection")
def test_the_variables_name_an_image_and_a_role_of_no_real_account() -> None:
    image, role = os.environ["AIRFLOW_VAR_BQX_TRAINING_IMAGE"], os.environ["AIRFLOW_VAR_BQX_SAGEMAKER_ROLE"]
    assert image.startswith(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/")
    assert role.startswith(f"arn:aws:iam::{ACCOUNT}:role/")
    connection = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    assert set(connection["extra"]["service_config"]) == {"s3"}
