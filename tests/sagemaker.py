"""The embedded AWS for tests: a server in a thread or a process, clients, and tiny training jobs."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.aws.server import Server
from local.aws.settings import Settings
from local.aws.trouble import Trouble
from local.s3.server import KEY_ID, SECRET
from tests import s3

BUCKET = "bqx"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/tiny:1"
ROLE = "arn:aws:iam::111122223333:role/training"
ENDED = ("Completed", "Failed", "Stopped")
PATIENCE = 60.0  # seconds, on a busy machine


def connect(
    service: str,
    endpoint: str,
    key: str = KEY_ID,
    region: str = "us-east-1",
    secret: str = SECRET,
    **config: Any,
) -> Any:
    """A boto3 client that tries once."""
    settings = {"retries": {"total_max_attempts": 1}, "max_pool_connections": 20, "proxies": {}} | config
    return boto3.client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=region,
        config=Config(**settings),
    )


@dataclass(frozen=True)
class Aws:
    """A running AWS with a bucket, as a test sees it.

    Attributes:
        endpoint: its address.
        s3: client of the S3 stand-in.
        sagemaker: client of SageMaker.
        trouble: faults, interruptions, the log of requests.
        folder: of the server.
    """

    endpoint: str
    s3: Any
    sagemaker: Any
    trouble: Trouble
    folder: Path

    def client(self, service: str, **config: Any) -> Any:
        """Another client."""
        return connect(service, self.endpoint, **config)

    def put(self, key: str, body: bytes | str = b"") -> None:
        """Write an object."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        """Read an object."""
        return bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def keys(self, prefix: str = "") -> list[str]:
        """Keys of the bucket."""
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", ())]

    def files(self, key: str) -> dict[str, bytes]:
        """The files of an archive."""
        with tarfile.open(fileobj=io.BytesIO(self.get(key)), mode="r:gz") as archive:
            return {one.name: self._content(archive, one) for one in archive if one.isfile()}

    @staticmethod
    def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        stream = archive.extractfile(member)
        assert stream is not None
        return stream.read()

    def submit(self, name: str, script: str, **more: Any) -> str:
        """Create a job that runs a script; returns its ARN. `more` is of the request, or replaces it."""
        code = f"code/{name}.tar.gz"
        self.put(code, packed({"train.py": script}))
        return str(self.sagemaker.create_training_job(**request(name, code, **more))["TrainingJobArn"])

    def describe(self, name: str) -> dict[str, Any]:
        """What DescribeTrainingJob says."""
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def wait(self, name: str, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of some states, primary or secondary; without states until its end."""
        wanted = states or ENDED
        job: dict[str, Any] = {}

        def there() -> bool:
            job.update(self.describe(name))
            reached = {job["TrainingJobStatus"], job["SecondaryStatus"]} & set(wanted)
            assert reached or job["TrainingJobStatus"] not in ENDED, f"{name} has ended: {job}"
            return bool(reached)

        wait_for(there, lambda: f"{name} is {job}")
        return job


def request(name: str, code: str = "code/job.tar.gz", **more: Any) -> dict[str, Any]:
    """A request for a job; `more` is added, an argument of None is left out."""
    parameters = more.pop("parameters", {})
    asked = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{BUCKET}/{code}",
            "sagemaker_region": "us-east-1",
        }
        | parameters,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    } | more
    return {name: value for name, value in asked.items() if value is not None}


def spot(name: str, seconds: int = 600, wait: int = 600) -> dict[str, Any]:
    """What a request has more for a spot job with checkpoints."""
    return {
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints/{name}/"},
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds, "MaxWaitTimeInSeconds": wait},
    }


def packed(files: dict[str, str]) -> bytes:
    """A ``.tar.gz`` of some files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()


def wait_for(condition: Callable[[], object], what: Callable[[], object] = str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[Aws]:
    """S3 and the AWS in threads, while the block runs; `options` as of `Settings`."""
    with s3.served(folder / "s3") as store:
        address = f"http://127.0.0.1:{store.server_port}"
        images = ((IMAGE, sys.executable),)
        settings = replace(Settings(folder / "aws", address, images, slots=8, rate=10**6), **options)
        with Server(settings) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                with _seen(server.endpoint, store.server_port, settings.folder) as aws:
                    yield aws
            finally:
                server.shutdown()
                thread.join()


@contextmanager
def process(folder: Path, s3_port: int, *options: str) -> Iterator[tuple[subprocess.Popen[str], Aws]]:
    """The AWS in a process of its own, beside an S3 stand-in; `options` as on the command line."""
    command = [
        *(sys.executable, "-m", "local.aws", "--folder", str(folder), "--s3", f"http://127.0.0.1:{s3_port}"),
        *("--image", f"{IMAGE}={sys.executable}", "--slots", "8", "--rate", "1000000", *options),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        endpoint = re.findall(r"http://[\d.]+:\d+", line)
        assert endpoint, f"no address in {line!r}"
        try:
            with _seen(endpoint[0], s3_port, folder) as aws:
                yield child, aws
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)


@contextmanager
def _seen(endpoint: str, s3_port: int, folder: Path) -> Iterator[Aws]:
    store, sagemaker = s3.connect(s3_port), connect("sagemaker", endpoint)
    if BUCKET not in [one["Name"] for one in store.list_buckets()["Buckets"]]:
        store.create_bucket(Bucket=BUCKET)
    try:
        yield Aws(endpoint, store, sagemaker, Trouble(folder), folder)
    finally:
        store.close()
        sagemaker.close()
