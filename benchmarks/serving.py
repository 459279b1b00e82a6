"""One prediction of all horizons through the embedded endpoint, against xgboost in the process itself.

    python -m benchmarks.serving [--requests 2000] [--columns 195] [--rounds 500] [--clients 4]

The model is warm and the vector is there. What the endpoint adds is the client, the front, the model server,
the form of request and answer, and the checks. The goal is a P99 under 20 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from include.serving import code
from include.serving.container import wire
from tests.hosting import PREFIX, create_config, wait
from tests.s3 import served as s3_served
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, process
from tests.versions import Version, rows, version

GOAL = 20.0  # milliseconds


def deploy(aws: Aws, known: Version) -> None:
    """An endpoint with one instance and one model."""
    aws.put(code.code_key(), code.pack())
    aws.put(f"models/{known.target}", known.archive)
    environment = {
        "SAGEMAKER_PROGRAM": code.ENTRY,
        "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{BUCKET}/{code.code_key()}",
    }
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": PREFIX, "Environment": environment}
    aws.sagemaker.create_model(ModelName="bqx", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    create_config(aws, "bqx", "bqx")
    aws.sagemaker.create_endpoint(EndpointName="bqx", EndpointConfigName="bqx")
    wait(aws, "bqx", "InService")


def milliseconds(call: Callable[[], object], count: int) -> list[float]:
    """How long each of some calls took."""
    out = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        out.append((time.perf_counter() - began) * 1e3)
    return out


def show(name: str, times: list[float]) -> float:
    """Print percentiles; returns the 99th."""
    p50, p95, p99 = np.percentile(times, (50, 95, 99))
    print(f"  {name:34} P50 {p50:6.2f}  P95 {p95:6.2f}  P99 {p99:6.2f} ms")
    return float(p99)


def bare(known: Version, asked: wire.Rows) -> Callable[[], object]:
    """The boosters alone, as fast as xgboost says: `inplace_predict` with the offset."""
    x = asked.features.astype(np.float32)
    margins = {h: (-asked.q[h] / asked.s[h]).astype(np.float32) for h in asked.s}
    boosters: dict[int, Any] = known.boosters["xgboost"]

    def predict() -> None:
        for h, booster in boosters.items():
            booster.inplace_predict(x, base_margin=margins[h])

    return predict


def compare(aws: Aws, known: Version, requests: int, clients: int) -> None:
    """Ask the endpoint and xgboost in turn."""
    asked = rows(1, len(known.columns))
    client = aws.client("sagemaker-runtime")

    def ask() -> None:
        body = wire.request(known.name, known.feature_hash, asked)
        told = client.invoke_endpoint(
            EndpointName="bqx", TargetModel=known.target, ContentType=wire.CONTENT_TYPE, Body=body
        )
        wire.read_answer(told["Body"].read())

    first = milliseconds(ask, 1)[0]
    milliseconds(ask, 50)
    alone = bare(known, asked)
    milliseconds(alone, 50)
    show("xgboost in process", milliseconds(alone, requests))
    p99 = show("endpoint, one client", milliseconds(ask, requests))
    with ThreadPoolExecutor(clients) as pool:
        parts = pool.map(lambda _: milliseconds(ask, requests // clients), range(clients))
        show(f"endpoint, {clients} clients at once", [each for part in parts for each in part])
    print(f"  the first request, which loads the model: {first:.0f} ms")
    print(f"  P99 of one client {p99:.1f} ms    (goal: under {GOAL:.0f} ms)")
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=195)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    known = version(columns=given.columns, rounds=given.rounds)
    size = sum(len(body) for body in known.files.values())
    print(
        f"\nOne prediction of five horizons, {given.rounds} rounds, {given.columns} columns, {size:,} bytes"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        s3_served(Path(folder) / "s3") as store,
        process(Path(folder) / "aws", store.server_port) as (_, aws),
    ):
        deploy(aws, known)
        compare(aws, known, given.requests, given.clients)


if __name__ == "__main__":
    main()
