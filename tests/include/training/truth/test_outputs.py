"""Outputs of a job that cannot be judged are refused, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.errors import BadParameter, QualityError
from include.training.truth.outputs import read_predictions
from include.training.truth.reduce import reduce_job
from include.training.truth.reduced import Reduced
from tests.include.training.truth.jobs import files, importance, market, parquet, predictions

WEEKS = {"val": (1,), "calibration": (2,), "test": (3,)}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return predictions(market("eurusd", 4), WEEKS, windows=(30, 30, 45, 60, 75))


def put(column: str, value: object, row: int = 5) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].to_numpy(copy=True) if column != "set" else frame[column].to_numpy(object)
        values[row] = value
        return frame.assign(**{column: values})

    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("prediction", np.nan), "1 values in prediction that are no numbers, the first in row 6"),
        (put("actual", np.inf), "1 values in actual that are no numbers"),
        (put("s", 0.0), "rows have a volatility s that is not above 1e-12"),
        (put("set", "train"), "rows of the set train"),
        (put("low", np.nan), "one end of an interval without the other"),
        (put("low", np.inf), "1 values in low that are no numbers"),
        (put("low", 1.0), "prediction outside its own interval"),
        (put("actual", 0.5), "actual value that is not the q of the row at their horizon"),
        (lambda frame: pd.concat([frame, frame.iloc[[7]]]), "1 rows are there twice"),
        (lambda frame: frame.drop(columns="no_skill"), "has no column no_skill"),
        (lambda frame: frame.assign(no_skill=frame["q"]), "where it is 0"),
        (
            lambda frame: frame[(frame["set"] != "test") | (frame["h"] != 45)],
            "the test set does not have rows",
        ),
        (lambda frame: frame[frame["set"] != "val"], "the val set does not have rows"),
        (lambda frame: frame.iloc[:0], "does not have rows"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    frame: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    given = files(frame) | {"predictions.parquet": parquet(change(frame))}
    with pytest.raises(QualityError, match="eurusd xgboost: ") as caught:
        reduce_job("eurusd", "xgboost", given)
    assert words in str(caught.value)


def test_two_windows_of_a_horizon_are_refused(frame: pd.DataFrame) -> None:
    w = frame["w"].where(frame["set"] != "val", 75).astype("int16")
    with pytest.raises(QualityError, match=r"more than one window|where it is 0"):
        reduce_job("eurusd", "xgboost", files(frame.assign(w=w)))


def test_absent_and_broken_files_are_named(frame: pd.DataFrame) -> None:
    given = files(frame)
    with pytest.raises(BadParameter, match=r"card\.json is absent"):
        reduce_job("eurusd", "xgboost", {name: given[name] for name in given if name != "card.json"})
    for name, words in {
        "metrics.json": "is no JSON", "card.json": "is no JSON", "backtest.parquet": "cannot be read",
    }.items():  # fmt: skip
        with pytest.raises(QualityError, match=words):
            reduce_job("eurusd", "xgboost", given | {name: b"half a fi"})
    odd = importance("column_000", []).assign(shap=np.nan)
    with pytest.raises(QualityError, match="share in shap that is not a number"):
        reduce_job("eurusd", "xgboost", given | {"importance.parquet": parquet(odd)})


def test_paths_are_read_like_bytes_and_sums_survive(frame: pd.DataFrame, tmp_path: Path) -> None:
    given = files(frame)
    for name, content in given.items():
        (tmp_path / name).write_bytes(content)
    reduced = reduce_job("eurusd", "xgboost", {name: tmp_path / name for name in given})
    assert reduced == reduce_job("eurusd", "xgboost", given)
    assert Reduced.from_bytes(reduced).to_bytes() == reduced
    assert len(reduced) < 2_000_000


def test_predictions_are_sorted_and_whole(frame: pd.DataFrame) -> None:
    rows = read_predictions(parquet(frame.sample(frac=1, random_state=1)))
    expected = frame.assign(part=frame["set"].map({"val": 0, "calibration": 1, "test": 2}))
    expected = expected.sort_values(["part", "h", "ts_utc"])
    np.testing.assert_array_equal(rows.prediction, expected["prediction"])
    np.testing.assert_array_equal(rows.ts, expected["ts_utc"].astype("int64") // 60_000_000)


def test_a_job_without_folds_is_whole(frame: pd.DataFrame) -> None:
    found = Reduced.from_bytes(reduce_job("eurusd", "xgboost", files(frame)))
    assert found.folds == ()
    assert np.isnan(found.importance.stability)
