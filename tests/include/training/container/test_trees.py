"""Fitting: blocks, early stopping and forests, against xgboost used directly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from include.training.container import trees
from include.training.container.checkpoints import Checkpoints
from include.training.container.inference import scaled_prediction
from include.training.container.models import TREES
from include.training.container.rows import offset_of, outcome_of
from include.training.container.settings import TreeSettings
from include.training.container.stopping import best_round, stopped
from include.training.container.trees import (
    Fitted,
    fit,
    grow,
    parameters,
)
from tests.include.training.container.pieces import Pieces, no_checkpoints, read


@pytest.fixture(scope="module")
def pieces(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    return read(planted, tmp_path_factory.mktemp("job"), target_window="45")


def fitted_with(pieces: Pieces, folder: Path, **changed: object) -> Fitted:
    settings = replace(pieces.settings, **changed)  # type: ignore[arg-type]
    learning = pieces._replace(settings=settings).learning()
    return fit("h15", learning, settings.horizons[0], settings, no_checkpoints(folder))


def plain(pieces: Pieces, rounds: int, **changed: object) -> tuple[xgb.Booster, list[float]]:
    """One undisturbed call of xgboost on the same rows."""
    horizon, learning = pieces.settings.horizons[0], pieces.learning()
    matrices = []
    for rows in (learning.rows, learning.stopping):
        assert rows is not None
        matrices.append(
            xgb.DMatrix(rows.x, label=outcome_of(rows, horizon), base_margin=offset_of(rows, horizon))
        )
    found: dict[str, dict[str, list[float]]] = {}
    told = parameters(pieces.settings, 1) | changed
    booster = xgb.train(
        told, matrices[0], rounds, evals=[(matrices[1], "v")], evals_result=found, verbose_eval=False
    )
    return booster, found["v"]["rmse"]


def test_blocks_without_chance_are_plain_boosting(pieces: Pieces, tmp_path: Path) -> None:
    """Without sampling no seed matters: blocks must give what one call gives, with the offset in each."""
    fitted = fitted_with(pieces, tmp_path, subsample=1.0, rounds=10, block_rounds=3, early_stopping_rounds=50)
    booster, history = plain(pieces, 10, subsample=1.0)
    assert fitted.history == pytest.approx(history, rel=1e-5)
    rows = pieces.rows["test"].take(slice(0, 500))
    offset = offset_of(rows, pieces.settings.horizons[0])
    ours = scaled_prediction(fitted.load(1), rows.x, offset)
    theirs = booster[: fitted.rounds].predict(xgb.DMatrix(rows.x, base_margin=offset))
    assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-3)


def test_the_history_is_the_error_of_the_forecasts(pieces: Pieces, tmp_path: Path) -> None:
    fitted = fitted_with(pieces, tmp_path)
    val = pieces.learning().stopping
    assert val is not None
    horizon = pieces.settings.horizons[0]
    booster = fitted.load(1)
    assert booster.num_boosted_rounds() == fitted.rounds
    error = outcome_of(val, horizon) - scaled_prediction(booster, val.x, offset_of(val, horizon))
    assert np.sqrt(np.mean(error**2)) == pytest.approx(min(fitted.history), rel=1e-6)
    assert fitted.rounds == best_round(fitted.history) + 1


def test_a_booster_is_cut_at_its_best_round(pieces: Pieces, tmp_path: Path) -> None:
    """A high rate overfits at once: boosting stops, and what came after the best round is gone."""
    fitted = fitted_with(
        pieces, tmp_path, rounds=200, learning_rate=1.0, max_depth=8, block_rounds=7, early_stopping_rounds=4
    )
    assert fitted.load(1).num_boosted_rounds() == fitted.rounds
    assert len(fitted.history) == fitted.rounds + 4 < 200


@pytest.mark.parametrize("patience", [1, 3, 8])
def test_stopping_is_that_of_xgboost(patience: int, pieces: Pieces, tmp_path: Path) -> None:
    settings = replace(
        pieces.settings,
        subsample=1.0,
        rounds=60,
        learning_rate=0.7,
        block_rounds=7,
        early_stopping_rounds=patience,
    )
    learning, horizon = pieces._replace(settings=settings).learning(), settings.horizons[0]
    ours = fit("h15", learning, horizon, settings, no_checkpoints(tmp_path))
    learning.label(horizon)
    theirs = xgb.train(
        parameters(settings, 1), learning.train, 60, evals=[(learning.watch, "v")],
        early_stopping_rounds=patience, verbose_eval=False,
    )  # fmt: skip
    assert ours.rounds == theirs.best_iteration + 1
    assert len(ours.history) == theirs.num_boosted_rounds() < 60


def test_the_first_of_several_best_rounds_counts() -> None:
    assert best_round([3.0, 1.0, 2.0, 1.0]) == 1
    assert stopped([3.0, 1.0, 2.0, 1.0], 2) == 3
    assert stopped([3.0, 1.0, 2.0, 1.0], 3) is None
    assert stopped([], 1) is None


def test_a_block_begins_with_the_saved_bytes(pieces: Pieces, tmp_path: Path) -> None:
    """Interrupted after every block, or never: the same bytes and the same history."""
    settings, horizon = pieces.settings, pieces.settings.horizons[0]
    whole = fitted_with(pieces, tmp_path / "whole")
    place = tmp_path / "parts"
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            fit("h15", pieces.learning(), horizon, settings, _OneBlock(place, "test"))
    resumed = fit("h15", pieces.learning(), horizon, settings, Checkpoints(place, "test"))
    assert resumed == whole
    assert whole.booster != fitted_with(pieces, tmp_path / "seed", seed=8).booster


class _OneBlock(Checkpoints):
    """Is interrupted as soon as a block is saved."""

    def save(self, name: str, progress: object) -> None:
        super().save(name, progress)  # type: ignore[arg-type]
        raise KeyboardInterrupt


def test_every_block_draws_anew(pieces: Pieces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one seed for all blocks, each would draw the rows of the first."""
    seeds = []

    def watched(settings: TreeSettings, seed: int) -> dict[str, object]:
        seeds.append(seed)
        return parameters(settings, seed)

    monkeypatch.setattr(trees, "parameters", watched)
    for horizon in pieces.settings.horizons[:2]:
        fit(horizon.name, pieces.learning(), horizon, pieces.settings, no_checkpoints(tmp_path))
    assert len(seeds) == len(set(seeds)) >= 4


@pytest.mark.parametrize("model", TREES)
def test_nothing_but_the_offset_is_known_before_the_trees(model: str, pieces: Pieces, tmp_path: Path) -> None:
    config = json.loads(fitted_with(pieces, tmp_path, model=model).load(1).save_config())
    score = config["learner"]["learner_model_param"]["base_score"]
    assert float(score.strip("[]")) == 0


def test_with_few_stopping_rows_the_rounds_are_fixed(pieces: Pieces, tmp_path: Path) -> None:
    few = pieces.rows["val"].take(slice(0, 40))
    small = pieces._replace(rows=pieces.rows | {"val": few})
    fitted = fit(
        "h15", small.learning(), small.settings.horizons[0], small.settings, no_checkpoints(tmp_path)
    )
    assert (fitted.rounds, fitted.history) == (12, ())


def test_growing_together_gives_what_each_alone_gives(pieces: Pieces, tmp_path: Path) -> None:
    settings, together = pieces.settings, no_checkpoints(tmp_path / "together")
    grow(pieces.learning(), settings, together)
    for horizon in settings.horizons:
        finished = together.load(horizon.name)
        alone = fit(horizon.name, pieces.learning(), horizon, settings, no_checkpoints(tmp_path / "alone"))
        assert (finished.finished, finished.state, finished.history) == (True, alone.booster, alone.history)


@pytest.mark.parametrize(("rate", "expected"), [(0.625, 3), (0.3, 1), (0.01, 0)])
def test_means_are_said_whenever_as_much_has_been_learned(
    rate: float, expected: int, pieces: Pieces, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(pieces.settings, learning_rate=rate, early_stopping_rounds=50)
    checkpoints = no_checkpoints(tmp_path)
    grow(pieces._replace(settings=settings).learning(), settings, checkpoints)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("val_rmse_mean=")]
    assert len(said) == expected, "12 rounds in blocks of 4"
    if expected == 3:
        best = [min(checkpoints.load(horizon.name).history) for horizon in settings.horizons]
        assert said[-1] == f"val_rmse_mean={np.mean(best):.6f};"


def test_a_forest_is_one_round_of_parallel_trees(pieces: Pieces, tmp_path: Path) -> None:
    fitted = fitted_with(pieces, tmp_path, model="random_forest", trees=7)
    booster = fitted.load(1)
    assert fitted.rounds == booster.num_boosted_rounds() == 1
    assert len(booster.get_dump()) == 7


def test_a_forest_s_forecast_is_the_mean_of_its_trees(pieces: Pieces, tmp_path: Path) -> None:
    """Alone, each tree takes part with its share: the leaves are the mean of what the offset leaves over."""
    fitted = fitted_with(
        pieces, tmp_path, model="random_forest", trees=1, subsample=1.0, colsample_bynode=1.0, max_depth=1,
        min_child_weight=1,
    )  # fmt: skip
    learning, horizon = pieces.learning(), pieces.settings.horizons[0]
    rest = outcome_of(learning.rows, horizon) - offset_of(learning.rows, horizon)
    said = scaled_prediction(fitted.load(1), learning.rows.x, np.zeros(rest.size))
    for leaf in np.unique(said):
        assert rest[said == leaf].mean() == pytest.approx(leaf, rel=1e-3, abs=1e-4)
