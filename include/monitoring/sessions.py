"""When the market is open, and windows of whole trading days.

The market is closed from Friday 17:00 to Sunday 17:00 in New York, and on trading days that are a holiday in
both the United States and England. In nine recorded months these are the days with less than nine tenths of
the usual bars: Christmas, New Year's Day, and the last Monday of May.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.errors import MissingInput
from include.features.arrays import Flags, Minutes
from include.features.holiday_table import holidays_of
from include.market.timezones import WEEK_CLOSE, week_clock
from include.training.truth.groups import DAY, trading_days

__all__ = ["Window", "is_open", "open_minutes", "whole_days"]

SEARCHED = 3  # calendar days searched for every trading day that is wanted, and as many weeks besides


class Window(NamedTuple):
    """A stretch of whole trading days.

    Attributes:
        first, end: epoch minutes, half open.
        days: the trading days in it, days since 1970.
    """

    first: int
    end: int
    days: tuple[int, ...]


def is_open(ts: Minutes) -> Flags:
    """Whether the market is open at some epoch minutes."""
    holiday = np.intersect1d(holidays_of("us"), holidays_of("uk"))
    return (week_clock(ts) < WEEK_CLOSE) & ~np.isin(trading_days(ts), holiday)


def open_minutes(first: int, end: int) -> int:
    """How many minutes of [first, end) the market is open."""
    return int(is_open(np.arange(first, end, dtype=np.int64)).sum()) if first < end else 0


def whole_days(as_of: int, days: int, skip: int = 0) -> Window:
    """The last trading days that are over.

    Args:
        as_of: epoch minute that counts as now.
        days: how many.
        skip: how many of the newest are left out.

    Raises:
        MissingInput: there are not so many in the time that is searched.
    """
    ts = np.arange(as_of - (SEARCHED * (days + skip) + 7 * SEARCHED) * DAY, as_of + DAY, dtype=np.int64)
    ts = ts[is_open(ts)]
    found, first = np.unique(trading_days(ts), return_index=True)
    last = np.append(ts[first[1:] - 1], ts[-1])
    over = np.flatnonzero(last < as_of)[1:]  # the search may begin within a day
    chosen = over[: over.size - skip][-days:]
    if chosen.size < days:
        raise MissingInput(f"There are {chosen.size} whole trading days before minute {as_of}, not {days}.")
    return Window(int(ts[first[chosen[0]]]), int(last[chosen[-1]]) + 1, tuple(found[chosen].tolist()))
