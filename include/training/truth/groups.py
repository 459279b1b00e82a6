"""Trading days, and the groups of rows that are scored beside all rows: session, volatility, trend.

No group looks at the set that it divides: sessions follow from the clock, and the limits of volatility and
trend are quantiles of the validation set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from include.errors import QualityError
from include.features.arrays import Floats, Minutes
from include.market.timezones import trading_clock

__all__ = ["ALL", "GROUPS", "STATES", "Limits", "by_group", "limits", "states", "trading_days"]

DAY = 1440  # minutes
ALL = "all"
SESSIONS = (("tokyo", 0), ("london", 8), ("overlap", 13), ("new_york", 16), ("late", 21))  # first hour, UTC
VOLATILITIES = ("low", "middle", "high")
TRENDS = ("falling", "flat", "rising")

GROUPS: tuple[tuple[str, str], ...] = (
    (ALL, ALL),
    *(("session", name) for name, _ in SESSIONS),
    *(("volatility", name) for name in VOLATILITIES),
    *(("trend", name) for name in TRENDS),
)
"""What the groups divide by, and the names of the groups, in the order of `by_group`."""

STATES = (len(SESSIONS), len(VOLATILITIES), len(TRENDS))


class Limits(NamedTuple):
    """Where volatility and trend are divided, for one horizon.

    Attributes:
        volatility: s below which it is low, and from which it is high.
        trend: absolute q / s below which the price is called flat.
    """

    volatility: tuple[float, float]
    trend: float


def trading_days(ts: Minutes) -> Minutes:
    """Days since 1970 of the trading day of each epoch minute.

    A trading day begins at 17:00 in New York and has the date of its end. Sunday evening belongs to
    Monday, and so would a row of the weekend.
    """
    days = trading_clock(ts) // DAY
    weekday = (days + 3) % 7  # Monday is 0
    return days + np.where(weekday > 4, 7 - weekday, 0)


def limits(q: Floats, s: Floats) -> Limits:
    """Terciles of volatility and the lower tercile of the size of the trend, from validation rows.

    Raises:
        QualityError: there are no rows.
    """
    if not q.size:
        raise QualityError(
            "predictions.parquet has no validation rows for a horizon, so volatility and trend cannot be "
            "divided; look at the split of the data set and run the job again"
        )
    low, high = np.quantile(s, (1 / 3, 2 / 3))
    return Limits((float(low), float(high)), float(np.quantile(np.abs(q) / s, 1 / 3)))


def states(ts: Minutes, q: Floats, s: Floats, limit: Limits) -> npt.NDArray[np.intp]:
    """Session, volatility and trend of each row, as one number below the product of `STATES`.

    BQX adds up past prices less the present one: where q is positive the price has fallen.
    """
    session = np.searchsorted([hour for _, hour in SESSIONS], ts % DAY // 60, side="right") - 1
    volatility = np.searchsorted(limit.volatility, s, side="right")
    direction = -np.sign(q).astype(np.intp)
    trend = np.where(np.abs(q) / s < limit.trend, 0, direction) + 1
    number: npt.NDArray[np.intp] = (session * STATES[1] + volatility) * STATES[2] + trend
    return number


def by_group(sums: Floats) -> Floats:
    """Sums of the groups from those of the states.

    Args:
        sums: (days, product of `STATES`).

    Returns:
        (days, groups), in the order of `GROUPS`.
    """
    by = sums.reshape(-1, *STATES)
    parts = (sums.sum(axis=1, keepdims=True), by.sum(axis=(2, 3)), by.sum(axis=(1, 3)), by.sum(axis=(1, 2)))
    return np.concatenate(parts, axis=1)
