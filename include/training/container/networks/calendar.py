"""What the clock says of any minute: the only values that are known ahead.

The functions are those of the columns of the same names in ``docs/features.md`` 10, written once more because
nothing of the features is in the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from include.training.container.models import Floats, Singles
from include.training.container.problem import JobProblem
from include.training.container.sets import DAY, Minutes

HOUR = 60
THURSDAY = 3  # 1970-01-01, where Monday is 0
FRIDAY = 4
WEEK = 7  # days
SESSIONS = {"tokyo": (0, 8), "london": (8, 16), "ny": (13, 21)}  # hours, UTC


def _weekday(ts: Minutes) -> Minutes:
    return (ts // DAY + THURSDAY) % WEEK


def _circle(share: Floats, function: Callable[[Floats], Floats]) -> Floats:
    return function(2 * np.pi * share)


def _session(ts: Minutes, name: str) -> Floats:
    first, last = SESSIONS[name]
    hour = ts // HOUR % 24
    return ((_weekday(ts) <= FRIDAY) & (hour >= first) & (hour < last)).astype(np.float64)


def _rolls(ts: Minutes) -> Floats:
    """1 from Friday 17:00 to Monday 00:59."""
    minute = _weekday(ts) * DAY + ts % DAY
    return ((minute >= FRIDAY * DAY + 17 * HOUR) | (minute < HOUR)).astype(np.float64)


CALENDAR: Mapping[str, Callable[[Minutes], Floats]] = {
    "time_sin_minute": lambda ts: _circle(ts % DAY / DAY, np.sin),
    "time_cos_minute": lambda ts: _circle(ts % DAY / DAY, np.cos),
    "time_sin_dow": lambda ts: _circle(_weekday(ts) / WEEK, np.sin),
    "time_cos_dow": lambda ts: _circle(_weekday(ts) / WEEK, np.cos),
    "session_tokyo": lambda ts: _session(ts, "tokyo"),
    "session_london": lambda ts: _session(ts, "london"),
    "session_ny": lambda ts: _session(ts, "ny"),
    "is_week_roll": _rolls,
}


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if the clock alone says all of them.

    Raises:
        JobProblem: one of them is something else: its value at t + h is not known at t.
    """
    strange = [name for name in names if name not in CALENDAR]
    if strange or not names:
        what = (
            f"{strange[0]} is no value of the clock, so it is not known ahead" if strange else "it is empty"
        )
        raise JobProblem(f"known_inputs: {what}. There are {', '.join(CALENDAR)}.")
    return tuple(names)


def known(names: Sequence[str], ts: Minutes) -> Singles:
    """Values of the clock, (..., names).

    Args:
        names: of `CALENDAR`.
        ts: epoch minutes, of any shape.
    """
    return np.stack([CALENDAR[name](ts) for name in names], axis=-1).astype(np.float32)
