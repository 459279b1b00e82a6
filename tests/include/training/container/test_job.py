"""A whole job from its archive alone: what it leaves, that it repeats, that interruptions leave no trace."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include.training.container.settings import MODELS
from tests.include.training.container import jobs
from tests.include.training.worlds import make_dataset

FOLDS = {"backtest": "true", "fold_train_days": "6", "fold_test_days": "1", "fold_step_days": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set in which a signal is planted."""
    folder = tmp_path_factory.mktemp("bucket")
    make_dataset(folder, ["eurusd"], 12, signal=0.9)
    return folder


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", MODELS)
def test_the_packages_of_the_image_train_both_models(
    model: str, place: Path, container_python: Path, tmp_path: Path
) -> None:
    folders = jobs.prepare(tmp_path, place, model=model, **FOLDS)
    log = jobs.run(folders, container_python)
    assert "val_rmse_h15=" in log
    about = json.loads((folders.model / "model.json").read_bytes())
    assert [each["booster"] for each in about["horizons"]] == [f"h{h}.ubj" for h in (15, 30, 45, 60, 75)]
    assert jobs.metrics(folders)["backtest"] == {"folds": 3, "why_none": ""}
    assert jobs.metrics(folders)["skill"]["test"]["h15"] > 0.2
    assert pq.read_table(folders.output / "backtest.parquet").num_rows > 5_000


@pytest.mark.parametrize("model", MODELS)
def test_two_processes_leave_the_same_bytes(model: str, place: Path, tmp_path: Path) -> None:
    first, second = (jobs.prepare(tmp_path / name, place, model=model) for name in "ab")
    for folders in (first, second):
        jobs.run(folders, sys.executable)
    assert jobs.results(first) == jobs.results(second)
