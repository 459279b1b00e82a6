"""Sessions, time of day and week, holidays, read from the label of the bar: time."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from include.features.arrays import EPS, Columns, Floats, Minutes
from include.features.flags import tercile
from include.features.holiday_table import COUNTRIES, days_to_holiday
from include.features.kernels import rolling
from include.features.kernels.extremes import still
from include.features.kernels.rank import mid_rank
from include.features.series import Series

__all__ = ["compute"]

HOUR, DAY = 60, 1440  # minutes
THURSDAY = 3  # day 0, 1970-01-01; Monday is 0
FRIDAY = 4

# Minutes of the day in UTC, the end not included. No daylight saving: the hours are those of the clock.
SESSIONS = {"tokyo": (0, 8 * HOUR), "london": (8 * HOUR, 16 * HOUR), "ny": (13 * HOUR, 21 * HOUR)}
ROLL_FROM, ROLL_UNTIL = FRIDAY * DAY + 17 * HOUR, HOUR  # minutes of the week, over its end
LAST_DAYS = 3  # of a month
VOLATILITY = 30  # rows


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 10.

    Days to a holiday are NULL outside the years of the holiday table.
    """
    day, minute = np.divmod(series.ts, DAY)
    weekday = (day + THURSDAY) % 7
    columns: Columns = {
        **_sessions(minute, weekday),
        "session_vol_regime": _regime(series.r),
        "session_hour": (minute // HOUR).astype(np.float64),
        **_cycles(minute, weekday),
        "dow": weekday.astype(np.float64),
        "is_month_end": (_month(day + LAST_DAYS) != _month(day)).astype(np.float64),
        "is_week_roll": _rolls(weekday * DAY + minute),
    }
    return columns | {f"days_to_holiday_{country}": days_to_holiday(day, country) for country in COUNTRIES}


def _sessions(minute: Minutes, weekday: Minutes) -> Columns:
    left = {
        name: np.where((weekday <= FRIDAY) & (minute >= start) & (minute < end), end - minute, 0)
        for name, (start, end) in SESSIONS.items()
    }
    longest = np.maximum.reduce(list(left.values()))
    marks = {name: left[name] > 0 for name in SESSIONS}
    marks |= {"overlap_ldn_ny": marks["london"] & marks["ny"], "is_open": longest > 0}
    columns = {f"session_{name}": mark.astype(np.float64) for name, mark in marks.items()}
    return columns | {"session_minutes_to_close": longest.astype(np.float64)}


def _regime(r: Floats) -> Floats:
    eps = EPS["bqx"]
    sd = rolling.sd(r, VOLATILITY, still(r, VOLATILITY, eps) >= VOLATILITY)
    return tercile(mid_rank(sd, DAY, eps))


def _cycles(minute: Minutes, weekday: Minutes) -> Columns:
    places = {"hour": (minute // HOUR, 24), "minute": (minute, DAY), "dow": (weekday, 7)}
    return {
        f"time_{name}_{cycle}": _circle(function, steps)[place]
        for cycle, (place, steps) in places.items()
        for name, function in (("sin", sin), ("cos", cos))
    }


def _circle(function: Callable[[float], float], steps: int) -> Floats:
    """Looked up, not computed per row: the same minute has the same bits wherever it stands."""
    return np.array([function(2 * pi * step / steps) for step in range(steps)])


def _month(day: Minutes) -> Minutes:
    """Months since 1970-01 of days since 1970-01-01."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _rolls(minute_of_week: Minutes) -> Floats:
    return ((minute_of_week >= ROLL_FROM) | (minute_of_week < ROLL_UNTIL)).astype(np.float64)
