"""A deployment that is killed at any of its requests, and run again, ends as one that nobody disturbed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from include.objects import ObjectStore
from include.serving import deploy, routing
from include.training.requests import Account
from tests.clouds import Cloud, Killed, Runtime, Watch, Watched, clients
from tests.include.dataset.stores import empty_store
from tests.sagemaker import IMAGE, ROLE
from tests.serving import PARAMS, Deployment, decide

PAIRS = ("eurusd", "gbpusd")
SMALL = {"load_rate": 200, "load_seconds": 0.02, "bake_seconds": 0.02}
POINTS = 20  # of kills, in the tests that always run


class World(NamedTuple):
    """An endpoint that serves, and newer decisions: the next deployment changes everything there is."""

    bucket: ObjectStore
    cloud: Cloud

    def deployment(self, watch: Watch) -> Deployment:
        watched = self.bucket._replace(client=Watched(self.bucket.client, watch))
        account = Account(self.bucket.bucket, IMAGE, ROLE, "us-east-1")
        return Deployment(watched, clients(self.cloud, watch), Runtime(self.bucket), account)

    def deploy(self, watch: Watch, run: str = "run", action: str = "deploy", **params: Any) -> None:
        asked = PARAMS | SMALL | {"action": action, "pairs": list(PAIRS)}
        self.deployment(watch).tasks(asked | {"endpoint_instance_type": "ml.c5.large"} | params, run)

    def state(self) -> dict[str, Any]:
        """All that a deployment leaves, without who made it."""
        states = [state._replace(run="", why="") for state in routing.states(self.bucket)]
        keys = [found.key for found in self.bucket.list("")]
        return {"states": states, "keys": keys} | self.cloud.state()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with empty_store(tmp_path_factory.mktemp("s3")) as store:
        yield store._replace(prefix="")


FIRST: dict[str, Any] = {}  # what the first deployment left; it is always the same


def world(store: ObjectStore) -> World:
    store.delete([found.key for found in store.list("")])
    it = World(store, copy.deepcopy(FIRST.get("cloud", Cloud())))
    if FIRST:
        for key, body in FIRST["objects"].items():
            store.put(key, body)
    else:
        _deploy_first(it)
    for pair in PAIRS:
        decide(it.bucket, pair, seed=2)
    return it


def _deploy_first(it: World) -> None:
    decide(it.bucket, "eurusd")
    it.deploy(Watch(), pairs=["eurusd"], endpoint_instance_type="ml.m5.large")
    objects = {found.key: it.bucket.get(found.key) for found in it.bucket.list("")}
    FIRST.update(cloud=copy.deepcopy(it.cloud), objects=objects)


def after_kill(store: ObjectStore, number: int, done: bool, **params: Any) -> dict[str, Any]:
    """What is there after a deployment that was killed at a request, and another one."""
    it = world(store)
    with pytest.raises(Killed):
        it.deploy(Watch(number, done=done), **params)
    table = routing.read(it.bucket)
    assert set(table.pairs) >= {"eurusd"}, "what served serves, whatever happened"
    it.deploy(Watch(), "another run", **params)
    return it.state()


def undisturbed(store: ObjectStore) -> tuple[dict[str, Any], list[str]]:
    it, watch = world(store), Watch()
    it.deploy(watch)
    assert len(routing.read(it.bucket).pairs) == len(PAIRS)
    assert {"update_endpoint", "deregister_scalable_target", "put_object"} <= set(watch.seen)
    return it.state(), watch.seen


def test_killed_at_twenty_points(store: ObjectStore) -> None:
    wanted, seen = undisturbed(store)
    changing = [
        number for number, name in enumerate(seen) if not name.startswith(("get_", "describe_", "list_"))
    ]
    points = [changing[place * len(changing) // POINTS] for place in range(POINTS)]
    assert len(set(points)) == POINTS
    for place, number in enumerate(points):
        left = after_kill(store, number, done=place % 2 == 1)
        assert left == wanted, f"killed at request {number}, {seen[number]}"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_every_request(store: ObjectStore) -> None:
    wanted, seen = undisturbed(store)
    for number, name in enumerate(seen):
        for done in (False, True):
            left = after_kill(store, number, done)
            assert left == wanted, f"killed at request {number}, {name}, done {done}"


@pytest.mark.parametrize("action", ["split", "promote", "roll back"])
def test_the_table_was_changed_when_the_run_was_killed(store: ObjectStore, action: str) -> None:
    """Airflow runs the task again with the plan that was approved: nothing is changed twice."""
    it = world(store)
    it.deploy(Watch(), pairs=["eurusd"])
    decide(it.bucket, "eurusd", seed=3)
    if action != "split":
        it.deploy(Watch(), action="split", pairs=["eurusd"], share=0.3)
        it.deploy(Watch(), action="promote", pairs=["eurusd"]) if action == "roll back" else None
    asked = PARAMS | SMALL | {"action": action, "pairs": ["eurusd"], "share": 0.4}
    calm = it.deployment(Watch())
    planned = deploy.plan(calm.bucket, calm.clients, lambda: calm.account, "bqx", asked)
    if action == "split":
        deploy.pack(calm.bucket, planned)
    before = routing.read(it.bucket)
    torn = it.deployment(KillAtTable())
    with pytest.raises(Killed):
        deploy.route(torn.bucket, torn.clients, torn.runtime, planned, None, asked, "run")
    for _ in range(2):
        deploy.route(calm.bucket, calm.clients, calm.runtime, planned, None, asked, "run")
    assert routing.read(it.bucket).number == before.number + 1
    assert [state.number for state in routing.states(it.bucket)] == list(range(1, before.number + 2))
    assert routing.read(it.bucket).pairs["eurusd"].to_dict() == planned["changes"]["eurusd"]["after"]


class KillAtTable(Watch):
    """Kills after the routing table was changed, before the state was kept."""

    def call(self, name: str, operation: Any, *args: Any, **asked: Any) -> Any:
        told = super().call(name, operation, *args, **asked)
        if name == "put_object" and asked.get("Key") == routing.KEY:
            raise Killed(name)
        return told
