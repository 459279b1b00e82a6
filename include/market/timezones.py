"""From the clock of a file to UTC, by rules that are spelled out, and the FX week.

A rule is a sequence of segments: up to some local time the file shows the clock of a zone shifted by
a constant. All times are int64 minutes since 1970-01-01, on the clock that the name says.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from include.features.arrays import Minutes
from include.market.problems import bad

DAY = 1440
WEEK, WEEK_CLOSE = 7 * DAY, 5 * DAY  # of `week_clock`
_SLOT = 15  # minutes; clock changes since 1990 all fall on such a boundary
_EPOCH = datetime(1970, 1, 1)  # naive: a wall clock has no zone
_FIRST = int(np.datetime64("1980-01-01", "m").astype(np.int64))
_LAST = int(np.datetime64("2100-01-01", "m").astype(np.int64))
_NEW_YEAR_2019 = int(np.datetime64("2019-01-01", "m").astype(np.int64))
_FOREVER = int(np.iinfo(np.int64).max)


class Segment(NamedTuple):
    """Before local minute `until` the file shows the wall clock of `zone`, `ahead` minutes ahead."""

    until: int
    zone: str
    ahead: int = 0


# The provider of HistData documents UTC-5 all year. Its files of 2018 and 2019 follow New York up to
# 2018 and, from 2019 on, a clock five hours behind London: see docs/market_data.md for the evidence.
RULES: dict[str, tuple[Segment, ...]] = {
    "utc": (Segment(_FOREVER, "UTC"),),
    "est-fixed": (Segment(_FOREVER, "UTC", -300),),
    "histdata": (
        Segment(_NEW_YEAR_2019, "America/New_York"),
        Segment(_FOREVER, "Europe/London", -300),
    ),
    "new-york": (Segment(_FOREVER, "America/New_York"),),
    "new-york+7": (Segment(_FOREVER, "America/New_York", 420),),
}


def rule_of(name: str, source: str) -> tuple[Segment, ...]:
    """The rule of a declared zone.

    Raises:
        BadInput: neither a named rule nor an IANA zone (``timezone-unknown``).
    """
    if name in RULES:
        return RULES[name]
    if not is_zone(name):
        raise bad("timezone-unknown", source, f"there is no time zone {name!r}")
    return (Segment(_FOREVER, name),)


def is_zone(name: str) -> bool:
    """Whether it is a named rule or an IANA zone."""
    if name in RULES:
        return True
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def to_utc(local: Minutes, name: str, source: str) -> Minutes:
    """Convert the clock of a file to UTC.

    Args:
        local: minutes of the file's own clock, one per row, in any order.
        name: a key of `RULES` or an IANA zone.
        source: file to blame.

    Raises:
        BadInput: the zone is unknown, or a row shows a time that the zone's clock change skips
            (``local-time-missing``) or repeats (``local-time-ambiguous``).
    """
    utc = np.empty_like(local)
    begin = int(np.iinfo(np.int64).min)
    for until, zone, ahead in rule_of(name, source):
        rows = (local >= begin) & (local < until)
        wall = local[rows] - ahead
        first, second = _offsets_of_wall(wall, zone)
        for code, wrong in (("local-time-missing", first < second), ("local-time-ambiguous", first > second)):
            if wrong.any():
                row = int(np.flatnonzero(rows)[wrong.argmax()])
                what = "does not exist" if code == "local-time-missing" else "occurs twice"
                text = f"{_show(int(local[row]))} {what} on the clock of {name!r}"
                raise bad(code, source, text, row=row + 1, count=int(wrong.sum()))
        utc[rows] = wall - first
        begin = until
    return utc


def utc_offset(utc: Minutes, zone: str) -> Minutes:
    """Minutes that a zone's clock is ahead of UTC at UTC times."""
    info = ZoneInfo(zone)
    return _spread_out(utc, lambda minute: _minutes(_at(minute, UTC).astimezone(info)))


def trading_clock(utc: Minutes) -> Minutes:
    """Minutes on a clock that shows midnight at 17:00 in New York, when the FX trading day begins."""
    return utc + utc_offset(utc, "America/New_York") + 7 * 60


def week_clock(utc: Minutes) -> Minutes:
    """Minute of the FX week: 0 at the open on Sunday 17:00 New York, 7200 at the close on Friday.

    Values from `WEEK_CLOSE` to `WEEK` - 1 lie in the weekend.
    """
    clock = trading_clock(utc)
    weekday = (clock // DAY + 3) % 7  # Monday is 0; 1970-01-01 was a Thursday
    return weekday * DAY + clock % DAY


def _offsets_of_wall(wall: Minutes, zone: str) -> tuple[Minutes, Minutes]:
    """UTC offsets of a wall time as its first and as its second occurrence.

    They differ where the clock changes: first > second where a time occurs twice, first < second
    where it is skipped (PEP 495).
    """
    info = ZoneInfo(zone)
    first = _spread_out(wall, lambda minute: _minutes(_at(minute, info)))
    second = _spread_out(wall, lambda minute: _minutes(_at(minute, info).replace(fold=1)))
    return first, second


def _spread_out(minutes: Minutes, offset_at: Callable[[int], int]) -> Minutes:
    """Offsets of many minutes from few calls: one per day, one per slot on days of a clock change."""
    # Times outside the clip are refused later, by their own check.
    slots = np.clip(minutes, _FIRST, _LAST) // _SLOT * _SLOT
    days, day_of = np.unique(slots // DAY, return_inverse=True)
    starts = [offset_at(int(day) * DAY) for day in days]
    offsets = np.array(starts, dtype=np.int64)[day_of]
    for i, day in enumerate(days):
        if offset_at(int(day + 1) * DAY) != starts[i]:
            rows = np.flatnonzero(day_of == i)
            offsets[rows] = [offset_at(int(slot)) for slot in slots[rows]]
    return offsets


def _at(minute: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(minutes=minute)).replace(tzinfo=zone)


def _minutes(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


def _show(minute: int) -> str:
    return str(np.datetime64(minute, "m")).replace("T", " ")
