"""What a training job wrote, read and refused where it cannot be true."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.errors import QualityError
from include.features.arrays import EPS, Flags, Floats, Minutes

__all__ = [
    "MEASURED",
    "SETS",
    "Content",
    "Predictions",
    "read_backtest",
    "read_importance",
    "read_predictions",
]

Content: TypeAlias = bytes | Path  # of a file, or where it lies
Integers: TypeAlias = npt.NDArray[np.int64]

SETS = ("val", "calibration", "test")
MEASURED = ("val", "test")  # calibration made the intervals and serves nothing else
VALUES = ("q", "s", "no_skill", "actual", "prediction", "low", "high")
INTERVAL = ("low", "high")  # NULL where a model has none
MICROSECONDS = 60_000_000  # in a minute
CLOSE = 1e-9  # relative: by how much two records of the same number may differ


class Predictions(NamedTuple):
    """Predictions of one pair and model, sorted by set, horizon and time.

    Attributes:
        ts: epoch minutes.
        part: number of the set in `SETS`, or of the fold.
        w: window of BQX, minutes.
        h: horizon, minutes.
        q: BQX of the row.
        s: its volatility.
        no_skill: the no-skill forecast of BQX at t + h.
        actual: BQX at t + h.
        prediction: what the model foresaw.
        low: lower end of its interval, NaN without one.
        high: upper end, NaN without one.
    """

    ts: Minutes
    part: Integers
    w: Integers
    h: Integers
    q: Floats
    s: Floats
    no_skill: Floats
    actual: Floats
    prediction: Floats
    low: Floats
    high: Floats

    def where(self, rows: Flags | npt.NDArray[np.intp]) -> Predictions:
        """Some of the rows, by a flag for each or by their numbers."""
        return Predictions._make(column[rows] for column in self)


def read_predictions(content: Content) -> Predictions:
    """Read predictions.parquet.

    Raises:
        QualityError: a column is absent, a number is not finite, a row is there twice, a set is unknown,
            or columns contradict each other.
    """
    table = _table(content, "predictions.parquet")
    names = _column(table, "predictions.parquet", "set").cast(pa.string())
    part = pc.index_in(names, value_set=pa.array(SETS))
    if part.null_count:
        odd = sorted({str(name) for name in pc.unique(names).to_pylist()} - set(SETS))
        raise QualityError(f"predictions.parquet has rows of the set {odd[0]}; sets are {', '.join(SETS)}")
    return _checked(table, "predictions.parquet", _numbers(part))


def read_backtest(content: Content) -> Predictions:
    """Read backtest.parquet, which has the number of a fold in place of the set; it may have no rows.

    Raises:
        QualityError: as of `read_predictions`.
    """
    table = _table(content, "backtest.parquet")
    return _checked(table, "backtest.parquet", _numbers(_column(table, "backtest.parquet", "fold")))


def read_importance(content: Content) -> pa.Table:
    """Read importance.parquet: column, h, fold (-1 is the model itself), gain, shap.

    Raises:
        QualityError: a column is absent, or a share is not finite.
    """
    table = _table(content, "importance.parquet")
    for name in ("column", "h", "fold", "gain", "shap"):
        values = _column(table, "importance.parquet", name)
        if name in ("gain", "shap") and not np.isfinite(_floats(values)).all():
            raise QualityError(f"importance.parquet has a share in {name} that is not a number")
    return table


def _table(content: Content, name: str) -> pa.Table:
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        return pq.read_table(source)
    except (pa.ArrowException, OSError) as error:
        raise QualityError(f"{name} cannot be read: {error}. Run the job again") from error


def _column(table: pa.Table, file: str, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise QualityError(f"{file} has no column {name}; it has {', '.join(table.column_names)}")
    return table[name]


def _checked(table: pa.Table, file: str, part: Integers) -> Predictions:
    columns = {name: _floats(_column(table, file, name)) for name in VALUES}
    for name, values in columns.items():
        allowed = np.isnan(values) if name in INTERVAL else np.zeros(values.size, np.bool_)
        odd = np.flatnonzero(~np.isfinite(values) & ~allowed)
        if odd.size:
            raise QualityError(
                f"{file} has {odd.size:,} values in {name} that are no numbers, the first in row "
                f"{odd[0] + 1:,}; a model must answer for every row, so look at its inputs there"
            )
    stamps = _column(table, file, "ts_utc").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    ts = _numbers(stamps)
    if (ts % MICROSECONDS).any():
        raise QualityError(f"{file} has rows whose ts_utc is no whole minute")
    w, h = (_numbers(_column(table, file, name)) for name in ("w", "h"))
    order = np.lexsort((ts, h, part))
    rows = Predictions(ts // MICROSECONDS, part, w, h, **columns).where(order)
    _consistent(rows, file)
    return rows


def _consistent(rows: Predictions, file: str) -> None:
    same = (np.diff(rows.ts) == 0) & (np.diff(rows.h) == 0) & (np.diff(rows.part) == 0)
    scale = np.maximum(np.abs(rows.actual), np.abs(rows.prediction)) * CLOSE
    problems = {
        "are there twice (same set or fold, horizon and minute)": same,
        "have a volatility s that is not above 1e-12": rows.s <= EPS["bqx"],
        "have a no-skill forecast although the horizon is not shorter than the window, where it is 0": (
            (rows.h >= rows.w) & (rows.no_skill != 0)
        ),
        "have a prediction outside its own interval": (
            (rows.prediction < rows.low - scale) | (rows.prediction > rows.high + scale)
        ),
        "have one end of an interval without the other": np.isnan(rows.low) != np.isnan(rows.high),
        "have an actual value that is not the q of the row at their horizon": _contradicted(rows),
    }
    for problem, found in problems.items():
        if found.any():
            raise QualityError(
                f"{file}: {int(found.sum()):,} rows {problem}; these predictions cannot be judged, look at "
                "the code of the job that wrote them"
            )


def _contradicted(rows: Predictions) -> Flags:
    """Rows whose actual value differs from q at t + h, where that row is there too.

    Rows of the same set and horizon have the same window, so q at t + h is what they had to foresee.
    """
    if not rows.ts.size:
        return np.zeros(0, np.bool_)
    key = (rows.part * 128 + rows.h) * (1 << 40) + rows.ts  # sorted, as the rows are
    place = np.minimum(np.searchsorted(key, key + rows.h), key.size - 1)
    there = (key[place] == key + rows.h) & (rows.w[place] == rows.w)
    apart: Flags = there & (np.abs(rows.q[place] - rows.actual) > CLOSE * (1 + np.abs(rows.actual)))
    return apart


def _floats(values: pa.ChunkedArray) -> Floats:
    return np.asarray(values.to_numpy(), np.float64)


def _numbers(values: pa.ChunkedArray) -> Integers:
    if values.null_count:
        raise QualityError("a key column of a job's output has NULL; run the job again")
    return np.asarray(values.to_numpy(), np.int64)
