"""Decisions whose models can be served: tiny archives of training jobs, and the records that name them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from include.errors import NothingToDo
from include.forms import DEPLOY_PARAMS
from include.objects import ObjectStore
from include.serving import deploy, endpoint, routing
from include.serving.endpoint import Clients
from include.serving.requests import Wanted
from include.serving.routing import Route
from include.training.archive import pack_files
from include.training.choice import record
from include.training.choice.record import Decision
from include.training.requests import Account
from tests.versions import HORIZONS, Version, version

PATIENCE = 60.0  # seconds, on a busy machine
DATASET = "c" * 64  # content hash of the data set that all of them learned from
# What the form of bqx_deploy has for a small endpoint that is measured for a moment.
PARAMS: dict[str, Any] = {name: schema["default"] for name, schema in DEPLOY_PARAMS.items()} | {
    "dry_run": False,
    "bake_seconds": 0,
    "load_rate": 40,
    "load_seconds": 0.5,
    "quiet_seconds": 0,
    "poll_seconds": 1,
    "instances": 1,
    "p99_ms": 60_000,  # a busy machine is no failure
}


def trained(known: Version, member: str, **changes: Any) -> bytes:
    """The archive that a training job of a member would have left; `changes` are of model.json."""
    files = {
        name.removeprefix(f"{member}/"): body
        for name, body in known.files.items()
        if name.startswith(f"{member}/")
    }
    about = json.loads(files["model.json"]) | {"content_hash": DATASET} | changes
    return pack_files(files | {"model.json": json.dumps(about).encode()})


def decide(
    bucket: ObjectStore,
    pair: str = "eurusd",
    seed: int = 1,
    *,
    members: tuple[str, ...] = ("xgboost",),
    columns: int = 6,
    about: Mapping[str, Any] | None = None,
    known: Version | None = None,
    **changes: Any,
) -> Decision:
    """Leave the archives of training jobs in the bucket, and decide for them.

    Args:
        bucket: the whole bucket.
        pair: decided about.
        seed: another one makes another model.
        members: models of the decision.
        columns: how many features.
        about: what is other in each model.json.
        known: the version that is decided for, in place of a tiny one.
        changes: of the record.
    """
    known = known or version(pair, seed, columns, members=members)
    archives = []
    for member in members:
        body = trained(known, member, **(about or {}))
        digest = hashlib.sha256(body).hexdigest()
        key = f"training/{DATASET[:16]}/bqx-{pair}-{member}-{digest[:16]}/output/model.tar.gz"
        bucket.put(key, body)
        weight = known.weights[member]
        archives.append({"model": member, "weight": weight, "job": "job", "key": key, "sha256": digest})
    content = {
        "format": 1, "pair": pair, "dataset_id": "tiny", "content_hash": DATASET,
        "windows": {str(h): h for h in HORIZONS},
        "columns_hash": known.feature_hash,
        "chosen": members[-1], "archives": archives, "deployable": True, "why_not": "",
        "scores": {members[-1]: {"val": {"r2": {"model": 0.4}}}},
    } | changes  # fmt: skip

    def decided(before: Decision | None) -> dict[str, Any]:
        incumbent = None if before is None else before.incumbent
        return content | {"previous": None if before is None else before.hash, "incumbent": incumbent}

    return record.write(bucket, pair, decided)


@dataclass
class Deployment:
    """Runs of bqx_deploy, one task after the other, without Airflow.

    Attributes:
        bucket: the whole bucket.
        clients: of AWS.
        runtime: client that asks the endpoint.
        account: where it runs.
        runs: how many there were; part of their names.
    """

    bucket: ObjectStore
    clients: Clients
    runtime: Any
    account: Account
    runs: int = 0

    def run(self, action: str = "deploy", *pairs: str, **params: Any) -> dict[str, Any]:
        """Plan, pack, prepare, update the endpoint, check, route, conclude.

        Returns:
            What each task returned, by task; without those that were skipped.
        """
        self.runs += 1
        asked = PARAMS | {"action": action, "pairs": list(pairs or ("eurusd",))} | params
        return self.tasks(asked, f"run {self.runs}")

    def tasks(self, asked: dict[str, Any], run: str) -> dict[str, Any]:
        """The tasks of a run, with the params of its form."""

        def account() -> Account:
            assert asked["action"] in ("deploy", "split"), "routes change without image and role"
            return self.account

        told: dict[str, Any] = {}
        planned = told["plan"] = deploy.plan(self.bucket, self.clients, account, "bqx", asked)
        with suppress(NothingToDo):
            told["pack"] = deploy.pack(self.bucket, planned)
            place = told["prepare"] = deploy.prepare(self.bucket, self.clients, planned)
            told["endpoint"] = self.endpoint(Wanted(**place))
            told["check"] = deploy.check(
                self.bucket, self.clients, self.runtime, planned, told["pack"], asked
            )
        with suppress(NothingToDo):
            told["route"] = deploy.route(
                self.bucket, self.clients, self.runtime, planned, told.get("pack"), asked, run
            )
            deploy.conclude(self.bucket, self.clients, planned, told.get("pack"), asked)
        return json.loads(json.dumps(told))  # as XComs travel

    def endpoint(self, wanted: Wanted) -> int:
        """What the operator does; returns how many steps it took."""
        begun, steps = False, 0
        deadline = time.monotonic() + PATIENCE
        while True:
            step = endpoint.ensure_endpoint(self.clients, wanted, begun)
            begun, steps = step.begun, steps + 1
            if step.ready:
                return steps
            assert time.monotonic() < deadline, "the endpoint does not come to rest"
            time.sleep(0.02)

    def served(self, pair: str = "eurusd") -> Route:
        """Who answers for a pair."""
        return routing.read(self.bucket).pairs[pair]


def version_of(decision: Decision) -> str:
    """The model version of a decision."""
    return decision.hash[:16]
