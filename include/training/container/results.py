"""The tables a job leaves: predictions, backtest and importance, as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from include.training.container.importance import Importance
from include.training.container.inference import interval, no_skill, restore
from include.training.container.models import Model
from include.training.container.rows import Floats, Rows, offset_of
from include.training.container.sets import Minutes
from include.training.container.settings import Horizon

if TYPE_CHECKING:
    import pyarrow as pa

SETS = ("val", "calibration", "test")  # the order of the rows
_MICROSECONDS = 60_000_000  # of a minute


class Predicted(NamedTuple):
    """Forecasts of one horizon on the rows of one set that have an outcome.

    Attributes:
        split: val, calibration or test.
        horizon: which forecast.
        ts: epoch minutes.
        q, s, no_skill, actual, prediction: in raw BQX units.
        fold: number of the backtest's fold, -1 for the model itself.
        half_width: of the interval, in units of s; None without one.
    """

    split: str
    horizon: Horizon
    ts: Minutes
    q: Floats
    s: Floats
    no_skill: Floats
    actual: Floats
    prediction: Floats
    fold: int = -1
    half_width: float | None = None

    @property
    def residuals(self) -> Floats:
        """Outcome minus prediction, in units of s."""
        return (self.actual - self.prediction) / self.s

    @property
    def rmse(self) -> float | None:
        """Root of the mean squared residual in units of s; None without rows."""
        return float(np.sqrt(np.mean(self.residuals**2))) if self.ts.size else None

    @property
    def skill(self) -> float | None:
        """1 - MSE / MSE of the no-skill forecast, in raw units; None without rows."""
        plain = np.sum((self.actual - self.no_skill) ** 2)
        return float(1 - np.sum((self.actual - self.prediction) ** 2) / plain) if plain > 0 else None


def forecast(
    model: Model, rows: Rows, horizons: Sequence[Horizon], split: str, fold: int = -1
) -> list[Predicted]:
    """Forecast every usable row of a set, horizon by horizon."""
    rows = rows.take(np.logical_or.reduce([rows.usable(horizon) for horizon in horizons]))
    offset = {horizon.minutes: offset_of(rows, horizon) for horizon in horizons}
    scaled = model.scaled(rows.seen, offset)
    out = []
    for horizon in horizons:
        known = rows.usable(horizon)
        q, s = rows.q[horizon.window][known], rows.s[horizon.window][known]
        out.append(
            Predicted(
                split,
                horizon,
                rows.ts[known],
                q,
                s,
                no_skill(horizon.window, horizon.minutes, rows.q)[known],
                rows.actual[horizon.target][known],
                restore(scaled[horizon.minutes][known], q, s),
                fold,
            )
        )
    return out


def write_predictions(path: Path, parts: Sequence[Predicted], *, folds: bool = False) -> int:
    """Write forecasts, sorted by fold, set, horizon and time; returns the number of rows.

    Args:
        path: of the Parquet file.
        parts: in any order.
        folds: whether the table has the column fold.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = sorted(parts, key=lambda part: (part.fold, SETS.index(part.split), part.horizon))
    tables = [_predictions(part, folds) for part in parts] or [_predictions(_NOTHING, folds)]
    table = pa.concat_tables(tables)
    pq.write_table(table, path, compression="zstd")
    return int(table.num_rows)


def write_importance(
    path: Path, found: Sequence[tuple[int, Horizon, Importance]], columns: Sequence[str]
) -> None:
    """Write importances: of the model (fold -1) and of the fits that show how stable they are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = sorted(found, key=lambda each: each[:2])
    count = len(columns)
    table = pa.table(
        {
            "column": pa.array(list(columns) * len(found), pa.string()),
            "h": pa.array(np.repeat([horizon.minutes for _, horizon, _ in found], count), pa.int16()),
            "fold": pa.array(np.repeat([fold for fold, _, _ in found], count), pa.int16()),
            "gain": pa.array(np.concatenate([each.gain for *_, each in found]), pa.float64()),
            "shap": pa.array(np.concatenate([each.shap for *_, each in found]), pa.float64()),
        }
    )
    pq.write_table(table, path, compression="zstd")


def _predictions(part: Predicted, folds: bool) -> pa.Table:
    import pyarrow as pa

    rows = part.ts.size
    low, high = interval(part.prediction, part.s, part.half_width)
    names = pa.DictionaryArray.from_arrays(
        pa.array(np.full(rows, SETS.index(part.split)), pa.int8()), pa.array(list(SETS))
    )
    table: dict[str, Any] = {
        "ts_utc": pa.array(part.ts * _MICROSECONDS, pa.int64()).cast(pa.timestamp("us", "UTC")),
        "set": names,
        "w": pa.array(np.full(rows, part.horizon.window), pa.int16()),
        "h": pa.array(np.full(rows, part.horizon.minutes), pa.int16()),
        "q": part.q,
        "s": part.s,
        "no_skill": part.no_skill,
        "actual": part.actual,
        "prediction": part.prediction,
        "low": pa.array(low, from_pandas=True),
        "high": pa.array(high, from_pandas=True),
    }
    if folds:
        table["fold"] = pa.array(np.full(rows, part.fold), pa.int16())
    return pa.table(table)


_NONE = np.empty(0)
_NOTHING = Predicted("test", Horizon(15, 15), np.empty(0, np.int64), _NONE, _NONE, _NONE, _NONE, _NONE)
