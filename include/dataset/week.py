"""Trading time: the market is open from Sunday 17:00 to Friday 17:00 in New York."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from include.dataset.split import GAP, PURGE, SETS, SHARES, Interval, Split, split
from include.errors import BadParameter
from include.names import to_datetime, to_minute

__all__ = ["cut", "open_weeks"]

_NEW_YORK, _ROLL = ZoneInfo("America/New_York"), time(17)


def open_weeks(start: int, end: int) -> list[Interval]:
    """The trading weeks of a period, each cut to it; times are epoch minutes, half open."""
    sunday = to_datetime(start).date() - timedelta(days=to_datetime(start).isoweekday() % 7 + 7)
    found = []
    while (opens := _roll(sunday)) < end:
        week = Interval(max(opens, start), min(_roll(sunday + timedelta(days=5)), end))
        if week.start < week.end:
            found.append(week)
        sunday += timedelta(days=7)
    return found


def cut(start: int, end: int, bars: Interval) -> Split:
    """Where the rows of each set lie: by clock time, or by trading time where a set would hold none.

    A minute counts for a set if the market is open from `PURGE` minutes before it to as many after it,
    which is what a row needs to be learned from or judged by. In trading time the boundaries lie at 70 %
    and 85 % of the minutes in which the market is open, and so do the gaps before them.

    Args:
        start: first minute of the period.
        end: the minute after its last.
        bars: the minutes that the bars of all pairs reach.

    Raises:
        BadParameter: the period is too short, or too little of it is trading time.
    """
    by_clock = split(start, end)
    weeks = open_weeks(max(start, bars.start), min(end, bars.end))
    if all(_usable(getattr(by_clock, name), weeks) for name in SETS):
        return by_clock
    minutes = sum(week.end - week.start for week in weeks)
    first, second = (minutes * share // 100 for share in (SHARES[0], SHARES[0] + SHARES[1]))
    if first > GAP and second - first > GAP:
        by_trading = Split(
            Interval(start, _at(first - GAP, weeks)),
            Interval(_at(first, weeks), _at(second - GAP, weeks)),
            Interval(_at(second, weeks), end),
        )
        if all(_usable(getattr(by_trading, name), weeks) for name in SETS):
            return by_trading
    raise BadParameter(
        f"{Interval(start, end)} has {minutes:,} minutes of trading time, too few to split: validation has "
        f"15% of them, less a gap of {GAP} minutes; choose a period of two trading days or more"
    )


def _roll(day: date) -> int:
    return to_minute(datetime.combine(day, _ROLL, tzinfo=_NEW_YORK).astimezone(UTC))


def _usable(part: Interval, weeks: Sequence[Interval]) -> int:
    """Minutes of a set that count."""
    lengths = (min(part.end, week.end - PURGE) - max(part.start, week.start + PURGE) for week in weeks)
    return sum(max(length, 0) for length in lengths)


def _at(number: int, weeks: Sequence[Interval]) -> int:
    """The open minute with this number, counted from 0."""
    for week in weeks:
        if number < week.end - week.start:
            return week.start + number
        number -= week.end - week.start
    return weeks[-1].end
