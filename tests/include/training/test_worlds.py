"""The tiny data sets of the tests are data sets: the project's own reader takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from include.dataset.export import open_manifest, read_split
from include.dataset.split import SETS
from tests.include.training import worlds
from tests.include.training.worlds import FolderBucket, make_dataset


def skill_of_momentum(folder: Path, dataset_id: str) -> float:
    """Correlation of the planted column with the target of 15 minutes, over train."""
    store = FolderBucket(folder)
    manifest = open_manifest(store, dataset_id)  # type: ignore[arg-type]
    table = read_split(store, manifest, "eurusd", "train")  # type: ignore[arg-type]
    target = table["target__w15_h15"].to_numpy()
    known = ~np.isnan(target)
    return float(np.corrcoef(table[worlds.MOMENTUM].to_numpy()[known], target[known])[0, 1])


def test_the_reader_of_data_sets_takes_them(tmp_path: Path) -> None:
    make_dataset(tmp_path, days=12, columns=9)
    store = FolderBucket(tmp_path)
    manifest = open_manifest(store, "tiny")  # type: ignore[arg-type]
    assert len(manifest.columns_selected) == 9
    assert len(manifest.files) == len(worlds.PAIRS) * len(SETS)
    assert all(read_split(store, manifest, "gbpusd", name).num_rows > 500 for name in SETS)  # type: ignore[arg-type]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_dataset(tmp_path / name, days=12)
    assert worlds.content_hash(tmp_path / "a", "tiny") == worlds.content_hash(tmp_path / "b", "tiny")


def test_a_planted_signal_is_there_and_a_martingale_has_none(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["eurusd"], 12, signal=0.9, dataset_id="planted")
    make_dataset(tmp_path, ["eurusd"], 12, dataset_id="martingale")
    assert skill_of_momentum(tmp_path, "planted") < -0.2  # BQX is minus the move
    assert abs(skill_of_momentum(tmp_path, "martingale")) < 0.1
