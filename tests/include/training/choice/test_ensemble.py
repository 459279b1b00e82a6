"""The ensemble: weights, correlations of what its models add, and files that can be scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.errors import QualityError
from include.training.choice.ensemble import combine
from include.training.choice.rules import FOREST, TFT, WEIGHTS, XGBOOST
from include.training.truth.outputs import read_predictions
from include.training.truth.reduce import reduce_job
from tests.include.training.choice.runs import forecasts
from tests.include.training.truth.jobs import files


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    skills = {XGBOOST: 0.3, TFT: 0.3, FOREST: 0.3}
    return {model: forecasts("eurusd", seed, skills[model]) for seed, model in enumerate(WEIGHTS)}


def test_forecasts_are_weighed(frames: dict[str, pd.DataFrame]) -> None:
    made = combine({model: files(frame) for model, frame in frames.items()})
    expected = (
        0.40 * frames[XGBOOST]["prediction"]
        + 0.35 * frames[TFT]["prediction"]
        + 0.25 * frames[FOREST]["prediction"]
    )
    rows = read_predictions(made.files["predictions.parquet"])
    order = np.lexsort((
        frames[TFT]["ts_utc"], frames[TFT]["h"],
        frames[TFT]["set"].map({"val": 0, "calibration": 1, "test": 2}),
    ))  # fmt: skip
    assert np.allclose(rows.prediction, expected.to_numpy()[order], rtol=1e-12)
    assert np.isnan(rows.low).all()
    assert reduce_job("eurusd", "ensemble", made.files)


def test_correlations_are_those_of_what_is_added_on_val(frames: dict[str, pd.DataFrame]) -> None:
    made = combine({model: files(frame) for model, frame in frames.items()})
    added = {
        model: frame.assign(added=frame["prediction"] - frame["no_skill"])[frame["set"] == "val"]
        for model, frame in frames.items()
    }
    for (one, other), found in made.correlations.items():
        by_h = [
            np.corrcoef(left["added"], added[other].loc[left.index, "added"])[0, 1]
            for _, left in added[one].groupby("h")
        ]
        assert found == pytest.approx(np.mean(by_h))
    assert len(made.correlations) == 3
    assert all(0 < found < 0.85 for found in made.correlations.values())


def test_the_no_skill_forecast_makes_no_models_alike() -> None:
    """Windows of 75 minutes: no skill explains up to half of BQX, and all models share it."""
    from tests.include.training.choice.runs import WEEKS, bars
    from tests.include.training.truth.jobs import predictions

    alike = {
        model: files(predictions(bars("eurusd"), WEEKS, seed=seed, skill=0.02, noise=0.0, windows=(75,) * 5))
        for seed, model in enumerate(WEIGHTS)
    }
    found = combine(alike).correlations
    assert all(value < 0.2 for value in found.values())


def test_a_model_that_adds_nothing_has_no_correlation(frames: dict[str, pd.DataFrame]) -> None:
    silent = frames[FOREST].assign(prediction=frames[FOREST]["no_skill"], low=np.nan, high=np.nan)
    made = combine({model: files(frame) for model, frame in (frames | {FOREST: silent}).items()})
    assert sum(np.isnan(value) for value in made.correlations.values()) == 2


def test_other_rows_are_refused(frames: dict[str, pd.DataFrame]) -> None:
    fewer = frames | {TFT: frames[TFT].iloc[:-1]}
    with pytest.raises(QualityError, match="tft and xgboost did not forecast the same rows"):
        combine({model: files(frame) for model, frame in fewer.items()})
