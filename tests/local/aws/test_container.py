"""What the code of a job finds is what AWS's training toolkit gives it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.aws.test_control import channel
from tests.local.aws.test_run import output
from tests.sagemaker import BUCKET, Aws

LOOK = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
seen = {
    "arguments": sys.argv[1:],
    "environment": {k: v.replace(str(base), "/opt/ml") for k, v in os.environ.items()},
    "folder": os.getcwd().replace(str(base), "/opt/ml"),
    "files": {str(p.relative_to(base)): p.read_text() for p in base.rglob("*") if p.is_file()},
}
(base / "model" / "seen.json").write_text(json.dumps(seen))
"""


def look(aws: Aws, **more: Any) -> dict[str, Any]:
    """What a job saw."""
    aws.submit("job-1", LOOK, **more)
    aws.wait("job-1", "Completed")
    return dict(json.loads(aws.files(f"{output('job-1')}/model.tar.gz")["seen.json"]))


def test_hyperparameters_come_as_file_arguments_and_variables(aws: Aws) -> None:
    seen = look(aws, parameters={"pair": "eurusd", "trees": "5", "backtest": "true", "k": "1e-3"})
    file = json.loads(seen["files"]["input/config/hyperparameters.json"])
    assert (file["pair"], file["trees"], file["backtest"]) == ("eurusd", "5", "true")
    assert file["sagemaker_program"] == "train.py"
    assert seen["arguments"] == ["--backtest", "True", "-k", "0.001", "--pair", "eurusd", "--trees", "5"]
    variables = seen["environment"]
    assert json.loads(variables["SM_HPS"]) == {"backtest": True, "k": 0.001, "pair": "eurusd", "trees": 5}
    assert (variables["SM_HP_PAIR"], variables["SM_HP_TREES"], variables["SM_HP_BACKTEST"]) == (
        "eurusd", "5", "true",
    )  # fmt: skip
    assert json.loads(variables["SM_USER_ARGS"]) == seen["arguments"]


def test_folders_and_host_are_told(aws: Aws) -> None:
    aws.put("in/a.csv", "1")
    seen = look(aws, InputDataConfig=[channel(f"s3://{BUCKET}/in/") | {"ContentType": "text/csv"}])
    variables = seen["environment"]
    assert {name: variables[name] for name in variables if name.endswith("_DIR")} == {
        "SAGEMAKER_BASE_DIR": "/opt/ml",
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": "/opt/ml/output/intermediate",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
        "SM_MODULE_DIR": f"s3://{BUCKET}/code/job-1.tar.gz",
    }
    assert seen["folder"] == "/opt/ml/code"
    assert (variables["SM_MODULE_NAME"], variables["SM_USER_ENTRY_POINT"]) == ("train", "train.py")
    assert (variables["SM_CURRENT_HOST"], json.loads(variables["SM_HOSTS"])) == ("algo-1", ["algo-1"])
    assert (variables["SM_NUM_GPUS"], int(variables["SM_NUM_CPUS"]) > 0) == ("0", True)
    assert json.loads(variables["SM_CHANNELS"]) == ["dataset"]
    assert variables["SM_CHANNEL_DATASET"] == "/opt/ml/input/data/dataset"
    environment = json.loads(variables["SM_TRAINING_ENV"])
    assert environment["channel_input_dirs"] == {"dataset": "/opt/ml/input/data/dataset"}
    assert environment["job_name"] == variables["TRAINING_JOB_NAME"] == "job-1"
    assert variables["TRAINING_JOB_ARN"].endswith(":training-job/job-1")
    resources = json.loads(seen["files"]["input/config/resourceconfig.json"])
    assert resources == json.loads(variables["SM_RESOURCE_CONFIG"]) == environment["resource_config"]
    assert (resources["current_host"], resources["current_instance_type"]) == ("algo-1", "ml.m5.large")
    assert json.loads(seen["files"]["input/config/inputdataconfig.json"]) == {
        "dataset": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        }
    }


@pytest.mark.parametrize("isolated", [False, True])
def test_credentials_are_those_of_the_stand_in(aws: Aws, isolated: bool) -> None:
    variables = look(aws, EnableNetworkIsolation=isolated)["environment"]
    account = {name: value for name, value in variables.items() if "KEY" in name or "ENDPOINT" in name}
    assert account == (
        {}
        if isolated
        else {
            "AWS_ACCESS_KEY_ID": "bqx-local",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ENDPOINT_URL_S3": aws.s3.meta.endpoint_url,
        }
    )


def test_a_job_reaches_its_services(aws: Aws) -> None:
    script = """
import boto3
print(boto3.client("s3").list_buckets()["Buckets"][0]["Name"])
print(boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"][0]["SecondaryStatus"])
"""
    aws.submit("job-1", script)
    aws.wait("job-1", "Completed")


def test_prefixes_and_manifests_become_files(aws: Aws) -> None:
    for key in ("set/manifest.json", "set/eurusd/train/a.parquet", "set/eurusd/val/b.parquet", "settled"):
        aws.put(key, key)
    aws.put("set/")  # a folder as the console of AWS makes them
    listed = [{"prefix": f"s3://{BUCKET}/set/"}, "manifest.json", "eurusd/val/b.parquet"]
    aws.put("manifests/job-1", json.dumps(listed))
    seen = look(
        aws,
        InputDataConfig=[
            channel(f"s3://{BUCKET}/manifests/job-1", "ManifestFile", "dataset"),
            channel(f"s3://{BUCKET}/set/eurusd/", name="folder"),
            channel(f"s3://{BUCKET}/set", name="begin"),
            channel(f"s3://{BUCKET}/set/manifest.json", name="file"),
        ],
    )
    data = {path.removeprefix("input/data/"): text for path, text in seen["files"].items() if "data/" in path}
    assert data == {
        "dataset/manifest.json": "set/manifest.json",
        "dataset/eurusd/val/b.parquet": "set/eurusd/val/b.parquet",
        "folder/train/a.parquet": "set/eurusd/train/a.parquet",
        "folder/val/b.parquet": "set/eurusd/val/b.parquet",
        "begin/manifest.json": "set/manifest.json",
        "begin/eurusd/train/a.parquet": "set/eurusd/train/a.parquet",
        "begin/eurusd/val/b.parquet": "set/eurusd/val/b.parquet",
        "begin/settled": "settled",
        "file/manifest.json": "set/manifest.json",
    }


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (
            [{"prefix": f"s3://{BUCKET}/set/"}, "none"],
            f"NoSuchKey (404): s3://{BUCKET}/set/none of channel dataset",
        ),
        ([{"prefix": f"s3://{BUCKET}/"}, "../set/a"], "lies outside its channel"),
        ({"prefix": "s3://"}, "is no manifest"),
        ([], "is no manifest"),
    ],
)
def test_input_that_is_not_there_fails_the_job(aws: Aws, manifest: Any, told: str) -> None:
    aws.put("set/a", "a")
    aws.put("manifest", json.dumps(manifest))
    aws.submit("job-1", "", InputDataConfig=[channel(f"s3://{BUCKET}/manifest", "ManifestFile")])
    job = aws.wait("job-1", "Failed")
    assert job["FailureReason"].startswith("ClientError: Data download failed")
    assert told in job["FailureReason"]
    assert "TrainingStartTime" not in job
