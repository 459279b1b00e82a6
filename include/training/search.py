"""Search for settings of XGBoost: what is searched, and the tuning jobs that do it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from include.dataset.manifest import Manifest
from include.errors import BadParameter
from include.training.requests import (
    CHECKPOINTS,
    LOCAL_CHECKPOINTS,
    REQUEST_TAG,
    Account,
    Job,
    job_of,
    key_of,
    request_of,
)

MODEL = "xgboost"
FOLDER = "tuning"  # in the folder of the data set's content
DIGITS = 12  # of a hash in the name of a tuning job, which has at most 32 characters
OBJECTIVE = "val_rmse_mean"  # printed by the job: mean over the horizons of the RMSE on val, in units of s
# The range of rounds is 300 to 700 for the 500 rounds of the plan, and in proportion for other numbers.
FEWEST_ROUNDS, MOST_ROUNDS = 0.6, 1.4
_SHARED = (
    "RoleArn", "AlgorithmSpecification", "InputDataConfig", "ResourceConfig", "StoppingCondition",
    "EnableManagedSpotTraining",
)  # fmt: skip


class Tuning(NamedTuple):
    """The tuning job of a pair.

    Attributes:
        job: a training job of the pair with default settings; its trials differ in the tuned ones.
        ranges: ParameterRanges, what is searched.
        trials: how many settings are tried.
        seed: of their draws.
    """

    job: Job
    ranges: dict[str, Any]
    trials: int
    seed: int

    @property
    def request_hash(self) -> str:
        """SHA-256 of what decides the result."""
        decides = [self.job.request_hash, self.ranges, self.trials, self.seed, OBJECTIVE]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """Name of its first attempt."""
        return f"bqx-{self.job.pair}-tune-{self.request_hash[:DIGITS]}"

    @property
    def content_hash(self) -> str:
        """Of the data set."""
        return self.job.hyperparameters["content_hash"]


def tunings_of(manifest: Manifest, params: Mapping[str, Any], account: Account) -> list[Tuning]:
    """The tuning jobs of a run, of the pairs to tune that the data set has.

    Args:
        manifest: of the data set.
        params: those of the form.
        account: where the jobs run.

    Raises:
        BadParameter: the data set has none of them.
    """
    there = {part.pair for part in manifest.files}
    pairs = [pair for pair in params["tuning_pairs"] if pair in there]
    if not pairs:
        raise BadParameter(
            f"Data set {manifest.dataset_id} has none of the pairs to tune, "
            f"{', '.join(params['tuning_pairs'])}. Its pairs are {', '.join(sorted(there))}."
        )
    # A trial needs no backtest, and does not begin with settings of an earlier search.
    plain = {**params, "backtest_pairs": (), "tuned": {}}
    ranges = _ranges(params["rounds"])
    return [
        Tuning(job_of(manifest, pair, MODEL, plain, account), ranges, params["trials"], params["seed"])
        for pair in pairs
    ]


def _ranges(rounds: int) -> dict[str, Any]:
    """What is searched, as SageMaker takes it."""

    def of(name: str, low: float, high: float, scale: str = "Linear") -> dict[str, str]:
        return {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": scale}

    fewest = max(1, round(FEWEST_ROUNDS * rounds))
    return {
        "IntegerParameterRanges": [
            of("max_depth", 6, 12),
            of("min_child_weight", 1, 10),
            of("rounds", fewest, max(fewest, round(MOST_ROUNDS * rounds))),
        ],
        "ContinuousParameterRanges": [
            of("learning_rate", 0.01, 0.1, "Logarithmic"),
            of("subsample", 0.7, 0.9),
        ],
    }


def request_for(tuning: Tuning, params: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """The request for the first attempt, as CreateHyperParameterTuningJob takes it."""
    training = request_of(tuning.job, params, account)
    folder = f"s3://{account.bucket}/{key_of(tuning.content_hash, FOLDER, tuning.name)}/"
    searched = {each["Name"] for ranges in tuning.ranges.values() for each in ranges}
    fixed = {name: value for name, value in tuning.job.hyperparameters.items() if name not in searched}
    tags = [tag for tag in training["Tags"] if tag["Key"] != REQUEST_TAG]
    return {
        "HyperParameterTuningJobName": tuning.name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": OBJECTIVE},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": tuning.trials,
                "MaxParallelTrainingJobs": min(params["parallel_trials"], tuning.trials),
            },
            "ParameterRanges": tuning.ranges,
            "TrainingJobEarlyStoppingType": "Auto",
            "RandomSeed": tuning.seed,
        },
        "TrainingJobDefinition": {name: training[name] for name in _SHARED}
        | {
            "StaticHyperParameters": fixed,
            "OutputDataConfig": {"S3OutputPath": folder},
            "CheckpointConfig": {"S3Uri": f"{folder}{CHECKPOINTS}", "LocalPath": LOCAL_CHECKPOINTS},
        },
        "Tags": [{"Key": REQUEST_TAG, "Value": tuning.request_hash}, *tags],
    }
