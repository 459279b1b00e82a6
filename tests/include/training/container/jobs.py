"""Training jobs on this machine, each in a folder of its own that stands for /opt/ml."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from include.training.archive import pack
from include.training.container.folders import Folders
from include.training.container.models import TREES
from tests.include.training import worlds

SMALL_TREES = {
    "rounds": "12", "block_rounds": "4", "trees": "6", "max_depth": "3", "train_stride": "15", "nthread": "1",
    "early_stopping_rounds": "5",
}  # fmt: skip
SMALL_NETWORK = {
    "epochs": "4", "batch_size": "64", "train_stride": "15", "nthread": "1", "learning_rate": "0.01",
}  # fmt: skip
SMALL = dict.fromkeys(TREES, SMALL_TREES) | {
    "multi_task": SMALL_NETWORK | {"layers": "16,8"},
    "tft": SMALL_NETWORK
    | {
        "hidden_size": "8", "attention_heads": "2", "hidden_continuous_size": "4", "encoder_length": "3",
        "encoder_step": "15", "batch_size": "256",
    },
}  # fmt: skip
TABLES = ("predictions.parquet", "backtest.parquet", "importance.parquet")


def prepare(
    base: Path,
    place: Path,
    dataset_id: str = "tiny",
    pair: str = "eurusd",
    model: str = "xgboost",
    **given: str,
) -> Folders:
    """Lay out what SageMaker and its toolkit lay out: settings, data, and the unpacked archive."""
    worlds.as_channel(place, dataset_id, pair, base)
    folders = Folders(base)
    settings = SMALL[model] | {
        "pair": pair, "model": model, "dataset_id": dataset_id,
        "content_hash": worlds.content_hash(place, dataset_id), "sagemaker_program": "train.py",
    } | given  # fmt: skip
    folders.hyperparameters.parent.mkdir(parents=True, exist_ok=True)
    folders.hyperparameters.write_text(json.dumps(settings))
    with tarfile.open(fileobj=io.BytesIO(pack(model))) as archive:
        archive.extractall(base / "code", filter="data")
    return folders


def start(folders: Folders, python: Path | str = sys.executable) -> subprocess.Popen[str]:
    """Start the job as the toolkit does, with nothing of this repository on its path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.Popen(
        [str(python), "train.py", "--pair", "is-ignored"],
        cwd=folders.base / "code",
        env=clean | {"SAGEMAKER_BASE_DIR": str(folders.base), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folders: Folders, python: Path | str = sys.executable) -> str:
    """Run a job that must succeed; returns its log."""
    with start(folders, python) as job:
        log, _ = job.communicate(timeout=120)
    assert job.returncode == 0, log
    assert not folders.failure.exists()
    return log


def results(folders: Folders) -> dict[str, bytes]:
    """Everything a job leaves that must not depend on when and how often it was interrupted."""
    files = [*folders.model.iterdir(), *(folders.output / name for name in (*TABLES, "card.json"))]
    return {path.name: path.read_bytes() for path in sorted(files)}


def metrics(folders: Folders) -> dict[str, Any]:
    """metrics.json."""
    found: dict[str, Any] = json.loads((folders.output / "metrics.json").read_bytes())
    return found
