"""A run of bqx_train at small size: planned, really trained by the embedded AWS, noted and scored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include import forms, settings
from include.errors import MissingInput, NothingToDo, SuspiciousScore, TrainingFailed
from include.objects import ObjectStore
from include.training import choosing, jobs, scoring
from include.training.requests import Account
from tests.include.training.worlds import make_dataset
from tests.reports import in_folder
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, served

PARAMS: dict[str, Any] = {
    **{name: schema["default"] for name, schema in forms.TRAINING_PARAMS.items()},
    "pairs": None, "dry_run": False, "threads": 1, "forest_trees": 10, "rounds": 20,
    "backtest_pairs": ["eurusd"], "fold_train_days": 60, "fold_test_days": 30, "fold_step_days": 30,
}  # fmt: skip
ACCOUNT = Account(BUCKET, IMAGE, ROLE, "us-east-1")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with served(tmp_path_factory.mktemp("aws"), slots=2) as it:
        yield it


@pytest.fixture
def bucket(aws: Aws) -> ObjectStore:
    return ObjectStore(aws.s3, BUCKET, "")


def dataset(bucket: ObjectStore, name: str, **market: Any) -> str:
    return make_dataset(bucket._replace(prefix="datasets"), dataset_id=name, **market)


def train(aws: Aws, bucket: ObjectStore, planned: dict[str, Any]) -> None:
    """What the tasks `train` do, without Airflow."""
    for request in planned["requests"]:
        aws.sagemaker.create_training_job(**request)
    for request in planned["requests"]:
        name = request["TrainingJobName"]
        description = aws.wait(name)
        assert description["TrainingJobStatus"] == "Completed", description.get("FailureReason")
        jobs.record(bucket, request, description)


def plan(bucket: ObjectStore, **params: Any) -> dict[str, Any]:
    return jobs.plan(bucket, ACCOUNT, PARAMS | params)


@pytest.mark.timeout(600)
def test_a_martingale_has_no_skill_and_is_trained_once(aws: Aws, bucket: ObjectStore, tmp_path: Path) -> None:
    dataset(bucket, "martingale", days=200, seed=3)
    planned = plan(bucket, dataset_id="martingale")
    assert [(job["pair"], job["model"]) for job in planned["jobs"]] == [
        (pair, model) for pair in ("eurusd", "gbpusd") for model in settings.MODELS
    ]
    train(aws, bucket, planned)
    assert not [key for key in aws.keys("training/") if "/checkpoints/" in key], "nobody goes on from them"
    told = scoring.report(bucket, in_folder(tmp_path), planned, None, "run 1")
    page = Path(told["report"])
    assert page.read_text().startswith("<!doctype html>")
    scores = json.loads((page.parent / "scores.json").read_text())
    verdicts = [block["verdict"] for block in scores["sets"]["test"]["blocks"]]
    assert len(verdicts) == 20
    assert set(verdicts) == {"no skill"}

    again = plan(bucket, dataset_id="martingale")
    assert again["requests"] == []
    with pytest.raises(NothingToDo, match=r"All 4 models of data set martingale exist already: nothing is"):
        jobs.select(again)


@pytest.mark.timeout(600)
def test_a_planted_signal_is_found_and_stops_the_pipeline(
    aws: Aws, bucket: ObjectStore, tmp_path: Path
) -> None:
    dataset(bucket, "planted", days=200, signal=0.6, pairs=["eurusd"])
    planned = plan(bucket, dataset_id="planted", models=["xgboost"])
    train(aws, bucket, planned)
    with pytest.raises(SuspiciousScore, match="lag__momentum"):
        scoring.report(bucket, in_folder(tmp_path), planned, None, "run 1")
    assert (tmp_path / "training").exists(), "the page that one has to look at"


def test_jobs_that_failed_are_named_and_the_others_reported(
    aws: Aws, bucket: ObjectStore, tmp_path: Path
) -> None:
    dataset(bucket, "few", days=12)
    planned = plan(bucket, dataset_id="few", models=["xgboost"])
    train(aws, bucket, planned | {"requests": planned["requests"][:1]})
    scoring.report(bucket, in_folder(tmp_path), planned, None, "run 1")
    chosen = choosing.choose(bucket, in_folder(tmp_path), planned, None, None, None, "run 1")
    with pytest.raises(TrainingFailed, match=r"1 models are missing: gbpusd xgboost\..*index.html"):
        choosing.conclude(chosen)
    left = plan(bucket, dataset_id="few", models=["xgboost"])
    assert [request["HyperParameters"]["pair"] for request in left["requests"]] == ["gbpusd"]
    with pytest.raises(TrainingFailed, match="None of the 1 jobs"):
        scoring.report(bucket, in_folder(tmp_path), left | {"jobs": left["jobs"][1:]}, None, "run 2")


def test_a_dry_run_writes_nothing(aws: Aws, bucket: ObjectStore) -> None:
    dataset(bucket, "dry", days=9)
    before = set(aws.keys("training/"))
    planned = plan(bucket, dataset_id="dry", dry_run=True)
    assert set(aws.keys("training/")) == before
    with pytest.raises(NothingToDo, match="Dry run"):
        jobs.select(planned)


def test_without_a_name_the_newest_data_set_is_taken(bucket: ObjectStore) -> None:
    dataset(bucket, "zz-newest", days=9)
    assert plan(bucket)["dataset_id"] == "zz-newest"
    announced = {"dataset_id": "dry", "by": "manual"}
    dataset(bucket, "dry", days=9)
    assert jobs.plan(bucket, ACCOUNT, PARAMS, announced)["dataset_id"] == "dry"


def test_a_data_set_of_the_pipeline_is_left_to_the_pipeline(bucket: ObjectStore) -> None:
    with pytest.raises(NothingToDo, match="bqx_pipeline made data set any and trains it itself"):
        jobs.plan(bucket, ACCOUNT, PARAMS, {"dataset_id": "any", "by": "operator_triggered"})


def test_a_data_set_that_is_not_there_is_named(bucket: ObjectStore) -> None:
    with pytest.raises(MissingInput, match="no data set nowhere"):
        plan(bucket, dataset_id="nowhere")
