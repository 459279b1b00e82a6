"""One pair with the sizes of the plan, from its bars to its decision, as `make run PROFILE=full` does it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from include.objects import ObjectStore
from local.airflow import ROOT
from local.services import BUCKET
from local.stack import Stack
from local.state import State

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

PAIR = "eurusd"
MEBIBYTE = 1 << 20


def test_a_pair_at_full_size() -> None:
    with tempfile.TemporaryDirectory(prefix="bqx-full-") as folder:
        stack = Stack(State(Path(folder) / "state"))
        command = [sys.executable, "-m", "local", "run", "--state", str(stack.state.root)]
        try:
            done = subprocess.run(
                [*command, "--pairs", PAIR, "--profile", "full"], capture_output=True, text=True, cwd=ROOT
            )
            assert done.returncode == 0, done.stdout + done.stderr
            print(done.stdout[done.stdout.index("┏") :])
            bucket = stack.place_of(f"s3://{BUCKET}")._replace(prefix="")
            for model in ("rf", "xgb"):
                metrics = metrics_of(bucket, model)
                print(f"{model}: {metrics['seconds']}, {metrics['peak_memory_mib']:.0f} MiB")
                assert metrics["peak_memory_mib"] < 2048
        finally:
            stack.stop()


def metrics_of(bucket: ObjectStore, model: str) -> dict[str, dict[str, float] | float]:
    """What the job of a model says of itself; its archive is small enough for an endpoint of many models."""
    keys = [found.key for found in bucket.list("training/")]
    (result,) = (key for key in keys if f"{PAIR}-{model}-" in key and key.endswith("/result.json"))
    noted = json.loads(bucket.get(result) or b"")
    assert len(bucket.get(noted["model"]) or b"") < 50 * MEBIBYTE
    with tarfile.open(fileobj=io.BytesIO(bucket.get(noted["output"]) or b"")) as archive:
        stream = archive.extractfile("metrics.json")
        assert stream is not None
        return dict(json.load(stream))
