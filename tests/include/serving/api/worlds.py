"""The API with its real neighbours: bars in PostgreSQL, a routing table in S3, and the embedded endpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from include.features.catalogue import CATALOGUE
from include.market.synthetic import simulate
from include.names import to_minute
from include.objects import ObjectStore
from include.serving import code, online, routing
from include.serving.container.wire import Rows
from include.serving.routing import Route, Target
from include.storage.connection import connect
from local.airflow import ROOT
from local.postgres import Postgres
from tests import s3
from tests.hosting import create_config, wait
from tests.include.dataset import worlds
from tests.include.serving.api.fakes import TOKEN
from tests.include.storage.samples import store
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, process, wait_for
from tests.versions import HORIZONS, Version, version

FIRST, END = (to_minute(datetime(2024, 7, day, tzinfo=UTC)) for day in (15, 20))
PAIRS = ("audusd", "eurusd", "gbpusd", "usdjpy")
WINDOWS = {minutes: minutes for minutes in HORIZONS}
COLUMNS = 60  # features of each model


@dataclass(frozen=True)
class World:
    """What the API reaches.

    Attributes:
        aws: S3 and SageMaker.
        database: name of the database.
        url: of the database.
        minute: the last row.
        champions, challengers: versions by pair.
        variables: environment that leads there.
    """

    aws: Aws
    database: str
    url: str
    minute: int
    champions: Mapping[str, Version]
    challengers: Mapping[str, Version]
    variables: Mapping[str, str]

    def route(self, share: float = 0.0) -> None:
        """Let the challengers answer a share of the requests."""
        bucket = ObjectStore(self.aws.s3, BUCKET, "")
        routes = {
            pair: routing.split(Route(target(self.champions[pair])), target(self.challengers[pair]), share)
            for pair in PAIRS
        }
        columns = {known.feature_hash: list(known.columns) for known in self.champions.values()}
        routing.publish(bucket, lambda now: routing.assign(now, routes, columns, "bqx"), "a test", "run")

    def expected(self, known: Version) -> dict[int, float]:
        """What a version says of the last row, from its boosters and the features alone."""
        with connect(self.url) as connection:
            row = online.rows(connection, [known.pair], self.minute, known.columns, WINDOWS)[known.pair]
        q, s = ({w: np.array([value]) for w, value in part.items()} for part in (row.q, row.s))
        said = known.says(Rows(np.array([row.minute]), row.features[None, :], q, s))
        return {minutes: float(values[0]) for minutes, values in said.items()}


def target(known: Version) -> Target:
    return Target(
        known.name,
        known.target,
        known.feature_hash,
        f"decisions/{known.pair}/{known.name}.json",
        tuple(WINDOWS.items()),
    )


@contextmanager
def world(postgres: Postgres, folder: Path) -> Iterator[World]:
    """Everything but the API. The AWS is a process: it must not share its time with who measures."""
    with (
        worlds.database(postgres) as database,
        s3.served(folder / "s3") as bucket,
        process(folder / "aws", bucket.server_port) as (_, aws),
    ):
        url = postgres.url(database)
        bars = simulate(FIRST, END, 3, pairs=PAIRS)
        for pair in PAIRS:
            store(url, pair, bars[pair])
        minute = int(bars["eurusd"].ts[-1])
        names = _columns(url, minute)
        champions, challengers = (
            {pair: version(pair, seed + place, names=names) for place, pair in enumerate(PAIRS)}
            for seed in (1, 100)
        )
        _deploy(aws, (*champions.values(), *challengers.values()))
        variables = {
            "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ENDPOINT_URL_S3": aws.s3.meta.endpoint_url,
            "AWS_ACCESS_KEY_ID": aws.s3._request_signer._credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
            "BQX_DATABASE_URL": url, "BQX_S3_BUCKET": BUCKET, "BQX_API_TOKEN": TOKEN, "BQX_AS_OF": "last_bar",
        }  # fmt: skip
        found = World(aws, database, url, minute, champions, challengers, variables)
        found.route()
        yield found


@contextmanager
def api(world: World, port: int, log: Path) -> Iterator[None]:
    """The API as a process of its own."""
    command = [sys.executable, "-m", "include.serving.api", "--port", str(port)]
    kept = {name: os.environ[name] for name in ("PATH", "NUMBA_CACHE_DIR") if name in os.environ}
    variables = kept | dict(world.variables) | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
    with log.open("w") as stream, subprocess.Popen(command, env=variables, cwd=ROOT, stdout=stream) as child:
        try:
            wait_for(lambda: f"running on http://127.0.0.1:{port} " in log.read_text() or child.poll())
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)


def _columns(url: str, minute: int) -> tuple[str, ...]:
    """Features of several families that are known in the last row of every pair."""
    names = [column.full_name for family in CATALOGUE for column in family.columns[:40:4]]
    with connect(url) as connection:
        found = online.rows(connection, PAIRS, minute, names, WINDOWS)
    known = np.all([np.isfinite(row.features) for row in found.values()], axis=0)
    chosen = [name for name, is_known in zip(names, known, strict=True) if is_known][:COLUMNS]
    assert len(chosen) == COLUMNS
    return tuple(chosen)


def _deploy(aws: Aws, versions: tuple[Version, ...]) -> None:
    aws.put(code.code_key(), code.pack())
    for each in versions:
        aws.put(f"serving/models/{each.target}", each.archive)
    container: dict[str, Any] = {
        "Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/serving/models/",
        "Environment": {
            "SAGEMAKER_PROGRAM": code.ENTRY,
            "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{BUCKET}/{code.code_key()}",
        },
    }  # fmt: skip
    aws.sagemaker.create_model(ModelName="bqx", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    create_config(aws, "bqx", "bqx")
    aws.sagemaker.create_endpoint(EndpointName="bqx", EndpointConfigName="bqx")
    wait(aws, "bqx", "InService")
