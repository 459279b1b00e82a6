"""What was forecast: the table of predictions of a pair as a whole, and the captured answers of the API."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.features.arrays import Flags, Floats, Minutes
from include.names import to_datetime
from include.serving.captures import TABLE as CAPTURES
from include.storage.connection import Connection, exists, qualified, statement
from include.storage.tables import PREDICTIONS, WINDOWS, table_of

__all__ = ["Forecasts", "captured", "read_captured", "read_forecasts"]

Integers = npt.NDArray[np.int64]


class Forecasts(NamedTuple):
    """Forecasts of one pair, one row for each minute, version and horizon.

    Attributes:
        ts: epoch minutes of the features.
        version: of the model that answered.
        h: horizon, minutes.
        w: window of the BQX that is forecast, minutes.
        prediction, low, high: in BQX units; NaN ends where a model has no interval.
    """

    ts: Minutes
    version: npt.NDArray[np.str_]
    h: Integers
    w: Integers
    prediction: Floats
    low: Floats
    high: Floats

    def where(self, rows: Flags) -> Forecasts:
        """Some of the rows."""
        return Forecasts._make(column[rows] for column in self)

    @property
    def newest(self) -> str:
        """The version of the newest forecast; empty if there is none."""
        return str(self.version[np.argmax(self.ts)]) if self.ts.size else ""


def read_forecasts(connection: Connection, pair: str, first: int, end: int) -> Forecasts:
    """Every forecast of a pair for the minutes of a range.

    A capture of a minute that the daily run forecast with the same version says the same, and counts once.

    Args:
        connection: a session.
        pair: for example ``eurusd``.
        first: epoch minute of the first features.
        end: epoch minute just after the last.
    """
    asked: dict[str, object] = {"pair": pair, "first": to_datetime(first), "end": to_datetime(end)}
    table = table_of(PREDICTIONS, pair).name
    rows = _captures(connection, asked)
    if exists(connection, table):
        query = statement("monitoring/read_predictions", table=qualified(table))
        for minute, version, *said in connection.execute(query, asked):
            rows[int(str(minute)), str(version)] = tuple(said)
    return _long(rows)


def read_captured(connection: Connection, pair: str, first: int, end: int) -> Forecasts:
    """What clients were told of a pair about the minutes of a range; otherwise as `read_forecasts`."""
    asked: dict[str, object] = {"pair": pair, "first": to_datetime(first), "end": to_datetime(end)}
    return _long(_captures(connection, asked))


def captured(connection: Connection, first: int, end: int) -> tuple[int, int]:
    """Answers that were captured about the minutes of a range, and how many more were lost."""
    if not exists(connection, CAPTURES):
        return 0, 0
    asked = {"first": to_datetime(first), "end": to_datetime(end)}
    row = connection.execute(statement("monitoring/count_captures"), asked).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1]))


def _captures(connection: Connection, asked: dict[str, object]) -> dict[tuple[int, str], tuple[Any, ...]]:
    if not exists(connection, CAPTURES):
        return {}
    found = connection.execute(statement("monitoring/read_captures"), asked)
    return {(int(str(minute)), str(version)): tuple(said) for minute, version, *said in found}


def _long(rows: dict[tuple[int, str], tuple[Any, ...]]) -> Forecasts:
    """One row per horizon; those without a forecast are left out."""
    keys = sorted(rows)
    ts = np.array([minute for minute, _ in keys], np.int64)
    version = np.array([name for _, name in keys], np.str_)
    said = np.array([rows[key] for key in keys], np.float64).reshape(len(keys), len(WINDOWS), 4)
    h = np.broadcast_to(np.array(WINDOWS, np.int64), said.shape[:2])
    known = np.isfinite(said[:, :, 1])
    w, prediction, low, high = (said[:, :, place][known] for place in range(4))
    minute = np.repeat(np.arange(len(keys)), known.sum(axis=1))
    return Forecasts(ts[minute], version[minute], h[known], w.astype(np.int64), prediction, low, high)
