"""The ensemble of a pair: the weighted forecasts of three models, and how much these resemble each other."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.errors import QualityError
from include.features.arrays import Floats
from include.training.choice.rules import WEIGHTS, XGBOOST
from include.training.truth.outputs import SETS, Predictions, read_predictions

__all__ = ["Ensemble", "combine"]

PREDICTIONS, BACKTEST = "predictions.parquet", "backtest.parquet"


class Ensemble(NamedTuple):
    """Forecasts of an ensemble.

    Attributes:
        files: the files that a job of the ensemble would have left, for `include.training.truth.reduce`.
        correlations: by couple of its models, on validation: the mean over the horizons.
    """

    files: dict[str, bytes]
    correlations: dict[tuple[str, str], float]


def combine(files: Mapping[str, Mapping[str, bytes]]) -> Ensemble:
    """Weigh the forecasts of the models of one pair.

    The correlation is that of what the models add to the no-skill forecast. The no-skill forecast is part of
    every model: where h < w it alone would make any two of them resemble each other.

    Args:
        files: the files of each model of `WEIGHTS`.

    Raises:
        QualityError: the models did not forecast the same rows.
    """
    rows = {model: read_predictions(files[model][PREDICTIONS]) for model in WEIGHTS}
    first = rows[XGBOOST]
    for model, other in rows.items():
        if not all(
            np.array_equal(getattr(first, name), getattr(other, name)) for name in ("ts", "part", "h")
        ):
            raise QualityError(
                f"{model} and {XGBOOST} did not forecast the same rows, so they cannot be mixed"
            )
    mixed = np.sum([weight * rows[model].prediction for model, weight in WEIGHTS.items()], axis=0)
    left = {
        PREDICTIONS: _parquet(first, mixed),
        BACKTEST: _without_rows(files[XGBOOST][BACKTEST]),
    }
    return Ensemble({**files[XGBOOST], **left}, _correlations(rows))


def _correlations(rows: Mapping[str, Predictions]) -> dict[tuple[str, str], float]:
    first = rows[XGBOOST]
    val = first.part == SETS.index("val")
    added = {model: each.prediction - each.no_skill for model, each in rows.items()}
    by_horizon = [val & (first.h == h) for h in np.unique(first.h[val])]
    return {
        (one, other): float(np.mean([_correlation(added[one][own], added[other][own]) for own in by_horizon]))
        for one, other in combinations(rows, 2)
    }


def _correlation(one: Floats, other: Floats) -> float:
    """NaN if one of them is constant: then nothing says that they differ."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(one, other)[0, 1])


def _parquet(rows: Predictions, prediction: Floats) -> bytes:
    """Without intervals: those of the models do not hold for their mean."""
    none = pa.nulls(prediction.size, pa.float64())
    table = pa.table({
        "ts_utc": pa.array(rows.ts * 60_000_000, pa.timestamp("us", "UTC")),
        "set": pa.array(np.array(SETS)[rows.part]),
        "w": rows.w, "h": rows.h, "q": rows.q, "s": rows.s, "no_skill": rows.no_skill,
        "actual": rows.actual, "prediction": prediction, "low": none, "high": none,
    })  # fmt: skip
    return _written(table)


def _without_rows(backtest: bytes) -> bytes:
    return _written(pq.read_table(io.BytesIO(backtest)).slice(0, 0))


def _written(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()
