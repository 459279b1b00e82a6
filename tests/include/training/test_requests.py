"""Requests name a job after what decides its result, and only after that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from include import forms, settings
from include.dataset.export import open_manifest
from include.dataset.manifest import Manifest
from include.errors import BadParameter, MissingInput
from include.training import archive
from include.training.container.models import settings_of
from include.training.requests import Account, checked_account, input_document, job_of, request_of
from tests.include.training.worlds import FolderBucket, make_dataset

ACCOUNT = Account(
    "bqx",
    "1.dkr.ecr.eu-west-1.amazonaws.com/xgboost:3.2",
    "arn:aws:iam::1:role/r",
    "eu-west-1",
    "1.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.13",
)
PARAMS = {name: schema["default"] for name, schema in forms.TRAINING_PARAMS.items()}


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
    read: Any = settings_of(job.hyperparameters)
    assert (read.pair, read.model, read.dataset_id) == ("gbpusd", model, "tiny")
    assert (read.trees, read.rounds) == (200, 500), "what the plan asks for"
    assert read.backtest, "a major"
    calm = request_of(job, PARAMS | {"spot": False}, ACCOUNT)
    assert calm["StoppingCondition"] == {"MaxRuntimeInSeconds": 7200}


@pytest.mark.parametrize("model", settings.NETWORKS)
def test_a_network_has_its_own_image_instance_and_sizes(manifest: Manifest, model: str) -> None:
    job = job_of(manifest, "eurusd", model, PARAMS, ACCOUNT)
    request = request_of(job, PARAMS, ACCOUNT)
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob")
    assert ParamValidator().validate(request, shape.input_shape).generate_report() == ""
    assert request["AlgorithmSpecification"]["TrainingImage"] == ACCOUNT.networks_image
    assert request["ResourceConfig"]["InstanceType"] == settings.GPU_INSTANCE
    read: Any = settings_of(job.hyperparameters)
    assert (read.model, read.epochs, read.train_stride) == (model, 30, 15)
    assert not read.backtest, "a major, but folds would cost as many GPU hours each"
    with pytest.raises(MissingInput, match="bqx_networks_image is not set"):
        job_of(manifest, "eurusd", model, PARAMS, ACCOUNT._replace(networks_image=""))


def test_a_tft_has_the_plan_s_sizes(manifest: Manifest) -> None:
    read: Any = settings_of(job_of(manifest, "eurusd", "tft", PARAMS, ACCOUNT).hyperparameters)
    assert (read.hidden_size, read.attention_heads, read.hidden_continuous_size) == (64, 4, 16)
    assert (read.encoder_length, read.encoder_step) == (24, 5)
    small = PARAMS | {"hidden_size": 8, "encoder_length": 6, "epochs": 2}
    read = settings_of(job_of(manifest, "eurusd", "tft", small, ACCOUNT).hyperparameters)
    assert (read.hidden_size, read.encoder_length, read.epochs) == (8, 6, 2)


def test_another_image_of_the_networks_is_nothing_to_a_tree(manifest: Manifest) -> None:
    other = ACCOUNT._replace(networks_image="1.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.14")
    for model, same in (("xgboost", True), ("tft", False)):
        names = [job_of(manifest, "eurusd", model, PARAMS, account).name for account in (ACCOUNT, other)]
        assert (names[0] == names[1]) == same


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
    [{"seed": 8}, {"threads": 2}, {"rounds": 10}, {"train_stride": 5}, {"backtest_pairs": []}],
)
def test_what_changes_the_result_changes_the_name(manifest: Manifest, change: dict[str, Any]) -> None:
    assert name_of(manifest, **change) != name_of(manifest)


def test_other_code_changes_the_name(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    before = name_of(manifest)
    monkeypatch.setattr(archive, "code_hash", lambda model: "e" * 64)
    assert name_of(manifest) != before


@pytest.mark.parametrize(
    "change",
    [
        {"instance_type": "ml.m5.large"},
        {"spot": False},
        {"max_runtime_minutes": 5},
        {"forest_trees": 3},
        {"epochs": 3},
        {"network_instance_type": "ml.g5.xlarge"},
    ],
)
def test_what_does_not_change_the_result_leaves_the_name(manifest: Manifest, change: dict[str, Any]) -> None:
    assert name_of(manifest, **change) == name_of(manifest)


def test_names_tell_pair_and_model(manifest: Manifest) -> None:
    assert name_of(manifest, "eurusd").startswith("bqx-eurusd-xgb-")
    assert name_of(manifest, "gbpusd", "random_forest").startswith("bqx-gbpusd-rf-")
    assert name_of(manifest, "gbpusd", "tft").startswith("bqx-gbpusd-tft-")
    assert name_of(manifest, "gbpusd", "multi_task").startswith("bqx-gbpusd-mt-")


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
    assert checked_account(*ACCOUNT[:4]).networks_image == "", "it is asked for when a network is trained"
    with pytest.raises(MissingInput, match="bqx_training_image is not set"):
        checked_account("bqx", "", "role", "eu-west-1")
    with pytest.raises(MissingInput, match="bqx_sagemaker_role is not set"):
        checked_account("bqx", "image", "", "eu-west-1")
