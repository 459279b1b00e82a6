"""Everything that a run of the monitor reads about one pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.dataset.profile import FEWEST
from include.dataset.targets import AHEAD, is_trainable
from include.features.arrays import Flags, Floats
from include.monitoring import actuals, drift, forecasts, freshness, performance
from include.monitoring.performance import Baseline
from include.monitoring.reference import Reference
from include.monitoring.sessions import Window, whole_days
from include.monitoring.shift import BEFORE, prediction_shift
from include.monitoring.values import Reading
from include.serving.online import Rows, many
from include.storage.bars import read_bars
from include.storage.connection import Connection
from include.training.truth.groups import trading_days

__all__ = ["Served", "of_features", "of_forecasts"]

DRIFTS = ("feature_drift", "features_drifted", "feature_kl", "feature_psi")


class Served(NamedTuple):
    """The model that serves a pair, and what it learned from.

    Attributes:
        pair: for example ``eurusd``.
        columns: of the model.
        baseline: its scores when it was chosen; None if nothing is known.
        reference: its training rows as counts.
        missing: share of rows in which each column was NULL in the period of its data set.
    """

    pair: str
    columns: tuple[str, ...]
    baseline: Baseline | None
    reference: Reference
    missing: Floats


def of_forecasts(
    connection: Connection, pair: str, baseline: Baseline | None, as_of: int, days: int
) -> list[Reading]:
    """Scores of the forecasts of the last whole trading days and of the present one, and their shift.

    Args:
        connection: a session outside of a transaction.
        pair: for example ``eurusd``.
        baseline: of the model that serves; None if nothing is known.
        as_of: epoch minute that counts as now.
        days: whole trading days of the window.
    """
    window = whole_days(as_of, days)
    first = whole_days(as_of, BEFORE, skip=days).first
    told = performance.of_one_model(forecasts.read_forecasts(connection, pair, first, as_of))
    came = actuals.what_came(connection, pair, told, as_of) if told.ts.size else None
    joined = actuals.join(told.where(told.ts >= window.first), came, as_of)
    newest = told.where(told.version == told.newest)
    shift = prediction_shift(pair, actuals.beside(newest, came), window._replace(end=as_of))
    return [*performance.readings(pair, joined, baseline), shift]


def of_features(connection: Connection, served: Served, k: float | None, as_of: int) -> list[Reading]:
    """Drift and missing values of the features of the last two windows of whole trading days.

    The features are computed from the bars, as for a forecast; no feature table is read.

    Args:
        connection: a session outside of a transaction.
        served: the model and its reference.
        k: from `drift.limit`; None if nothing can be said of quiet windows.
        as_of: epoch minute that counts as now.
    """
    older, newer = (whole_days(as_of, drift.WINDOW, skip=skip) for skip in (drift.WINDOW, 0))
    rows, learned = _rows(connection, served, older, min(newer.end + AHEAD, as_of))
    inside = (rows.ts >= newer.first) & (rows.ts < newer.end)
    missing = freshness.missing_features(served.pair, served.columns, rows.features[inside], served.missing)
    return [*_drift(served, k, rows, learned, (older, newer)), missing]


def _rows(connection: Connection, served: Served, older: Window, end: int) -> tuple[Rows, Flags]:
    """Grid rows of both windows, and which of them a data set would have: trainable, all columns known."""
    first = older.first - AHEAD  # whether a row may be trained on depends on the rows around it
    rows = many(connection, [served.pair], first, end, served.columns, {})[served.pair]
    bars = read_bars(connection, served.pair, first, end)
    learned = is_trainable(rows.ts, ~np.isin(rows.ts, bars.ts))
    return rows, learned & np.isfinite(rows.features).all(axis=1)


def _drift(
    served: Served, k: float | None, rows: Rows, learned: Flags, windows: tuple[Window, Window]
) -> list[Reading]:
    known = drift.usual(served.reference)
    if known is None or k is None:
        days = served.reference.days.size
        note = f"The training set has {days} trading days; {drift.LEAST_DAYS} are needed."
        return [Reading(name, None, served.pair, note=note) for name in DRIFTS]
    place = [served.columns.index(name) for name in served.reference.columns]
    older, newer = (_of_window(rows, learned, place, window) for window in windows)
    for part in (older, newer):
        days = np.unique(trading_days(part.ts)).size
        if days < drift.WINDOW or part.ts.size < FEWEST:
            note = f"A window has rows of {days} trading days; {drift.WINDOW} are needed."
            return [Reading(name, None, served.pair, note=note) for name in DRIFTS]
    found = drift.compare(served.reference, known, k, (older, newer))
    worst = int(np.argmax(found.kl / found.limits))
    name, kl, most = served.reference.columns[worst], found.kl[worst], found.limits[worst]
    note = f"{name}: KL {kl:.3f}, its limit is {most:.3f}."
    values = (found.drift, float(found.drifted), float(found.kl.max()), float(found.psi.max()))
    return [
        Reading(each, value, served.pair, note=note if each == DRIFTS[0] else "")
        for each, value in zip(DRIFTS, values, strict=True)
    ]


def _of_window(rows: Rows, learned: Flags, place: list[int], window: Window) -> drift.Rows:
    chosen = learned & (rows.ts >= window.first) & (rows.ts < window.end)
    return drift.Rows(rows.ts[chosen], rows.features[chosen][:, place])
