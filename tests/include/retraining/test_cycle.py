"""Whole cycles on bars with a planted signal: what learned it is promoted, what learned noise is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.errors import NothingToDo
from include.objects import ObjectStore
from include.reports import INDEX
from include.retraining import steps
from include.retraining.holdout import FOLDER
from include.retraining.rules import DEPLOY, KEEP, REVIEW
from include.serving import routing
from include.training.choice import record
from include.training.choice.record import Decision
from include.training.requests import Account
from local.postgres import Postgres
from tests.clouds import Cloud, Runtime, Watch, clients
from tests.include.dataset import worlds as databases
from tests.include.dataset.stores import empty_store
from tests.include.retraining import worlds
from tests.include.retraining.worlds import DAY, PAIR, START, decided, export, learn, planned
from tests.include.storage.samples import store
from tests.reports import in_folder
from tests.sagemaker import IMAGE, ROLE
from tests.serving import PARAMS, Deployment
from tests.versions import Version

SMALL = {"load_rate": 200, "load_seconds": 0.02, "bake_seconds": 0.02}


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    """Five weeks of one pair."""
    with databases.database(postgres) as name:
        store(postgres.url(name), PAIR, worlds.market(35)[PAIR])
        yield postgres.url(name)


@pytest.fixture(scope="module")
def models(url: str) -> dict[str, Version]:
    """Models of the first two or three weeks."""
    return {
        "nothing": learn(url, 14, "nothing"),
        "signal": learn(url, 14),
        "fresh": learn(url, 21),
        "noise": learn(url, 21, "noise"),
    }


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path / "s3") as opened:
        whole = opened._replace(prefix="")
        for name, days in (("old", 10), ("new", 14), ("newest", 21)):
            export(whole, name, days)
        yield whole


def deployment(bucket: ObjectStore) -> Deployment:
    account = Account(bucket.bucket, IMAGE, ROLE, "us-east-1")
    return Deployment(bucket, clients(Cloud(), Watch()), Runtime(bucket), account)


def serve(bucket: ObjectStore, params: dict[str, Any]) -> str:
    """Run bqx_deploy as the phase does; the version that serves."""
    it = deployment(bucket)
    told = it.tasks(PARAMS | {"instances": 1} | params | SMALL, "deploy")
    assert not told["plan"]["asks"], "the rules have decided, nobody is asked"
    return it.served(PAIR).champion.version


def cycle(
    url: str, bucket: ObjectStore, plan: dict[str, Any], folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compare and decide; the record of the pair, and what was decided."""
    found = steps.candidates(bucket, plan)
    compared = [steps.compare(url, bucket, plan, found, pair) for pair in steps.select(plan)]
    return compared[0], steps.decide(in_folder(folder / "reports"), plan, compared)


def first(bucket: ObjectStore, known: Version, dataset_id: str = "old") -> Decision:
    """A champion that serves already."""
    made = decided(bucket, dataset_id, known)
    deployment(bucket).tasks(PARAMS | SMALL | {"action": "deploy", "pairs": [PAIR]}, "first")
    return made


def test_a_planted_signal_is_promoted_and_noise_is_refused(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path
) -> None:
    before = first(bucket, models["nothing"])
    challenger = decided(bucket, "new", models["signal"])
    told, found = cycle(url, bucket, planned(28, "new"), tmp_path)
    assert (told["outcome"], told["rule"]) == (DEPLOY, "better or close")
    assert told["skill"]["challenger"] > 0.05 > told["skill"]["champion"] > -0.01
    assert told["holdout"]["first"] >= START + 14 * DAY + 195, "neither has seen any of it"
    assert told["champion"] == before.hash[:16]
    assert found["deploy"]["versions"] == {PAIR: challenger.hash[:16]}
    assert serve(bucket, steps.to_deploy(found, "deploy")) == challenger.hash[:16]
    # A week later a model of noise challenges it, on days that the champion was not promoted by.
    decided(bucket, "newest", models["noise"])
    later, found = cycle(url, bucket, planned(35, "newest", "scheduled__2"), tmp_path)
    assert later["holdout"]["first"] > told["holdout"]["end"]
    assert (later["outcome"], later["rule"]) == (REVIEW, "fall")
    assert later["skill"]["change"] < -0.05
    with pytest.raises(NothingToDo):
        steps.to_deploy(found, "deploy")
    assert "skill now" in found["question"]
    assert routing.read(bucket).pairs[PAIR].champion.version == challenger.hash[:16], "it serves on"


def test_what_learned_the_same_from_newer_data_replaces_it(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path
) -> None:
    first(bucket, models["signal"], "new")
    decided(bucket, "newest", models["fresh"])
    told, _ = cycle(url, bucket, planned(35, "newest"), tmp_path)
    assert abs(told["skill"]["change"]) < 0.02
    assert told["outcome"] == DEPLOY


def test_a_task_that_is_run_again_after_the_deployment_finds_what_was_decided(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path
) -> None:
    first(bucket, models["nothing"])
    decided(bucket, "new", models["signal"])
    told, found = cycle(url, bucket, planned(28, "new"), tmp_path)
    serve(bucket, found["deploy"])
    again, found_again = cycle(url, bucket, planned(28, "new"), tmp_path)
    assert (again, found_again) == (told, found)
    assert len(list(bucket.list(FOLDER))) == 1


def test_too_few_days_that_neither_has_seen_compare_nothing(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path
) -> None:
    first(bucket, models["nothing"])
    decided(bucket, "new", models["signal"])
    told, _ = cycle(url, bucket, planned(19, "new"), tmp_path)
    assert (told["outcome"], told["rule"]) == (KEEP, "too few days")


def test_a_missing_column_is_for_a_person(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.serving import online

    many = online.many

    def lacking(connection: Any, pairs: Any, *rest: Any) -> Any:
        found = many(connection, pairs, *rest)
        one = found[PAIR]
        if "reg_idx__w30_lin_slope" in rest[2]:
            column = list(rest[2]).index("reg_idx__w30_lin_slope")
            one.features[::10, column] = float("nan")  # a tenth of the rows
        return found

    first(bucket, models["nothing"])
    decided(bucket, "new", models["signal"])
    monkeypatch.setattr(online, "many", lacking)
    told, found = cycle(url, bucket, planned(28, "new"), tmp_path)
    assert (told["outcome"], told["rule"]) == (REVIEW, "critical feature missing")
    assert told["missing"] == ["reg_idx__w30_lin_slope"]
    assert "reg_idx__w30_lin_slope" in found["question"].replace("\\", "")


@pytest.mark.parametrize(
    ("changes", "outcome", "rule"),
    [
        ({"deployable": False, "why_not": "It is suspicious."}, KEEP, "no challenger"),
        ({"windows": dict.fromkeys(("15", "30", "45", "60", "75"), 15)}, REVIEW, "other windows"),
    ],
)
def test_what_cannot_be_compared_changes_nothing(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path, changes: dict[str, Any],
    outcome: str, rule: str,
) -> None:  # fmt: skip
    first(bucket, models["nothing"])
    decided(bucket, "new", models["signal"], **changes)
    told, _ = cycle(url, bucket, planned(28, "new"), tmp_path)
    assert (told["outcome"], told["rule"]) == (outcome, rule)


def test_a_champion_whose_data_set_is_gone_is_for_a_person(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path
) -> None:
    first(bucket, models["nothing"])
    bucket.delete([found.key for found in bucket.list("datasets/old/")])
    decided(bucket, "new", models["signal"])
    told, _ = cycle(url, bucket, planned(28, "new"), tmp_path)
    assert (told["outcome"], told["rule"]) == (REVIEW, "champion unknown")


def test_a_decision_of_another_data_set_is_no_challenger(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path
) -> None:
    first(bucket, models["nothing"])
    told, found = cycle(url, bucket, planned(28, "new"), tmp_path)
    assert (told["outcome"], told["rule"]) == (KEEP, "no challenger")
    assert found["deploy"] is None
    assert found["review"] is None


def test_the_first_model_of_a_pair_is_deployed(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path
) -> None:
    made = decided(bucket, "new", models["signal"])
    told, found = cycle(url, bucket, planned(28, "new"), tmp_path)
    assert (told["outcome"], told["rule"]) == (DEPLOY, "first")
    assert serve(bucket, found["deploy"]) == made.hash[:16]


def test_the_page_says_both_skills_and_the_mail_says_why(
    url: str, bucket: ObjectStore, models: dict[str, Version], tmp_path: Path, db: psycopg.Connection,
    database_url: str,
) -> None:  # fmt: skip
    first(bucket, models["nothing"])
    decided(bucket, "new", models["signal"])
    plan = planned(28, "new")
    told, found = cycle(url, bucket, plan, tmp_path)
    page = (in_folder(tmp_path / "reports").read(steps.KIND, plan["run"], INDEX) or b"").decode()
    assert f"{told['skill']['champion']:.4f}" in page
    assert f"{told['skill']['challenger']:.4f}" in page
    steps.begin(database_url, plan["run"], "scheduled")
    steps.conclude(database_url, plan["run"], plan, found, [])
    rows = db.execute("SELECT title, severity, kind, lines, link FROM bqx.alerts").fetchall()
    assert rows == [
        ("Retraining on data until 2024-07-29: Pairs: 1 deploy.", "information", "report",
         [f"deploy {PAIR}: {told['why']}"], found["report"]),
    ]  # fmt: skip
    assert db.execute("SELECT state, report FROM bqx.retrainings").fetchall() == [
        ("decided", found["report"])
    ]
    assert record.current(bucket, PAIR) is not None
