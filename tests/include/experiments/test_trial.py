"""A model that an experiment has trained is scored beside the champion, and the rule asks for enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.errors import MissingInput, NothingToDo, TrainingFailed
from include.experiments import trial
from include.experiments.forms import JUDGE
from include.objects import ObjectStore
from include.training.jobs import RESULT
from include.training.requests import Account, key_of
from local.postgres import Postgres
from tests.include.dataset import worlds as databases
from tests.include.dataset.stores import empty_store
from tests.include.retraining import worlds
from tests.include.retraining.test_cycle import first
from tests.include.retraining.worlds import PAIR, export, learn
from tests.include.storage.samples import store
from tests.sagemaker import IMAGE, ROLE
from tests.serving import trained
from tests.versions import Version

CONTENT, JOB = "e" * 64, "bqx-eurusd-xgb-0123456789abcdef"
PLANNED = {"dataset_id": "new", "content_hash": CONTENT, "jobs": [{"pair": PAIR, "name": JOB}]}


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    with databases.database(postgres) as name:
        store(postgres.url(name), PAIR, worlds.market(28)[PAIR])
        yield postgres.url(name)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path) as opened:
        whole = opened._replace(prefix="")
        export(whole, "old", 10)
        export(whole, "new", 14)
        yield whole


def complete(bucket: ObjectStore, known: Version, **about: Any) -> None:
    """What the job of the experiment leaves; `about` is of its model.json."""
    key = key_of(CONTENT, JOB, "output/model.tar.gz")
    bucket.put(key, trained(known, "xgboost", **about))
    bucket.put(key_of(CONTENT, JOB, RESULT), json.dumps({"model": key}).encode())


def test_better_params_are_proposed(url: str, bucket: ObjectStore) -> None:
    champion = first(bucket, learn(url, 14, "nothing"))
    complete(bucket, learn(url, 14))
    decisions = {found.key for found in bucket.list("decisions/")}
    told = trial.compare(url, bucket, PLANNED, PAIR, 20)
    assert told["gain"] > 0.03
    assert told["experiment"] == pytest.approx(told["champion"] + told["gain"])
    assert trial.conclude([told], [PAIR])["roll_out"]
    assert {found.key for found in bucket.list("decisions/")} == decisions == {champion.key}, (
        "nothing is decided"
    )


def test_looks_at_the_same_days_are_counted_and_params_that_differ_are_told(
    url: str, bucket: ObjectStore
) -> None:
    first(bucket, learn(url, 14, "nothing"))
    complete(
        bucket, learn(url, 14), hyperparameters={"pair": "x", "model": "xgboost", "rounds": 60, "eta": 0.1}
    )
    told = [trial.compare(url, bucket, PLANNED, PAIR, days) for days in (20, 20, 5)]
    assert [each["looks"] for each in told] == [1, 1, 1], "a task that runs again is no further look"
    assert told[0]["params"] == {"eta": [None, "0.1"], "rounds": ["3", "60"], "seed": ["7", None]}
    bucket.put(f"experiments/{PAIR}/{told[0]['to'][:10]}/another.json", b"{}")
    bucket.put(f"experiments/{PAIR}/2024-01-01/another.json", b"{}")
    assert trial.compare(url, bucket, PLANNED, PAIR, 20)["looks"] == 2


def test_a_form_that_asks_for_a_split_trains_nothing(bucket: ObjectStore) -> None:
    with pytest.raises(NothingToDo):
        trial.plan(bucket, Account("bqx", IMAGE, ROLE, "us-east-1"), {"action": JUDGE})


def test_what_is_not_there_is_named(url: str, bucket: ObjectStore) -> None:
    with pytest.raises(MissingInput, match="Nothing serves eurusd"):
        trial.compare(url, bucket, PLANNED, PAIR, 20)
    first(bucket, learn(url, 14, "nothing"))
    with pytest.raises(TrainingFailed, match=JOB):
        trial.compare(url, bucket, PLANNED, PAIR, 20)


def gains(*values: float) -> list[dict[str, Any]]:
    return [{"pair": f"pair{place}", "gain": value} for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "rolls"),
    [((0.031, 0.031), True), ((0.03, 0.03), False), ((0.2, -0.15), False), ((0.1, 0.0), True)],
)
def test_the_rule_is_about_the_mean_of_all_pairs(values: tuple[float, ...], rolls: bool) -> None:
    told = trial.conclude(gains(*values), ["pair0", "pair1"])
    assert told["roll_out"] is rolls
    with pytest.raises(TrainingFailed, match="Not compared: other"):
        trial.conclude([*gains(*values), None], ["pair0", "pair1", "other"])
