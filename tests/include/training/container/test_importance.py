"""Gain and SHAP: shares, and contributions that add up to the prediction with its offset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.training.container.importance import (
    FEWEST_ROWS,
    MOST_ROWS,
    affordable_rows,
    contributions,
    evenly,
    importance,
    leaves_of,
)
from include.training.container.inference import scaled_prediction
from include.training.container.models import TREES
from include.training.container.rows import offset_of
from include.training.container.trees import fit
from tests.include.training.container.pieces import Pieces, no_checkpoints, read
from tests.include.training.worlds import MOMENTUM


@pytest.fixture(scope="module")
def pieces(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    return read(planted, tmp_path_factory.mktemp("job"), target_window="75")


@pytest.mark.parametrize("model", TREES)
def test_contributions_add_up_to_the_prediction_with_its_offset(
    model: str, pieces: Pieces, tmp_path: Path
) -> None:
    settings = replace(pieces.settings, model=model)
    horizon, columns = settings.horizons[0], pieces.manifest.columns
    learning = pieces._replace(settings=settings).learning()
    booster = fit("h15", learning, horizon, settings, no_checkpoints(tmp_path)).load(1)
    rows = evenly(pieces.rows["test"], 200)
    values, offset = contributions(booster, columns, rows, horizon), offset_of(rows, horizon)
    assert values.shape == (len(rows.ts), len(columns) + 1)
    assert values.sum(axis=1) == pytest.approx(scaled_prediction(booster, rows.x, offset), abs=1e-4)
    bias = values[:, -1] - offset  # the same in all rows: what trees expect of no row in particular
    assert np.ptp(bias) < 1e-4
    found = importance(booster, columns, rows, horizon)
    assert found.gain.sum() == pytest.approx(1)
    assert found.shap.sum() == pytest.approx(1)
    assert found.shap == pytest.approx(np.abs(values[:, :-1]).sum(axis=0) / np.abs(values[:, :-1]).sum())


def test_the_planted_column_stands_out(pieces: Pieces, tmp_path: Path) -> None:
    horizon, columns = pieces.settings.horizons[0], pieces.manifest.columns
    booster = fit("h15", pieces.learning(), horizon, pieces.settings, no_checkpoints(tmp_path)).load(1)
    found = importance(booster, columns, evenly(pieces.rows["test"], 200), horizon)
    assert columns[int(found.gain.argmax())] == MOMENTUM
    assert columns[int(found.shap.argmax())] == MOMENTUM


def test_a_booster_without_splits_has_no_importance(pieces: Pieces, tmp_path: Path) -> None:
    settings = replace(pieces.settings, min_child_weight=1e9)
    horizon, columns = settings.horizons[0], pieces.manifest.columns
    booster = fit("h15", pieces.learning(), horizon, settings, no_checkpoints(tmp_path)).load(1)
    found = importance(booster, columns, evenly(pieces.rows["test"], 50), horizon)
    assert found.gain.sum() == found.shap.sum() == 0


def test_the_more_leaves_the_fewer_rows() -> None:
    assert affordable_rows(10, 3) == MOST_ROWS
    assert affordable_rows(10**7, 15) == FEWEST_ROWS
    assert affordable_rows(40_000, 8) == 195


def test_leaves_are_counted(pieces: Pieces, tmp_path: Path) -> None:
    settings = replace(pieces.settings, max_depth=1, rounds=5)
    horizon = settings.horizons[0]
    assert leaves_of(fit("h15", pieces.learning(), horizon, settings, no_checkpoints(tmp_path)).load(1)) == 10
