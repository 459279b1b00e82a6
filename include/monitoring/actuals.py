"""Forecasts joined with what came, once their horizon has passed.

What came is the BQX of the grid row labelled exactly ts + h minutes, as for the targets of training: never a
row h rows on. It is computed from the bars, as the features are, so it does not wait for tables to be built.
A forecast whose horizon has passed and that cannot be scored is counted, with the reason.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.errors import MissingInput
from include.features.arrays import EPS, Floats, Minutes
from include.monitoring.forecasts import Forecasts
from include.monitoring.sessions import is_open
from include.serving.online import Rows, many
from include.storage.connection import Connection
from include.training.truth.outputs import Predictions

__all__ = ["Joined", "beside", "join", "what_came"]


class Joined(NamedTuple):
    """Forecasts of one pair and what came of them.

    Attributes:
        scored: those with an actual value, sorted by horizon and time; the number of a set is 0.
        pending: forecasts whose horizon has not passed.
        missing: whose horizon has passed while the market was open, and there is no row, or no BQX in it.
        closed: whose horizon ended while the market was closed; there will never be a row.
    """

    scored: Predictions
    pending: int
    missing: int
    closed: int

    @property
    def due(self) -> int:
        """Forecasts that should have an actual value."""
        return len(self.scored.ts) + self.missing


def what_came(connection: Connection, pair: str, forecasts: Forecasts, as_of: int) -> Rows | None:
    """The grid rows of a pair that its forecasts are compared with; None if nothing was loaded.

    Args:
        connection: a session outside of a transaction.
        pair: for example ``eurusd``.
        forecasts: of the pair, at least one.
        as_of: epoch minute that counts as now: no later row is read.
    """
    windows = {int(h): int(w) for h, w in zip(forecasts.h, forecasts.w, strict=True)}
    first, end = int(forecasts.ts.min()), min(int((forecasts.ts + forecasts.h).max()) + 1, as_of)
    if first >= end:
        return None
    try:
        return many(connection, [pair], first, end, (), windows)[pair]
    except MissingInput:
        return None


def join(forecasts: Forecasts, came: Rows | None, as_of: int) -> Joined:
    """Forecasts beside what came.

    Args:
        forecasts: of one pair; each horizon has one window.
        came: from `what_came`.
        as_of: epoch minute that counts as now: the row of minute T is known at T + 1.
    """
    over = forecasts.ts + forecasts.h < as_of
    rows = beside(forecasts, came)
    there = np.isfinite(rows.q + rows.s + rows.no_skill + rows.actual) & (rows.s > EPS["bqx"])
    scored = over & there
    market = is_open(forecasts.ts + forecasts.h)
    part = rows.where(scored)
    return Joined(
        scored=part.where(np.lexsort((part.ts, part.h))),
        pending=int((~over).sum()),
        missing=int((over & ~there & market).sum()),
        closed=int((over & ~there & ~market).sum()),
    )


def beside(forecasts: Forecasts, came: Rows | None) -> Predictions:
    """Forecasts with q, s and no-skill forecast of their minute and what came, NaN where it is not known.

    Args:
        forecasts: of one pair; each horizon has one window.
        came: from `what_came`.
    """
    q, s, none, actual = np.full((4, len(forecasts.ts)), np.nan)
    if came is not None:
        for h in np.unique(forecasts.h).tolist():
            own = forecasts.h == h
            w = int(forecasts.w[own][0])
            ts = forecasts.ts[own]
            q[own], s[own] = _at(came, came.q[w], ts), _at(came, came.s[w], ts)
            actual[own] = _at(came, came.q[w], ts + h)
            none[own] = _at(came, came.q[w - h], ts) if h < w else 0.0
    part = np.zeros(len(forecasts.ts), np.int64)
    return Predictions(
        forecasts.ts, part, forecasts.w, forecasts.h, q, s, none, actual,
        forecasts.prediction, forecasts.low, forecasts.high,
    )  # fmt: skip


def _at(came: Rows, values: Floats, wanted: Minutes) -> Floats:
    """Values of the rows with exactly these labels, NaN where there is none."""
    if not came.ts.size:
        return np.full(wanted.size, np.nan)
    place = np.minimum(np.searchsorted(came.ts, wanted), came.ts.size - 1)
    return np.where(came.ts[place] == wanted, values[place], np.nan)
