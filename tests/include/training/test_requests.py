"""Requests name a job after what decides its result, and only after that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from include import settings
from include.dataset.export import open_manifest
from include.dataset.manifest import Manifest
from include.errors import BadParameter, MissingInput
from include.training.container.settings import Settings
from include.training.requests import Account, checked_account, input_document, job_of, request_of
from tests.include.training.worlds import FolderBucket, make_dataset

ACCOUNT = Account(
    "bqx", "1.dkr.ecr.eu-west-1.amazonaws.com/xgboost:3.2", "arn:aws:iam::1:role/r", "eu-west-1"
)
PARAMS = {name: schema["default"] for name, schema in settings.TRAINING_PARAMS.items()} | {
    "code": "code/x.tar.gz"
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("datasets")
    make_dataset(folder, days=9, dataset_id="tiny")
    return open_manifest(FolderBucket(folder), "tiny")  # type: ignore[arg-type]


def name_of(manifest: Manifest, pair: str = "eurusd", model: str = "xgboost", **params: Any) -> str:
    return job_of(manifest, pair, model, PARAMS | params, ACCOUNT).name


@pytest.mark.parametrize("model", settings.MODELS)
def test_the_request_is_one_that_sagemaker_takes(manifest: Manifest, model: str) -> None:
    job = job_of(manifest, "gbpusd", model, PARAMS, ACCOUNT)
    request = request_of(job, PARAMS, ACCOUNT)
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob")
    assert ParamValidator().validate(request, shape.input_shape).generate_report() == ""
    assert len(job.name) <= 63 - len("-a99")
    assert request["EnableManagedSpotTraining"]
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 21600}
    read = Settings.of(job.hyperparameters)
    assert (read.pair, read.model, read.dataset_id) == ("gbpusd", model, "tiny")
    assert (read.trees, read.rounds) == (200, 500), "what the plan asks for"
    assert read.backtest, "a major"
    calm = request_of(job, PARAMS | {"spot": False}, ACCOUNT)
    assert calm["StoppingCondition"] == {"MaxRuntimeInSeconds": 7200}


def test_the_job_reads_its_own_pair_and_nothing_else(manifest: Manifest) -> None:
    job = job_of(manifest, "gbpusd", "xgboost", PARAMS, ACCOUNT)
    first, *names = json.loads(input_document(job, "bqx"))
    assert first == {"prefix": "s3://bqx/datasets/tiny/"}
    assert names[0] == "manifest.json"
    wanted = {part.key for part in manifest.files if part.pair == "gbpusd"}
    wanted |= {manifest.documents["scalers"].key, "datasets/tiny/manifest.json"}
    assert {f"datasets/tiny/{name}" for name in names} == wanted


@pytest.mark.parametrize(
    "change",
    [{"seed": 8}, {"threads": 2}, {"rounds": 10}, {"train_stride": 5}, {"backtest_pairs": []}, {"code": "y"}],
)
def test_what_changes_the_result_changes_the_name(manifest: Manifest, change: dict[str, Any]) -> None:
    assert name_of(manifest, **change) != name_of(manifest)


@pytest.mark.parametrize(
    "change",
    [{"instance_type": "ml.m5.large"}, {"spot": False}, {"max_runtime_minutes": 5}, {"forest_trees": 3}],
)
def test_what_does_not_change_the_result_leaves_the_name(manifest: Manifest, change: dict[str, Any]) -> None:
    assert name_of(manifest, **change) == name_of(manifest)


def test_names_tell_pair_and_model(manifest: Manifest) -> None:
    assert name_of(manifest, "eurusd").startswith("bqx-eurusd-xgb-")
    assert name_of(manifest, "gbpusd", "random_forest").startswith("bqx-gbpusd-rf-")


def test_the_same_rows_under_another_name_are_the_same_job(manifest: Manifest, tmp_path: Path) -> None:
    make_dataset(tmp_path, days=9, dataset_id="again")
    assert name_of(open_manifest(FolderBucket(tmp_path), "again")) == name_of(manifest)  # type: ignore[arg-type]


def test_other_rows_are_another_job(manifest: Manifest, tmp_path: Path) -> None:
    make_dataset(tmp_path, days=9, dataset_id="tiny", seed=6)
    assert name_of(open_manifest(FolderBucket(tmp_path), "tiny")) != name_of(manifest)  # type: ignore[arg-type]


def test_a_pair_that_is_not_there_is_named(manifest: Manifest) -> None:
    with pytest.raises(BadParameter, match=r"no rows of usdjpy. Its pairs are eurusd, gbpusd"):
        job_of(manifest, "usdjpy", "xgboost", PARAMS, ACCOUNT)


def test_variables_that_are_not_set_are_named() -> None:
    assert checked_account(*ACCOUNT) == ACCOUNT
    with pytest.raises(MissingInput, match="bqx_training_image is not set"):
        checked_account("bqx", "", "role", "eu-west-1")
    with pytest.raises(MissingInput, match="bqx_sagemaker_role is not set"):
        checked_account("bqx", "image", "", "eu-west-1")
