"""Requests to SageMaker: which jobs a data set asks for, and what each of them is called.

A job is named after what decides its result: data, code, image and settings. The same question therefore has
the same name, and SageMaker itself refuses to answer it twice. What does not change the result (instance,
role, time limits) is not part of the name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from include.dataset.manifest import NAME as MANIFEST
from include.dataset.manifest import Manifest
from include.errors import BadParameter, MissingInput
from include.settings import NETWORKS
from include.training.archive import ENTRY, code_key

MODELS = {  # and how the names of jobs say it
    "random_forest": "rf", "xgboost": "xgb", "tft": "tft", "multi_task": "mt",
}  # fmt: skip
DATASETS = "datasets"  # folder of the bucket
DECISIONS = "decisions"  # likewise
FOLDER = "training"  # in the bucket: a folder per content of a data set, in it a folder per job
CHANNEL = "dataset"
DIGITS = 16  # of a hash that is part of a name
INPUT = "input.json"  # in the folder of a job: the objects it reads
# The params that say how large a model gets, and what the code of the job calls them.
SIZES = {
    "random_forest": {"forest_trees": "trees"},
    "xgboost": {"rounds": "rounds"},
    "tft": {"epochs": "epochs", "hidden_size": "hidden_size", "encoder_length": "encoder_length"},
    "multi_task": {"epochs": "epochs"},
}
SHARED = (
    "target_window", "seed", "train_stride", "max_train_rows",
    "fold_train_days", "fold_test_days", "fold_step_days",
)  # fmt: skip
CHECKPOINTS = "checkpoints/"  # in the folder of a job, and where the job finds them:
LOCAL_CHECKPOINTS = "/opt/ml/checkpoints"
REQUEST_TAG = "bqx:request"
METRICS = tuple(  # what the job prints of itself, for SageMaker to show
    {"Name": f"val_rmse_{what}", "Regex": rf"val_rmse_{what}=([-+0-9.eE]+)"}
    for what in ("h15", "h30", "h45", "h60", "h75", "mean")
)


class Account(NamedTuple):
    """What a deployment says about its account.

    Attributes:
        bucket: name of the bucket.
        image: address of the image that trains trees.
        role: name or ARN of the role that the jobs take.
        region: of AWS.
        networks_image: address of the image that trains networks; empty if nobody set it.
    """

    bucket: str
    image: str
    role: str
    region: str
    networks_image: str = ""

    def image_of(self, model: str) -> str:
        """The image that trains a model.

        Raises:
            MissingInput: it was not set; names the Variable.
        """
        if model not in NETWORKS:
            return self.image
        if not self.networks_image:
            raise MissingInput(
                "The Airflow Variable bqx_networks_image is not set. Set it to the address of the PyTorch "
                "2.13 training image of AWS for GPUs in your region."
            )
        return self.networks_image


class Job(NamedTuple):
    """A training job that is wanted.

    Attributes:
        pair, model: what is learned, and by which model.
        request_hash: SHA-256 of what decides the result.
        inputs: keys of the objects that the job reads; the first ones are manifest and scalers.
        hyperparameters: settings of the job's code, as text.
    """

    pair: str
    model: str
    request_hash: str
    inputs: tuple[str, ...]
    hyperparameters: dict[str, str]

    @property
    def name(self) -> str:
        """Name of its first attempt."""
        return f"bqx-{self.pair}-{MODELS[self.model]}-{self.request_hash[:DIGITS]}"

    @property
    def dataset_id(self) -> str:
        """The data set it learns from."""
        return self.hyperparameters["dataset_id"]

    def key(self, name: str) -> str:
        """Key of something in its folder."""
        return key_of(self.hyperparameters["content_hash"], self.name, name)


def job_of(manifest: Manifest, pair: str, model: str, params: Mapping[str, Any], account: Account) -> Job:
    """The job that trains one model of one pair.

    Args:
        manifest: of the data set.
        pair: spelt as in ``eurusd``.
        model: one of `MODELS`.
        params: those of the form of bqx_train, and ``tuned``, settings that jobs of xgboost get in place of
            their own, if there are any.
        account: where it runs.

    Raises:
        BadParameter: the data set has no rows of that pair.
    """
    parts = [part for part in manifest.files if part.pair == pair]
    if not parts:
        pairs = sorted({part.pair for part in manifest.files})
        raise BadParameter(
            f"Data set {manifest.dataset_id} has no rows of {pair}. Its pairs are {', '.join(pairs)}."
        )
    settings = _settings(manifest, pair, model, params, account)
    decides = {
        "files": [(part.name, part.sha256) for part in parts],
        "columns": manifest.columns_selected,
        "scalers": manifest.documents["scalers"].sha256,
        "hyperparameters": {name: value for name, value in settings.items() if name != "dataset_id"},
        "image": account.image_of(model),
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    documents = (f"{DATASETS}/{manifest.dataset_id}/{MANIFEST}", manifest.documents["scalers"].key)
    return Job(pair, model, digest, (*documents, *(part.key for part in parts)), settings)


def request_of(job: Job, params: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """The request for the first attempt, as CreateTrainingJob takes it."""
    limits = {"MaxRuntimeInSeconds": 60 * params["max_runtime_minutes"]}
    if params["spot"]:
        limits["MaxWaitTimeInSeconds"] = limits["MaxRuntimeInSeconds"] + 60 * params["max_wait_minutes"]
    content_hash = job.hyperparameters["content_hash"]
    source = {
        "S3DataType": "ManifestFile",
        "S3Uri": f"s3://{account.bucket}/{job.key(INPUT)}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "TrainingJobName": job.name,
        "RoleArn": account.role,
        "AlgorithmSpecification": {
            "TrainingImage": account.image_of(job.model),
            "TrainingInputMode": "File",
            "MetricDefinitions": list(METRICS),
        },
        "HyperParameters": job.hyperparameters,
        "InputDataConfig": [{"ChannelName": CHANNEL, "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{account.bucket}/{folder_of(content_hash)}"},
        # All attempts of a job share what was learned so far.
        "CheckpointConfig": {
            "S3Uri": f"s3://{account.bucket}/{job.key(CHECKPOINTS)}",
            "LocalPath": LOCAL_CHECKPOINTS,
        },
        "ResourceConfig": {
            "InstanceType": params["network_instance_type" if job.model in NETWORKS else "instance_type"],
            "InstanceCount": 1,
            "VolumeSizeInGB": params["volume_gb"],
        },
        "StoppingCondition": limits,
        "EnableManagedSpotTraining": params["spot"],
        "Tags": [
            {"Key": REQUEST_TAG, "Value": job.request_hash},
            {"Key": "bqx:dataset", "Value": job.dataset_id},
            {"Key": "bqx:pair", "Value": job.pair},
            {"Key": "bqx:model", "Value": job.model},
        ],
    }


def input_document(job: Job, bucket: str) -> bytes:
    """The list of objects that a job reads, in the form that SageMaker calls a manifest file."""
    prefix = f"{DATASETS}/{job.dataset_id}/"
    listed: list[Any] = [{"prefix": f"s3://{bucket}/{prefix}"}]
    return json.dumps(listed + [key.removeprefix(prefix) for key in job.inputs], indent=1).encode()


def _settings(
    manifest: Manifest, pair: str, model: str, params: Mapping[str, Any], account: Account
) -> dict[str, str]:
    settings: dict[str, Any] = {
        "sagemaker_program": ENTRY,
        "sagemaker_submit_directory": f"s3://{account.bucket}/{code_key(model)}",
        "sagemaker_region": account.region,
        "pair": pair,
        "model": model,
        "dataset_id": manifest.dataset_id,
        "content_hash": manifest.content_hash,
        "nthread": params["threads"],
        # Folds would cost a network as many GPU hours again each.
        "backtest": model not in NETWORKS and pair in (params["backtest_pairs"] or ()),
    }
    settings |= {size: params[param] for param, size in SIZES[model].items()}
    settings |= {name: params[name] for name in SHARED}
    if model == "xgboost":
        settings |= params.get("tuned", {})  # found on a few pairs, for all
    return {name: _text(value) for name, value in settings.items()}


def _text(value: Any) -> str:
    """SageMaker takes text only."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def folder_of(content_hash: str) -> str:
    """Folder of the jobs that learn from the same rows, whatever their data set is called."""
    return f"{FOLDER}/{content_hash[:DIGITS]}/"


def key_of(content_hash: str, job: str, name: str) -> str:
    """Key of something that belongs to a job; its output is written there by SageMaker."""
    return f"{folder_of(content_hash)}{job}/{name}"


def checked_account(bucket: str, image: str, role: str, region: str, networks_image: str = "") -> Account:
    """The account, complete but for the image of the networks, which is asked for when one is trained.

    Raises:
        MissingInput: something was not set; names the Variable.
    """
    for value, variable, what in (
        (
            image,
            "bqx_training_image",
            "the address of the XGBoost 3.2 image of AWS in your region",
        ),
        (role, "bqx_sagemaker_role", "the role that SageMaker takes for the jobs"),
    ):
        if not value:
            raise MissingInput(f"The Airflow Variable {variable} is not set. Set it to {what}.")
    return Account(bucket, image, role, region, networks_image)
