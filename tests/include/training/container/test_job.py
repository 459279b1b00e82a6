"""A whole job from its archive alone: what it leaves, that it repeats, that interruptions leave no trace."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.training.archive import code_hash
from include.training.container import job
from include.training.container.checkpoints import Checkpoints
from include.training.container.folders import BASE, Folders
from include.training.container.inference import load_bundle, predict
from include.training.container.intervals import half_width
from include.training.container.models import TREES
from tests.include.training.container import jobs
from tests.include.training.container.pieces import read
from tests.include.training.worlds import MOMENTUM

FOLDS = {"backtest": "true", "fold_train_days": "6", "fold_test_days": "1", "fold_step_days": "1"}
HORIZONS = (15, 30, 45, 60, 75)
COLUMNS = ["ts_utc", "set", "w", "h", "q", "s", "no_skill", "actual", "prediction", "low", "high"]


@pytest.fixture(scope="module")
def done(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A job of boosting with its backtest, run by the stack's own Python."""
    folders = jobs.prepare(tmp_path_factory.mktemp("job"), planted, **FOLDS)
    jobs.run(folders)
    return folders


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", TREES)
def test_the_packages_of_the_image_train_both_models(
    model: str, planted: Path, container_python: Path, tmp_path: Path
) -> None:
    folders = jobs.prepare(tmp_path, planted, model=model, **FOLDS)
    log = jobs.run(folders, container_python)
    errors = {h: float(value) for h, value in re.findall(r"val_rmse_(h\d+)=([\d.]+);", log)}
    assert len(errors) == 5
    *_, mean = re.findall(r"val_rmse_mean=([\d.]+);", log)
    assert float(mean) == pytest.approx(np.mean([*errors.values()]), rel=1e-5)
    about = json.loads((folders.model / "model.json").read_bytes())
    assert about["code_hash"] == code_hash(model)
    assert about["versions"] | {"python": ""} == {"xgboost": "3.2.0", "numpy": "2.1.0", "python": ""}
    assert jobs.metrics(folders)["backtest"] == {"folds": 3, "why_none": ""}
    assert jobs.metrics(folders)["skill"]["test"]["h15"] > 0.2
    assert pq.read_table(folders.output / "backtest.parquet").num_rows > 5_000


@pytest.mark.parametrize("model", TREES)
def test_two_processes_leave_the_same_bytes(model: str, planted: Path, tmp_path: Path) -> None:
    first, second = (jobs.prepare(tmp_path / name, planted, model=model) for name in "ab")
    for folders in (first, second):
        jobs.run(folders)
    assert jobs.results(first) == jobs.results(second)
    other = jobs.prepare(tmp_path / "c", planted, model=model, seed="8")
    jobs.run(other)
    assert jobs.results(other)["h15.ubj"] != jobs.results(first)["h15.ubj"]


def test_predictions_have_every_row_with_an_outcome(done: Folders, planted: Path, tmp_path: Path) -> None:
    table = pq.read_table(done.output / "predictions.parquet")
    assert table.column_names == COLUMNS
    assert table.schema.field("ts_utc").type == pa.timestamp("us", "UTC")
    assert pa.types.is_dictionary(table.schema.field("set").type)
    assert str(table.schema.field("h").type) == "int16"
    frame = table.to_pandas()
    pieces = read(planted, tmp_path)
    val, test = pieces.rows["val"], pieces.rows["test"]
    middle = sum(pieces.manifest.splits["val"]) // 2
    for horizon in pieces.settings.horizons:
        mine = frame[frame["h"] == horizon.minutes]
        usable = {"val": val.usable(horizon) & (val.ts < middle), "test": test.usable(horizon)}
        usable["calibration"] = val.usable(horizon) & (val.ts >= middle + 195)
        for name, flags in usable.items():
            rows = (val if name != "test" else test).take(flags)
            part = mine[mine["set"] == name]
            assert (part["ts_utc"].astype("int64").to_numpy() // 60_000_000 == rows.ts).all()
            assert (part["actual"].to_numpy() == rows.actual[horizon.target]).all()
            assert (part["w"] == horizon.window).all()
            assert (part["no_skill"] == 0).all()


def test_intervals_come_from_calibration_alone(done: Folders) -> None:
    frame = pq.read_table(done.output / "predictions.parquet").to_pandas()
    about = json.loads((done.model / "model.json").read_bytes())
    for told in about["horizons"]:
        mine = frame[frame["h"] == told["minutes"]]
        part = mine[mine["set"] == "calibration"]
        width = half_width(((part["actual"] - part["prediction"]) / part["s"]).to_numpy())
        assert told["half_width"] == pytest.approx(width)
        assert told["calibration_rows"] == len(part)
        assert (mine["high"] - mine["prediction"]).to_numpy() == pytest.approx(width * mine["s"].to_numpy())


def test_the_model_alone_repeats_the_predictions(done: Folders, planted: Path, tmp_path: Path) -> None:
    """What serving will do: load the archive, ask it about the rows of test."""
    bundle = load_bundle(done.model)
    pieces = read(planted, tmp_path)
    test = pieces.rows["test"].take(pieces.rows["test"].usable_for_all(pieces.settings.horizons))
    columns = {name: test.x[:, number] for number, name in enumerate(pieces.manifest.columns)}
    frame = pq.read_table(done.output / "predictions.parquet").to_pandas()
    for h, forecast in predict(bundle, columns, test.q, test.s).items():
        part = frame[(frame["h"] == h) & (frame["set"] == "test")]
        part = part[(part["ts_utc"].astype("int64") // 60_000_000).isin(test.ts)]
        for name in ("prediction", "no_skill", "low", "high"):
            np.testing.assert_array_equal(getattr(forecast, name), part[name].to_numpy())


def test_the_backtest_looks_at_nothing_after_the_first_half_of_val(done: Folders) -> None:
    table = pq.read_table(done.output / "backtest.parquet")
    assert table.column_names == [*COLUMNS, "fold"]
    frame = table.to_pandas()
    card = json.loads((done.output / "card.json").read_bytes())
    assert frame["ts_utc"].max().isoformat() < card["sets"]["val"]["to"]
    assert set(frame["fold"]) == {0, 1, 2}
    assert (frame.groupby("fold")["ts_utc"].max() - frame.groupby("fold")["ts_utc"].min()).max().days == 0


def test_importance_finds_the_planted_column_in_every_fit(done: Folders) -> None:
    frame = pq.read_table(done.output / "importance.parquet").to_pandas()
    assert list(frame.columns) == ["column", "h", "fold", "gain", "shap"]
    assert set(frame["fold"]) == {-1, 0, 1, 2}
    sums = frame.groupby(["fold", "h"])[["gain", "shap"]].sum()
    assert sums.to_numpy() == pytest.approx(1)
    model = frame[frame["fold"] == -1]
    for h in HORIZONS[:2]:
        assert model[model["h"] == h].set_index("column")["shap"].idxmax() == MOMENTUM


def test_without_a_backtest_thirds_of_train_show_stability(planted: Path, tmp_path: Path) -> None:
    folders = jobs.prepare(tmp_path, planted)
    jobs.run(folders)
    assert pq.read_table(folders.output / "backtest.parquet").num_rows == 0
    assert jobs.metrics(folders)["backtest"]["why_none"] == "the backtest was not asked for"
    fits = set(pq.read_table(folders.output / "importance.parquet")["fold"].to_pylist())
    assert fits == {-1, 0, 1, 2}


def test_a_short_range_has_no_folds_and_says_why(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = jobs.prepare(tmp_path, planted, backtest="true")
    monkeypatch.setenv(BASE, str(tmp_path))
    assert job.main() == 0
    why = jobs.metrics(folders)["backtest"]["why_none"]
    assert why == "train and the earlier half of val have 9.2 days, a fold needs 90"


def test_a_martingale_has_no_skill(martingale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = jobs.prepare(tmp_path, martingale, target_window="75")
    monkeypatch.setenv(BASE, str(tmp_path))
    assert job.main() == 0
    skill = jobs.metrics(folders)["skill"]["test"]
    assert all(abs(value) < 0.2 for value in skill.values()), skill  # two days: a wide band


def interrupted(folders: Folders, saves: list[int], monkeypatch: pytest.MonkeyPatch, *, after: bool) -> int:
    """Interrupt a job at the given saves, before or after the file is there; returns the number of saves."""
    monkeypatch.setenv(BASE, str(folders.base))
    count = 0
    save = Checkpoints.save

    def watched(self: Checkpoints, name: str, progress: object) -> None:
        nonlocal count
        count += 1
        if after:
            save(self, name, progress)  # type: ignore[arg-type]
        if count in saves:
            raise KeyboardInterrupt
        if not after:
            save(self, name, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(Checkpoints, "save", watched)
    for _ in saves:
        with pytest.raises(KeyboardInterrupt):
            job.main()
    assert job.main() == 0
    return count


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("model", TREES)
def test_three_interruptions_leave_the_same_bytes(
    model: str, after: bool, planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = jobs.prepare(tmp_path / "whole", planted, model=model, **FOLDS)
    total = interrupted(whole, [], monkeypatch, after=True)
    places = sorted(random.Random(f"{model}{after}").sample(range(1, total), 3))
    parts = jobs.prepare(tmp_path / "parts", planted, model=model, **FOLDS)
    monkeypatch.undo()
    again = interrupted(parts, places, monkeypatch, after=after)
    assert again == total + (0 if after else 3)  # no block was trained twice
    assert jobs.results(parts) == jobs.results(whole)


@pytest.mark.parametrize("model", TREES)
def test_three_kills_leave_the_same_bytes(model: str, planted: Path, tmp_path: Path) -> None:
    whole, parts = (
        jobs.prepare(tmp_path / name, planted, model=model, **FOLDS) for name in ("whole", "parts")
    )
    jobs.run(whole)
    for wanted in sorted(random.Random(model).sample(range(1, 14), 3)):
        with jobs.start(parts) as process:
            while len(list(parts.checkpoints.glob("*.checkpoint"))) < wanted:
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    assert "going on after" in jobs.run(parts)
    assert jobs.results(parts) == jobs.results(whole)


def test_checkpoints_of_other_settings_are_ignored(planted: Path, tmp_path: Path) -> None:
    fresh = jobs.prepare(tmp_path / "fresh", planted, seed="8")
    jobs.run(fresh)
    used = jobs.prepare(tmp_path / "used", planted)
    jobs.run(used)
    jobs.prepare(tmp_path / "used", planted, seed="8")
    assert "belongs to other inputs" in jobs.run(used)
    assert jobs.results(used) == jobs.results(fresh)


def test_with_few_val_rows_rounds_are_fixed_and_that_is_said(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = jobs.prepare(tmp_path, planted)
    monkeypatch.setenv(BASE, str(tmp_path))
    monkeypatch.setattr("include.training.container.trees.FEWEST", 10**6)
    monkeypatch.setattr("include.training.container.stopping.FEWEST", 10**6)
    assert job.main() == 0
    told = jobs.metrics(folders)
    assert set(told["rounds"].values()) == {12}
    assert told["stopping"].startswith("fixed rounds: the earlier half of val has")
