"""A training job of one pair, from its process to its archive, against calling xgboost directly.

    python -m benchmarks.training [--days 90] [--columns 195] [--repeat 3]

Both learn the five horizons of XGBoost from the same Parquet files with the same settings, by default those
of the DAG, and forecast val and test. What the job does besides is what it costs: it checks hashes, keeps
checkpoints, stops early, makes intervals, computes importances and their stability, and writes archive and
tables. On a data set that `make run` has made, for pairs of it:

    . .local/env && python -m benchmarks.training --on DATASET_ID --pairs eurusd,gbpusd
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from benchmarks.storage import seconds
from include.objects import ObjectStore
from include.training.archive import pack
from include.training.container.folders import Folders
from tests.include.training import worlds

PAIRS = ("eurusd",)

# What a user would write: no offset, no intervals, no report, no check of anything.
DIRECT = """
import json, sys
from pathlib import Path
import numpy as np, pyarrow.parquet as pq, xgboost as xgb

folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
manifest = json.loads((folder / "manifest.json").read_text())
columns = manifest["columns_selected"]
sets = {}
for name in ("train", "val", "test"):
    needed = [*columns, *(f"target__w{h}_h{h}" for h in (15, 30, 45, 60, 75))]
    sets[name] = pq.read_table(folder / settings["pair"] / name, columns=needed, partitioning=None)
def matrix(table, h):
    y = table[f"target__w{h}_h{h}"].to_numpy()
    known = np.isfinite(y)
    x = np.column_stack([table[column].to_numpy() for column in columns])
    return x[known], y[known]
for h in (15, 30, 45, 60, 75):
    x, y = matrix(sets["train"], h)
    step = max(settings["stride"], -(-len(y) // settings["rows"]))
    train = xgb.QuantileDMatrix(x[::step], y[::step], max_bin=64, nthread=1)
    val = xgb.QuantileDMatrix(*matrix(sets["val"], h), ref=train, max_bin=64, nthread=1)
    tree = {"max_depth": 8, "learning_rate": 0.05, "subsample": 0.8, "max_bin": 64}
    stopping = {"evals": [(val, "val")], "early_stopping_rounds": 50, "verbose_eval": False}
    booster = xgb.train(tree | {"nthread": 1, "seed": 7}, train, settings["rounds"], **stopping)
    for name in ("val", "test"):
        booster.predict(xgb.DMatrix(matrix(sets[name], h)[0], nthread=1))
    booster.save_model(sys.argv[3] + f"/h{h}.ubj")
"""


def job(base: Path, settings: dict[str, Any], content_hash: str) -> dict[str, Any]:
    """Run the job of a channel that is laid out; returns its metrics."""
    folders = Folders(base)
    folders.hyperparameters.parent.mkdir(parents=True, exist_ok=True)
    given = {
        "model": "xgboost", "pair": settings["pair"], "dataset_id": settings["dataset_id"],
        "content_hash": content_hash, "rounds": settings["rounds"], "train_stride": settings["stride"],
        "max_train_rows": settings["rows"],
    }  # fmt: skip
    folders.hyperparameters.write_text(json.dumps({name: str(value) for name, value in given.items()}))
    with tarfile.open(fileobj=io.BytesIO(pack("xgboost"))) as archive:
        archive.extractall(base / "code", filter="data")
    environment = {"SAGEMAKER_BASE_DIR": str(base), "OMP_NUM_THREADS": "1", "PATH": ""}
    subprocess.run([sys.executable, "train.py"], cwd=base / "code", env=environment, check=True)
    metrics: dict[str, Any] = json.loads((folders.output / "metrics.json").read_text())
    return metrics


def direct(base: Path, settings: dict[str, Any]) -> None:
    """Run the few lines above on the same files."""
    out = base / "direct"
    out.mkdir(exist_ok=True)
    arguments = [str(Folders(base).dataset), json.dumps(settings), str(out)]
    subprocess.run(
        [sys.executable, "-c", DIRECT, *arguments], check=True, env={"OMP_NUM_THREADS": "1", "PATH": ""}
    )


class Turn(NamedTuple):
    """Seconds of both, and the job's own account of its steps."""

    job: float
    direct: float
    metrics: dict[str, Any]


def turn(store: ObjectStore | Path, dataset_id: str, settings: dict[str, Any]) -> Turn:
    """Both, one after the other, on the same files."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        worlds.as_channel(store, dataset_id, settings["pair"], base)
        content = worlds.content_hash(store, dataset_id)
        metrics: dict[str, Any] = {}
        ours = seconds(lambda: metrics.update(job(base, settings, content)))
        return Turn(ours, seconds(lambda: direct(base, settings)), metrics)


def compare(
    store: ObjectStore | Path, dataset_id: str, pairs: list[str], sizes: dict[str, int], repeat: int
) -> None:
    """Both in turns, pair by pair."""
    print(f"\nA training job against xgboost directly, {sizes['rounds']} rounds, data set {dataset_id}")
    ratios = []
    for pair in pairs:
        settings = sizes | {"pair": pair, "dataset_id": dataset_id}
        turns = [turn(store, dataset_id, settings) for _ in range(repeat)]
        ours, theirs = (
            statistics.median(part) for part in ([t.job for t in turns], [t.direct for t in turns])
        )
        ratios.append(ours / theirs)
        metrics = turns[-1].metrics
        print(f"  {pair}  job {ours:6.1f} s   xgboost {theirs:6.1f} s   ratio {ours / theirs:.2f}")
        print(f"      {metrics['peak_memory_mib']:.0f} MiB, rounds {metrics['rounds']}, {metrics['seconds']}")
    print(f"  median ratio {statistics.median(ratios):.2f}    (goal: at most 1.3)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--columns", type=int, default=195)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--on", help="id of a data set in the bucket of the sourced environment")
    parser.add_argument("--pairs", default=",".join(PAIRS))
    given = parser.parse_args()
    sizes = {"rounds": given.rounds, "stride": 15, "rows": 20_000}
    pairs = given.pairs.split(",")
    if given.on:
        bucket = ObjectStore(boto3.client("s3"), os.environ["BQX_S3_BUCKET"], "datasets")
        compare(bucket, given.on, pairs, sizes, given.repeat)
        return
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        made = worlds.make_dataset(store, pairs, given.days, columns=given.columns)
        compare(store, made, pairs, sizes, given.repeat)


if __name__ == "__main__":
    main()
