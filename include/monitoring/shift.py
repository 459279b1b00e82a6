"""Whether what a model adds to the no-skill forecast has moved."""

from __future__ import annotations

import numpy as np

from include.features.arrays import EPS
from include.monitoring.sessions import Window
from include.monitoring.values import Reading
from include.training.truth.groups import trading_days
from include.training.truth.outputs import Predictions

__all__ = ["BEFORE", "prediction_shift"]

BEFORE = 20  # trading days that a window is compared with
LEAST = 5  # of them that must have forecasts


def prediction_shift(pair: str, rows: Predictions, window: Window) -> Reading:
    """How far the mean prediction has shifted, in units of s: the largest of the horizons.

    The no-skill forecast of the same minute is taken off first. With matched windows the scaled forecast is
    -q / s and a little besides, and the mean of -q / s moves with the market by ten times the limit.

    Args:
        pair: for example ``eurusd``.
        rows: forecasts of one model version, in the window and before it; see `include.monitoring.actuals`.
        window: that is looked at; all other rows are what it is compared with.
    """
    known = np.isfinite(rows.s + rows.no_skill) & (rows.s > EPS["bqx"])
    rows = rows.where(known)
    added = (rows.prediction - rows.no_skill) / rows.s
    inside = (rows.ts >= window.first) & (rows.ts < window.end)
    days = np.unique(trading_days(rows.ts[~inside])).size
    if days < LEAST or not inside.any():
        found = "no forecasts in the window" if days >= LEAST else f"forecasts of {days} days before it"
        return Reading("prediction_shift", None, pair, note=f"This version has {found}.")
    means = {
        h: added[inside & (rows.h == h)].mean() - added[~inside & (rows.h == h)].mean()
        for h in np.unique(rows.h[inside]).tolist()
        if (~inside & (rows.h == h)).any()
    }
    worst = max(means, key=lambda h: abs(means[h]))
    note = f"{means[worst]:+.3f} at {worst} minutes, the largest of the horizons."
    return Reading("prediction_shift", float(abs(means[worst])), pair, note=note)
