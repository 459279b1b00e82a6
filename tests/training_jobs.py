"""The embedded AWS as tests of tasks need it: Airflow is led there, and tiny jobs run on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from include.objects import ObjectStore
from local import services
from local.state import State
from tests.s3 import know
from tests.sagemaker import BUCKET, ENDED, IMAGE, Aws, packed, served

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
if settings["what"] == "brief":
    time.sleep(0.3)
while settings["what"] == "wait" and not pathlib.Path(settings["until"]).exists():
    time.sleep(0.02)
(base / "model/model.json").write_text("{}")
"""


@dataclass(frozen=True)
class Embedded(Aws):
    """The embedded AWS of a test.

    Attributes:
        bucket: the bucket, whole.
        gate: a job that waits goes on when this file is there.
    """

    bucket: ObjectStore
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
        return str(self.describe(name)["TrainingJobStatus"])

    def end(self, name: str = BASE) -> str:
        """The state of a job, once it has ended."""
        return str(self.wait(name, *ENDED)["TrainingJobStatus"])

    def calls(self, operation: str) -> int:
        """How many requests of an operation were answered."""
        return len(self.trouble.requests(operation))


@contextmanager
def embedded(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Embedded]:
    """The embedded AWS with a bucket; Airflow's connection and Variables lead there while the block runs."""
    state = State(folder / "state")
    state.create()
    know(state)
    images = tuple((image, sys.executable) for image in (IMAGE, services.TRAINING_IMAGE))
    with served(folder, images=images, grace=1.0, **options) as aws:
        gate = folder / "gate"
        for name, value in services.settings(state, _ports(aws)).items():
            monkeypatch.setenv(name, value)
        bucket = ObjectStore(aws.s3, BUCKET, "")
        bucket.put("code/tiny.tar.gz", packed({"train.py": PROGRAM}))
        try:
            yield Embedded(**vars(aws), bucket=bucket, gate=gate)
        finally:
            gate.touch()


def _ports(aws: Aws) -> dict[str, int]:
    addresses = {"s3": aws.s3.meta.endpoint_url, "aws": aws.endpoint}
    addresses |= dict.fromkeys(("airtable", "smtp"), "http://127.0.0.1:9")
    return {name: int(urlsplit(address).port or 0) for name, address in addresses.items()}
