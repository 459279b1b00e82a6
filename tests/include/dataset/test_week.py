"""Boundaries in trading time: only where the clock puts a set into a weekend, and then without a leak."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.dataset.split import GAP, PURGE, SETS, Interval, Split, split
from include.dataset.week import cut, open_weeks
from include.errors import BadParameter
from include.market.timezones import WEEK_CLOSE, week_clock
from include.names import to_datetime, to_minute

DAY = 1440


def minute(*when: int) -> int:
    return to_minute(datetime(*when, tzinfo=UTC))


def is_open(minutes: np.ndarray) -> np.ndarray:
    return week_clock(minutes) < WEEK_CLOSE


def learnable(part: Interval, bars: Interval) -> np.ndarray:
    """Minutes of a set around which the market is open and bars reach, looked at one by one."""
    minutes = np.arange(part.start, part.end)
    found = np.ones(minutes.size, bool)
    for shift in (-PURGE, 0, PURGE):
        found &= is_open(minutes + shift)
    return minutes[found & (minutes - PURGE >= bars.start) & (minutes + PURGE < bars.end)]


def whole(start: int, end: int) -> Interval:
    return Interval(start, end)


def test_nine_days_from_a_sunday_by_hand() -> None:
    """By the clock, validation is Saturday 07:12 to Sunday 12:21."""
    start, end = minute(2024, 7, 21), minute(2024, 7, 30)
    by_clock = split(start, end)
    assert str(by_clock.val) == "2024-07-27 07:12 to 2024-07-28 12:21 UTC"
    made = cut(start, end, whole(start, end))
    # Sunday 21:00 to Friday 21:00, Sunday 21:00 to Tuesday 00:00: 7,200 + 1,620 minutes
    assert made.val.start == minute(2024, 7, 21, 21) + 8820 * 70 // 100
    assert made.test.start == minute(2024, 7, 28, 21) + 8820 * 85 // 100 - 7200
    assert made.train == Interval(start, made.val.start - GAP)
    assert made.test.end == end


@pytest.mark.parametrize("days", [2, 5, 9, 30, 365])
def test_a_period_that_works_by_the_clock_keeps_its_boundaries(days: int) -> None:
    start = minute(2024, 7, 1)  # a Monday
    end = start + days * DAY
    assert cut(start, end, whole(start, end)) == split(start, end)


def test_a_period_of_a_weekend_is_refused() -> None:
    start, end = minute(2024, 7, 6), minute(2024, 7, 8)
    with pytest.raises(BadParameter, match=r"has 180 minutes of trading time, too few to split"):
        cut(start, end, whole(start, end))


def test_bars_that_end_before_the_period_count() -> None:
    """Bars up to Friday night, a period up to Monday: by the clock the test set lies behind the last bar."""
    start, end = minute(2024, 7, 1), minute(2024, 7, 8)
    bars = Interval(start, minute(2024, 7, 5, 21))
    assert split(start, end).test.start > bars.end - 75
    made = cut(start, end, bars)
    assert made.test.start < bars.end - PURGE
    assert all(learnable(getattr(made, name), bars).size for name in SETS)


@given(
    first=st.integers(minute(2007, 1, 1) // DAY, minute(2030, 1, 1) // DAY),
    days=st.integers(2, 40),
    late=st.integers(0, 2 * DAY),
    early=st.integers(0, 2 * DAY),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_against_a_checker_that_looks_at_every_minute(first: int, days: int, late: int, early: int) -> None:
    start, end = first * DAY, (first + days) * DAY
    bars = Interval(start + late, max(end - early, start + late + 1))
    by_clock = split(start, end)
    works = all(learnable(getattr(by_clock, name), bars).size for name in SETS)
    try:
        made = cut(start, end, bars)
    except BadParameter:
        assert not works
        return
    assert (made == by_clock) == works
    assert Split.of(made.to_dict()) == made
    sets = [learnable(getattr(made, name), bars) for name in SETS]
    assert all(part.size for part in sets)
    if works:
        return
    for one, other, edge in zip(sets[:2], sets[1:], made.boundaries, strict=True):
        between = np.arange(one[-1] + 1, edge)
        assert is_open(between).sum() >= GAP, "trading minutes between the last row and the next set"
        assert other[0] >= edge
    minutes = np.arange(bars.start, bars.end)
    minutes = minutes[(minutes >= start) & (minutes < end)]
    shares = [is_open(minutes[minutes < edge]).sum() / is_open(minutes).sum() for edge in made.boundaries]
    np.testing.assert_allclose(shares, [0.70, 0.85], atol=1 / is_open(minutes).sum() + 1e-12)


@given(first=st.integers(minute(1995, 1, 1), minute(2030, 1, 1)), length=st.integers(1, 60_000))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_weeks_are_those_of_the_market(first: int, length: int) -> None:
    minutes = np.arange(first, first + length)
    found = np.zeros(length, bool)
    for week in open_weeks(first, first + length):
        assert first <= week.start < week.end <= first + length
        found |= week.rows(minutes)
    np.testing.assert_array_equal(found, is_open(minutes), err_msg=str(to_datetime(first)))
