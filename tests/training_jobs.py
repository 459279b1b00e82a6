"""The embedded AWS as tests of tasks need it: Airflow is led there, and tiny jobs run on it."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from include.objects import ObjectStore
from local import services
from local.aws.server import Server
from local.aws.settings import Settings
from local.aws.trouble import Trouble
from local.state import State
from tests import s3

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/xgboost:3.2"
BASE = "bqx-eurusd-xgb-0123456789abcdef"

# What a job may be: it reads its hyperparameters and does one thing.
PROGRAM = """
import json, os, pathlib, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
settings = json.loads((base / "input/config/hyperparameters.json").read_text())
print("this job is told:", settings["what"], flush=True)
if settings["what"] == "fail":
    (base / "output").mkdir(exist_ok=True)
    (base / "output/failure").write_text("the bars are of another market")
    sys.exit(1)
while settings["what"] == "wait" and not pathlib.Path(settings["until"]).exists():
    time.sleep(0.02)
(base / "model/model.json").write_text("{}")
"""


class Embedded(NamedTuple):
    """The embedded AWS of a test.

    Attributes:
        bucket: the bucket, whole.
        client: boto3 client of SageMaker.
        trouble: the door for faults, and the log of requests.
        gate: a job that waits goes on when this file is there.
    """

    bucket: ObjectStore
    client: Any
    trouble: Trouble
    gate: Path

    def request(self, what: str = "nothing", name: str = BASE, value: str = "a" * 64) -> dict[str, Any]:
        """A request for a tiny job."""
        hyperparameters = {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{self.bucket.bucket}/code/tiny.tar.gz",
            "dataset_id": "tiny",
            "content_hash": "c" * 64,
            "what": what,
            "until": str(self.gate),
        }
        place = f"s3://{self.bucket.bucket}/training/{'c' * 16}/"
        return {
            "TrainingJobName": name,
            "RoleArn": services.TRAINING_ROLE,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "HyperParameters": hyperparameters,
            "OutputDataConfig": {"S3OutputPath": place},
            "CheckpointConfig": {"S3Uri": f"{place}{name}/checkpoints/"},
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
            "EnableManagedSpotTraining": True,
            "Tags": [{"Key": "bqx:request", "Value": value}],
        }

    def status(self, name: str = BASE) -> str:
        """State of a job."""
        return str(self.client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"])

    def wait(self, name: str = BASE, *states: str) -> str:
        """The state of a job, once it is one of these."""
        deadline = time.monotonic() + 60
        while (status := self.status(name)) not in (states or ("Completed", "Failed", "Stopped")):
            assert time.monotonic() < deadline, f"{name} stays {status}"
            time.sleep(0.02)
        return status

    def calls(self, operation: str) -> int:
        """How many requests of an operation were answered."""
        return len(self.trouble.requests(operation))


@contextmanager
def embedded(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Embedded]:
    """The embedded AWS with a bucket; Airflow's connection and Variables lead there while the block runs."""
    state = State(folder / "state")
    state.create()
    with s3.served(folder / "objects") as objects:
        place = f"http://127.0.0.1:{objects.server_port}"
        images = tuple((image, sys.executable) for image in (IMAGE, services.TRAINING_IMAGE))
        options = Settings(folder / "aws", place, images=images, grace=1.0, rate=1000, **settings)
        options.folder.mkdir()
        with Server(options) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            ports = {"s3": objects.server_port, "aws": server.server_port, "airtable": 9}
            for name, value in services.settings(state, ports).items():
                monkeypatch.setenv(name, value)
            bucket = ObjectStore(s3.connect(objects.server_port), services.BUCKET, "")
            bucket.ensure_bucket()
            bucket.put("code/tiny.tar.gz", _archive())
            client = boto3.client("sagemaker", **_keys(json.loads(_connection(state, ports))))
            try:
                yield Embedded(bucket, client, Trouble(options.folder), folder / "gate")
            finally:
                (folder / "gate").touch()
                server.shutdown()
                thread.join()


def _connection(state: State, ports: dict[str, int]) -> str:
    return services.settings(state, ports)["AIRFLOW_CONN_AWS_DEFAULT"]


def _keys(connection: dict[str, Any]) -> dict[str, Any]:
    return {
        "endpoint_url": connection["extra"]["endpoint_url"],
        "region_name": connection["extra"]["region_name"],
        "aws_access_key_id": connection["login"],
        "aws_secret_access_key": connection["password"],
    }


def _archive() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(PROGRAM.encode())
        archive.addfile(entry, io.BytesIO(PROGRAM.encode()))
    return content.getvalue()
