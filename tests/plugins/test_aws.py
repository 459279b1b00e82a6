"""A client is what the connection says, and costs a task little."""

from __future__ import annotations

import inspect
import json

import pytest
from botocore.config import Config
from bqx.aws import client

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves

CONNECTION = {
    "conn_type": "aws",
    "login": "a-key",
    "password": "a-secret",
    "extra": {
        "region_name": "eu-west-1",
        "endpoint_url": "http://127.0.0.1:9",
        "service_config": {"sns": {"endpoint_url": "http://127.0.0.1:10"}},
        "config_kwargs": {"read_timeout": 7, "retries": {"total_max_attempts": 3}},
    },
}


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(CONNECTION))


def test_a_client_is_what_the_connection_says() -> None:
    s3 = client("s3")
    assert (s3.meta.region_name, s3.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:9")
    assert s3._request_signer._credentials.access_key == "a-key"
    assert s3.meta.config.read_timeout == 7
    assert client("sns").meta.endpoint_url == "http://127.0.0.1:10"


def test_what_a_caller_wants_goes_before_the_connection() -> None:
    rds = client("rds", region="us-east-1", config=Config(read_timeout=1))
    assert rds.meta.region_name == "us-east-1"
    assert rds.meta.config.read_timeout == 1
    assert rds.meta.config.retries["total_max_attempts"] == 3


def test_nobody_looks_for_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the call stack is slow. The provider swallows what is raised there, so looks are counted."""
    looks: list[int] = []
    read = inspect.stack

    def counted(context: int = 1) -> list[inspect.FrameInfo]:
        looks.append(context)
        return read(context)

    monkeypatch.setattr(inspect, "stack", counted)
    client("s3")
    assert looks == []
