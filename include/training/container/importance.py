"""What a model looks at: gain of its splits, and SHAP values by xgboost's own ``pred_contribs``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.training.container.models import shares
from include.training.container.rows import Rows, offset_of
from include.training.container.settings import Horizon

MOST_ROWS = 500  # on which contributions are computed
FEWEST_ROWS = 20
WORK = 5e8  # leaves times squared depth times rows: about two seconds of a core

Floats = npt.NDArray[np.float64]


class Importance(NamedTuple):
    """Shares of the columns, in the order of the manifest; each sums to 1, or is 0 if no tree has a split.

    Attributes:
        gain: what splits by a column improved.
        shap: mean absolute contribution to a prediction.
    """

    gain: Floats
    shap: Floats


def importance(booster: Any, columns: Sequence[str], rows: Rows, horizon: Horizon) -> Importance:
    """Both importances of a booster.

    Args:
        booster: of the horizon.
        columns: its features, in order.
        rows: a sample from `evenly`.
        horizon: which of the forecasts.
    """
    gain = booster.get_score(importance_type="total_gain")
    values = contributions(booster, columns, rows, horizon)
    return Importance(
        shares(np.array([gain.get(name, 0.0) for name in columns])),
        shares(np.abs(values[:, :-1]).mean(axis=0)),
    )


def contributions(booster: Any, columns: Sequence[str], rows: Rows, horizon: Horizon) -> Floats:
    """SHAP values in units of s, (rows, columns + 1); the last column is the bias, which holds the offset.

    A row sums to the prediction.
    """
    import xgboost as xgb

    matrix = xgb.DMatrix(
        rows.x, feature_names=list(columns), base_margin=offset_of(rows, horizon).astype(np.float32)
    )
    values: Floats = booster.predict(matrix, pred_contribs=True).astype(np.float64)
    return values


def affordable_rows(leaves: int, depth: int) -> int:
    """Rows for which contributions are computed: exact ones cost rows times leaves times squared depth."""
    return int(min(MOST_ROWS, max(FEWEST_ROWS, WORK // max(leaves * depth**2, 1))))


def leaves_of(booster: Any) -> int:
    """Leaves of all trees of a booster."""
    return sum(tree.count("leaf=") for tree in booster.get_dump())


def evenly(rows: Rows, most: int) -> Rows:
    """At most so many rows, evenly spread."""
    step = max(1, -(-len(rows.ts) // most))
    return rows.take(slice(step // 2, None, step))
