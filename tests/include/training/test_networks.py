"""The networks beside the trees: planned, really trained by the embedded AWS, noted and scored."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include import forms
from include.errors import MissingInput
from include.objects import ObjectStore
from include.training import archive, jobs
from include.training.requests import Account
from include.training.truth.reduce import FILES, reduce_job
from tests import sagemaker
from tests.include.training.worlds import MOMENTUM, make_dataset
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, served

NETWORKS_IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13"
ACCOUNT = Account(BUCKET, IMAGE, ROLE, "us-east-1", NETWORKS_IMAGE)
PARAMS: dict[str, Any] = {
    **{name: schema["default"] for name, schema in forms.TRAINING_PARAMS.items()},
    "pairs": None, "dry_run": False, "threads": 1, "epochs": 4, "hidden_size": 8, "encoder_length": 4,
    "train_stride": 10,
}  # fmt: skip


@pytest.fixture
def aws(tmp_path: Path, networks_python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    monkeypatch.setattr(sagemaker, "PATIENCE", 1500.0)  # the time-out of the test ends it
    images = ((IMAGE, sys.executable), (NETWORKS_IMAGE, str(networks_python)))
    with served(tmp_path / "aws", slots=2, images=images) as it:
        yield it


def train(aws: Aws, bucket: ObjectStore, requests: list[dict[str, Any]]) -> None:
    """What the tasks do, without Airflow."""
    for request in requests:
        aws.sagemaker.create_training_job(**request)
    for request in requests:
        name = request["TrainingJobName"]
        description = aws.wait(name)
        assert description["TrainingJobStatus"] == "Completed", description.get("FailureReason")
        jobs.record(bucket, request, description)


def prepared(bucket: ObjectStore, **market: Any) -> dict[str, Any]:
    """What `plan` says of a data set."""
    name = make_dataset(bucket._replace(prefix="datasets"), **market)
    return jobs.plan(bucket, ACCOUNT, PARAMS | {"dataset_id": name})


def files(aws: Aws, key: str) -> dict[str, bytes]:
    return {name.removeprefix("./"): body for name, body in aws.files(key).items()}


@pytest.mark.timeout(300)
def test_both_networks_are_trained_by_the_contract_of_the_trees(aws: Aws) -> None:
    bucket = ObjectStore(aws.s3, BUCKET, "")
    planned = prepared(bucket, pairs=["eurusd"], days=12, signal=0.9)
    mine = jobs.plan_networks(bucket, ACCOUNT, PARAMS, planned, ["eurusd"])
    assert mine["summary"] == "2 of 2 models of data set tiny are to be trained."
    assert [job["name"][: len("bqx-eurusd-tft-")] for job in mine["jobs"]] == [
        "bqx-eurusd-tft-",
        f"bqx-eurusd-mt-{mine['jobs'][1]['request_hash'][0]}",
    ]
    train(aws, bucket, mine["requests"])
    for job in mine["jobs"]:
        result = jobs.result_of(bucket, mine_hash(planned), job["name"])
        assert result is not None
        _check_output(job["model"], files(aws, result["output"]))
        _check_model(job["model"], files(aws, result["model"]))
    again = jobs.plan_networks(bucket, ACCOUNT, PARAMS, planned, ["eurusd"])
    assert (again["jobs"], again["requests"]) == (mine["jobs"], [])


def mine_hash(planned: dict[str, Any]) -> str:
    return str(planned["content_hash"])


def _check_output(model: str, output: dict[str, bytes]) -> None:
    assert set(output) == set(FILES)
    reduce_job("eurusd", model, output)  # the report takes it
    metrics = json.loads(output["metrics.json"])
    assert metrics["backtest"] == {"folds": 0, "why_none": "the backtest was not asked for"}
    assert metrics["skill"]["test"]["h15"] > 0.1, "the signal was planted to be found"
    assert set(metrics["rounds"]) == {f"h{h}" for h in (15, 30, 45, 60, 75)}
    card = json.loads(output["card.json"])
    assert card["stopping"].startswith("the epoch with the smallest error on")


def _check_model(model: str, content: dict[str, bytes]) -> None:
    assert set(content) == {"model.json", "network.safetensors"}
    about = json.loads(content["model.json"])
    assert about["code_hash"] == archive.code_hash(model)
    assert about["versions"]["torch"].startswith("2.13.0")
    assert {each["file"] for each in about["horizons"]} == {"network.safetensors"}
    assert all(each["half_width"] > 0 for each in about["horizons"])
    assert MOMENTUM in about["inputs"]["observed"]
    assert not set(about["inputs"]["known"]) & set(about["columns"])


def test_without_their_image_networks_are_not_planned(tmp_path: Path) -> None:
    with served(tmp_path / "aws") as aws:
        bucket = ObjectStore(aws.s3, BUCKET, "")
        planned = prepared(bucket, days=9)
        with pytest.raises(MissingInput, match="bqx_networks_image is not set"):
            jobs.plan_networks(bucket, ACCOUNT._replace(networks_image=""), PARAMS, planned, ["eurusd"])


def test_pairs_and_networks_are_those_that_are_asked_for(tmp_path: Path) -> None:
    with served(tmp_path / "aws") as aws:
        bucket = ObjectStore(aws.s3, BUCKET, "")
        planned = prepared(bucket, days=9)
        mine = jobs.plan_networks(
            bucket, ACCOUNT, PARAMS | {"networks": ["multi_task"]}, planned, ["gbpusd", "eurusd"]
        )
        assert [(job["pair"], job["model"]) for job in mine["jobs"]] == [
            ("gbpusd", "multi_task"),
            ("eurusd", "multi_task"),
        ]
        none = jobs.plan_networks(bucket, ACCOUNT, PARAMS, planned, [])
        assert (none["jobs"], none["requests"]) == ([], [])
        codes = {request["HyperParameters"]["sagemaker_submit_directory"] for request in mine["requests"]}
        trees = {request["HyperParameters"]["sagemaker_submit_directory"] for request in planned["requests"]}
        assert len(codes) == len(trees) == 1
        assert not codes & trees
        assert bucket.get(codes.pop().removeprefix(f"s3://{BUCKET}/")) == archive.pack("multi_task")
        dry = jobs.plan_networks(bucket, ACCOUNT, PARAMS | {"dry_run": True}, planned, ["gbpusd"])
        assert (
            bucket.get(f"training/{planned['content_hash'][:16]}/{dry['jobs'][0]['name']}/input.json") is None
        )


def test_the_embedded_aws_says_how_to_make_the_environment(tmp_path: Path) -> None:
    nowhere = tmp_path / ".venv-tft" / "bin" / "python"
    with served(tmp_path / "aws", images=((NETWORKS_IMAGE, str(nowhere)), (IMAGE, sys.executable))) as aws:
        bucket = ObjectStore(aws.s3, BUCKET, "")
        planned = prepared(bucket, days=9)
        request = jobs.plan_networks(bucket, ACCOUNT, PARAMS, planned, ["eurusd"])["requests"][0]
        with pytest.raises(aws.sagemaker.exceptions.ClientError, match="make tft"):
            aws.sagemaker.create_training_job(**request)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_six_months_of_two_pairs(aws: Aws) -> None:
    """Both networks of both pairs learn six months, and each job is interrupted once."""
    bucket = ObjectStore(aws.s3, BUCKET, "")
    planned = prepared(bucket, days=182, signal=0.6, columns=40)
    params = PARAMS | {"epochs": 5, "hidden_size": 16, "encoder_length": 8, "train_stride": 60}
    mine = jobs.plan_networks(bucket, ACCOUNT, params, planned, ["eurusd", "gbpusd"])
    for request in mine["requests"]:
        aws.sagemaker.create_training_job(**request)
    for request in mine["requests"]:
        name = request["TrainingJobName"]
        checkpoints = request["CheckpointConfig"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
        sagemaker.wait_for(lambda prefix=checkpoints: aws.keys(prefix))
        aws.trouble.interrupt(name)
        description = aws.wait(name)
        states = [each["Status"] for each in description["SecondaryStatusTransitions"]]
        assert "Interrupted" in states, states
        assert description["TrainingJobStatus"] == "Completed", description.get("FailureReason")
        jobs.record(bucket, request, description)
    for job in mine["jobs"]:
        result = jobs.result_of(bucket, planned["content_hash"], job["name"])
        assert result is not None
        output = files(aws, result["output"])
        reduce_job(job["pair"], job["model"], output)
        metrics = json.loads(output["metrics.json"])
        print(job["name"], metrics["seconds"], metrics["peak_memory_mib"], metrics["skill"]["test"])
        assert metrics["skill"]["val"]["h15"] > 0.03
        assert metrics["skill"]["test"]["h15"] > 0
        assert metrics["peak_memory_mib"] < 2500
