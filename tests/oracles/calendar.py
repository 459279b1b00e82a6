"""Sessions, cycles and calendar, row by row from the datetime of the label; holidays from their package."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from functools import cache

import holidays
import numpy as np

from tests.oracles.spread import rank, thirds
from tests.oracles.windows import EPS, over, sd

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOSES = {"tokyo": 8, "london": 16, "ny": 21}
LATE_NEWS = {("us", date(2021, 6, 18)), ("us", date(2021, 6, 19)), ("uk", date(2022, 9, 19))}


def columns(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 20 columns of the symbols of a pair."""
    S = at["S"].astype(np.longdouble)
    r = np.concatenate([[np.nan], np.diff(np.log(S))]).astype(np.float64)
    v = over(r, 30, lambda w: sd(w, EPS["bqx"]))
    return clock(at["ts"]) | {"session_vol_regime": thirds(over(v, 1440, lambda w: rank(w, EPS["bqx"])))}


def clock(ts: np.ndarray) -> dict[str, np.ndarray]:
    """All columns but session_vol_regime of rows with these labels (epoch minutes)."""
    rows = [row(EPOCH + timedelta(minutes=minute)) for minute in ts.tolist()]
    return {name: np.array([values[name] for values in rows], np.float64) for name in rows[0]}


def row(now: datetime) -> dict[str, float]:
    """The columns of one label."""
    business_day = now.strftime("%a") not in ("Sat", "Sun")
    open_now = {
        "tokyo": business_day and now.hour < 8,
        "london": business_day and 8 <= now.hour < 16,
        "ny": business_day and 13 <= now.hour < 21,
    }
    ends = [now.replace(hour=hour, minute=0) for name, hour in CLOSES.items() if open_now[name]]
    hours, minutes = now.hour, now.hour * 60 + now.minute
    tomorrow = [now.date() + timedelta(days=days) for days in (1, 2, 3)]
    friday_evening = now.weekday() == 4 and now.hour >= 17
    monday_midnight = now.weekday() == 0 and now.hour == 0
    turns = {"hour": hours / 24, "minute": minutes / 1440, "dow": now.weekday() / 7}
    return {
        **{f"session_{name}": is_open for name, is_open in open_now.items()},
        "session_overlap_ldn_ny": open_now["london"] and open_now["ny"],
        "session_hour": hours,
        "session_is_open": any(open_now.values()),
        "session_minutes_to_close": max(((end - now).total_seconds() / 60 for end in ends), default=0),
        **{f"time_sin_{name}": math.sin(turn * 2 * math.pi) for name, turn in turns.items()},
        **{f"time_cos_{name}": math.cos(turn * 2 * math.pi) for name, turn in turns.items()},
        "dow": now.weekday(),
        "is_month_end": any(day.day == 1 for day in tomorrow),
        "is_week_roll": friday_evening or now.weekday() in (5, 6) or monday_midnight,
        **{f"days_to_holiday_{country}": to_holiday(country, now.date()) for country in ("us", "uk", "jp")},
    }


@cache
def calendar_of(country: str) -> dict[date, str]:
    """Public holidays 2010 to 2035, those of short notice taken out."""
    years = range(2010, 2036)
    found = {
        "us": lambda: holidays.US(years=years),
        "uk": lambda: holidays.UK(subdiv="ENG", years=years),
        "jp": lambda: holidays.JP(years=years),
    }[country]()
    return {day: name for day, name in found.items() if (country, day) not in LATE_NEWS}


@cache
def to_holiday(country: str, today: date) -> float:
    """Days until one is reached, at most 60; unknown outside the years and after the last of them."""
    if today.year < 2010 or today > max(calendar_of(country)):
        return math.nan
    return next((days for days in range(60) if today + timedelta(days=days) in calendar_of(country)), 60)
