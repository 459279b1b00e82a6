"""Tiny tuning jobs for tests of tasks: trials that say one number and may wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.objects import ObjectStore
from tests.sagemaker import packed
from tests.training_jobs import Embedded

NAME = "bqx-eurusd-tune-0123456789ab"
PLACE = f"training/{'c' * 16}"
# Says its objective and goes on when it may: when the file `until` is there, or for a token that it takes. It
# leaves a file beside them each time it runs.
PROGRAM = """
import json, os, pathlib, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
given = json.loads((base / "input/config/hyperparameters.json").read_text())
print("this trial is told:", given["what"], flush=True)
if given["what"] == "fail":
    (base / "output/failure").write_text("the bars are of another market")
    sys.exit(1)
print("val_rmse_mean=" + given["subsample"] + ";", flush=True)
until = pathlib.Path(given["until"] or "/")

def may_go_on():
    for token in until.parent.glob("token-*"):
        try:
            token.unlink()
            return True
        except FileNotFoundError:
            continue  # another trial was faster
    return until.exists()

if given["until"]:
    (until.parent / f"ran-{os.environ['TRAINING_JOB_NAME']}@{os.getpid()}").touch()
while not may_go_on():
    time.sleep(0.02)
(base / "model/model.json").write_text("{}")
"""


def lay_ready(bucket: ObjectStore) -> None:
    """Put what the trials need into the bucket."""
    bucket.put("code/trial.tar.gz", packed({"train.py": PROGRAM}))
    bucket.put("datasets/tiny/manifest.json", b"{}")


def tuning_request(
    aws: Embedded, what: str = "nothing", until: Path | str = "", value: str = "a" * 64, trials: int = 3
) -> dict[str, Any]:
    """A request for a tuning job of tiny trials, two of them at once."""
    training = aws.request(what)
    folder = f"s3://{aws.bucket.bucket}/{PLACE}/tuning/{NAME}/"
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket.bucket}/datasets/tiny/"}
    ranges = [{"Name": "subsample", "MinValue": "0.7", "MaxValue": "0.9", "ScalingType": "Linear"}]
    members = ("RoleArn", "ResourceConfig", "EnableManagedSpotTraining")
    return {
        "HyperParameterTuningJobName": NAME,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "val_rmse_mean"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"ContinuousParameterRanges": ranges},
            "RandomSeed": 7,
        },
        "TrainingJobDefinition": {name: training[name] for name in members}
        | {
            "AlgorithmSpecification": training["AlgorithmSpecification"]
            | {"MetricDefinitions": [{"Name": "val_rmse_mean", "Regex": "val_rmse_mean=([-+0-9.eE]+)"}]},
            "StaticHyperParameters": training["HyperParameters"]
            | {
                "pair": "eurusd",
                "until": str(until),
                "sagemaker_submit_directory": f"s3://{aws.bucket.bucket}/code/trial.tar.gz",
            },
            "InputDataConfig": [{"ChannelName": "dataset", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": folder},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600},
            "CheckpointConfig": {"S3Uri": f"{folder}checkpoints/"},
        },
        "Tags": [{"Key": "bqx:request", "Value": value}],
    }


def names(aws: Embedded) -> list[str]:
    """Names of the trials of the tuning job."""
    found = aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=NAME)
    return [trial["TrainingJobName"] for trial in found["TrainingJobSummaries"]]
