"""What the task `track` records of models that were really trained, scored and chosen between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.dataset.export import open_manifest
from include.errors import MissingInput, QualityError
from include.objects import ObjectStore
from include.reports import Reports
from include.tracking import outbox
from include.tracking.mlflow_tracker import MlflowTracker
from include.training import scoring
from include.training.jobs import result_of
from include.training.tracking import track
from tests.include.training import test_jobs as training
from tests.sagemaker import BUCKET, Aws, served

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]  # MLflow's own warnings
RUN = "manual__2026-11-02T12:00:00+00:00"
DOWN = "postgresql://bqx:hunter2@127.0.0.1:9/mlflow"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with served(tmp_path_factory.mktemp("aws"), slots=2) as it:
        yield it


@pytest.fixture(scope="module")
def bucket(aws: Aws) -> ObjectStore:
    return ObjectStore(aws.s3, BUCKET, "")


@pytest.fixture(scope="module")
def planned(aws: Aws, bucket: ObjectStore) -> dict[str, Any]:
    """Two pairs, both models: trained, and on the leaderboard of the run."""
    training.dataset(bucket, "tracked", days=30)
    planned = training.plan(bucket, dataset_id="tracked", backtest_pairs=None)
    training.train(aws, bucket, planned)
    scoring.report(bucket, Reports(bucket._replace(prefix="reports")), planned, None, RUN)
    return planned


@pytest.fixture(scope="module")
def choice(bucket: ObjectStore, planned: dict[str, Any]) -> dict[str, Any]:
    """XGBoost for eurusd, the forest for gbpusd, which may not be deployed."""
    chosen = {"eurusd": "xgboost", "gbpusd": "random_forest"}
    return {"records": {pair: decide(bucket, planned, pair, model) for pair, model in chosen.items()}}


def decide(bucket: ObjectStore, planned: dict[str, Any], pair: str, *models: str) -> str:
    """Write a decision record; several models are an ensemble."""
    jobs = {job["model"]: job["name"] for job in planned["jobs"] if job["pair"] == pair}
    results = {model: result_of(bucket, planned["content_hash"], jobs[model]) or {} for model in models}
    record = {
        "format": 1,
        "pair": pair,
        "dataset_id": planned["dataset_id"],
        "content_hash": planned["content_hash"],
        "chosen": models[0] if len(models) == 1 else "ensemble",
        "archives": [
            {
                "model": model, "weight": 0.6 if model == "xgboost" else 0.4, "job": result["job"],
                "key": result["model"], "sha256": sha256(bucket.get(result["model"]) or b""),
            }
            for model, result in results.items()
        ],
        "deployable": pair == "eurusd",
        "rule": "the simpler one",
        "rationale": ["The other is not better, so the simpler one stays."],
    }  # fmt: skip
    body = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    key = f"decisions/{pair}/{sha256(body)[:16]}.json"
    bucket.put_once(key, body)
    return key


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def names(planned: dict[str, Any]) -> list[str]:
    return sorted(job["name"] for job in planned["jobs"])


def test_parameters_scores_lineage_and_choice_of_every_model(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any], store_uri: str, mlflow_runs: Any
) -> None:
    told = track(bucket, store_uri, planned, None, choice, RUN)
    assert told == {"tracked": 4, "waiting": 0, "summary": "4 models were recorded in MLflow."}
    runs = {run.info.run_name: run for run in mlflow_runs("bqx-")}
    assert sorted(runs) == names(planned)
    scores = json.loads(
        Reports(bucket._replace(prefix="reports")).read("training", RUN, "scores.json") or b""
    )
    manifest = open_manifest(bucket._replace(prefix="datasets"), "tracked")
    for job in planned["jobs"]:
        data = runs[job["name"]].data
        own = [
            block
            for block in scores["sets"]["test"]["blocks"]
            if (block["pair"], block["model"]) == (job["pair"], job["model"])
        ]
        assert len(own) == 5
        for block in own:
            for name in ("r2", "da"):
                assert data.metrics[f"test/{name}_h{block['h']}"] == block["whole"][name]["model"]
                assert data.metrics[f"test/{name}_no_skill_h{block['h']}"] == block["whole"][name]["no_skill"]
            assert data.metrics[f"test/skill_h{block['h']}"] == block["whole"]["skill"]["value"]
            assert data.metrics[f"test/coverage_h{block['h']}"] == block["whole"]["coverage"]["value"]
            assert data.tags[f"bqx.verdict.test.h{block['h']}"] == block["verdict"]
        assert {"test/r2_mean", "val/r2_mean", "val/skill_h75", "job/seconds"} <= data.metrics.keys()
        assert data.params["seed"] == "7"
        assert ("rounds" if job["model"] == "xgboost" else "trees") in data.params
        tags = {name.removeprefix("bqx."): value for name, value in data.tags.items()}
        assert (tags["dataset"], tags["content_hash"]) == ("tracked", manifest.content_hash)
        assert tags["catalogue_hash"] == manifest.catalogue_hash
        assert len(tags["code_hash"]) == len(tags["manifest_hash"]) == 64
        assert bucket.get(tags["archive"].removeprefix(f"s3://{BUCKET}/"))
        assert tags["decision"] == choice["records"][job["pair"]]
        chosen = {"eurusd": "xgboost", "gbpusd": "random_forest"}[job["pair"]]
        assert (tags["choice"], tags["chosen"]) == (chosen, str(chosen == job["model"]).lower())
        assert tags["deployable"] == str(job["pair"] == "eurusd").lower()
        card = bucket.get(f"{runs[job['name']].info.artifact_uri.removeprefix(f's3://{BUCKET}/')}/card.json")
        assert json.loads(card or b"")["pair"] == job["pair"]
    assert list(bucket.list(outbox.FOLDER)) == []


def test_a_server_that_is_down_for_a_whole_run_is_caught_up_with(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any], store_uri: str, mlflow_runs: Any
) -> None:
    told = track(bucket, DOWN, planned, None, choice, RUN)
    assert (told["tracked"], told["waiting"]) == (0, 4)
    assert f"4 records wait in s3://{BUCKET}/tracking/outbox/" in told["summary"]
    assert "clear the task record" in told["summary"]
    assert "hunter2" not in json.dumps(told)
    nobody = planned | {"jobs": []}  # the next run has nothing of its own to tell
    told = track(bucket, store_uri, nobody, None, choice, RUN)
    assert (told["tracked"], told["waiting"]) == (4, 0)
    assert sorted(run.info.run_name for run in mlflow_runs("bqx-")) == names(planned)


def test_a_task_that_is_killed_and_run_again(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any], store_uri: str, mlflow_runs: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    deliver, calls = MlflowTracker.deliver, []

    def killed(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        deliver(*args)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, "deliver", killed)
        with pytest.raises(KeyboardInterrupt):
            track(bucket, store_uri, planned, None, choice, RUN)
    assert len(list(bucket.list(outbox.FOLDER))) == 2
    assert track(bucket, store_uri, planned, None, choice, RUN)["waiting"] == 0
    assert sorted(run.info.run_name for run in mlflow_runs("bqx-")) == names(planned)


def test_an_ensemble_chooses_its_members(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any], store_uri: str, mlflow_runs: Any
) -> None:
    both = decide(bucket, planned, "eurusd", "xgboost", "random_forest")
    mixed = {"records": choice["records"] | {"eurusd": both}}
    assert track(bucket, store_uri, planned, None, mixed, RUN)["tracked"] == 4
    tags = [run.data.tags for run in mlflow_runs("bqx-eurusd")]
    assert [(each["bqx.choice"], each["bqx.chosen"]) for each in tags] == [("ensemble", "true")] * 2


def test_networks_are_recorded_like_the_others(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any], store_uri: str
) -> None:
    trees, networks = planned | {"jobs": planned["jobs"][:2]}, planned | {"jobs": planned["jobs"][2:]}
    assert track(bucket, store_uri, trees, networks, choice, RUN)["tracked"] == 4


def test_without_a_connection_nothing_is_written(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any]
) -> None:
    told = track(bucket, None, planned, None, choice, RUN)
    assert (told["tracked"], told["waiting"]) == (0, 0)
    assert "no connection bqx_mlflow" in told["summary"]
    assert list(bucket.list(outbox.FOLDER)) == []


def test_what_is_missing_is_named(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any]
) -> None:
    with pytest.raises(MissingInput, match=r"other-run/scores.json is not there. Clear the task report"):
        track(bucket, DOWN, planned, None, choice, "other-run")
    gone = {"records": {"eurusd": "decisions/eurusd/none.json"}}
    with pytest.raises(QualityError, match=r"decisions/eurusd/none.json is gone.*clear the task choose"):
        track(bucket, DOWN, planned, None, gone, RUN)


def test_a_model_that_was_not_trained_is_left_out(
    bucket: ObjectStore, planned: dict[str, Any], choice: dict[str, Any], store_uri: str, tmp_path: Path
) -> None:
    more = [*planned["jobs"], {"pair": "usdjpy", "model": "xgboost", "name": "none", "request_hash": "0"}]
    assert track(bucket, store_uri, planned | {"jobs": more}, None, choice, RUN)["tracked"] == 4
