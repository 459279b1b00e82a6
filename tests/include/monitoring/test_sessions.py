"""When the market is open, by the calendar and by recorded bars; windows of whole trading days."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from include.monitoring.sessions import is_open, open_minutes, whole_days
from include.names import to_minute

NEW_YORK = ZoneInfo("America/New_York")


def minute(*moment: int) -> int:
    return to_minute(datetime(*moment, tzinfo=NEW_YORK))  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("moment", "opened"),
    [
        ((2024, 7, 12, 16, 59), True),  # Friday
        ((2024, 7, 12, 17, 0), False),
        ((2024, 7, 14, 16, 59), False),  # Sunday
        ((2024, 7, 14, 17, 0), True),
        ((2024, 12, 24, 16, 59), True),
        ((2024, 12, 24, 17, 0), False),  # the trading day of Christmas begins
        ((2024, 12, 25, 16, 59), False),
        ((2024, 12, 25, 17, 0), True),
        ((2024, 1, 1, 12, 0), False),
        ((2024, 7, 4, 12, 0), True),  # a holiday in the United States alone
        ((2024, 11, 3, 17, 0), True),  # the day the clocks change there
    ],
)
def test_open_and_closed(moment: tuple[int, ...], opened: bool) -> None:
    assert is_open(np.array([minute(*moment)])).tolist() == [opened]


def test_minutes_of_a_weekend_do_not_count() -> None:
    friday, monday = minute(2024, 7, 12, 16, 50), minute(2024, 7, 15, 9, 0)
    assert open_minutes(friday, monday) == 10 + 16 * 60
    assert open_minutes(monday, friday) == 0


def test_a_window_is_of_days_that_are_over() -> None:
    friday = whole_days(minute(2024, 7, 12, 16, 59), 5)
    assert (friday.first, friday.end) == (minute(2024, 7, 4, 17), minute(2024, 7, 11, 17))
    assert [str(np.datetime64(day, "D")) for day in friday.days] == [
        "2024-07-05", "2024-07-08", "2024-07-09", "2024-07-10", "2024-07-11",
    ]  # fmt: skip
    closed = whole_days(minute(2024, 7, 12, 17, 0), 5)
    assert closed.days[-1] == friday.days[-1] + 1
    assert whole_days(minute(2024, 7, 14, 12, 0), 5) == closed, "nothing is added at the weekend"
    before = whole_days(minute(2024, 7, 12, 17, 0), 5, skip=5)
    assert len(before.days) == 5
    assert before.days[-1] < closed.days[0]
    assert open_minutes(before.end, closed.first) == 0, "the windows follow each other"


def test_a_holiday_is_no_day_of_a_window() -> None:
    days = whole_days(minute(2024, 12, 31, 12, 0), 5).days
    assert [str(np.datetime64(day, "D")) for day in days] == [
        "2024-12-23", "2024-12-24", "2024-12-26", "2024-12-27", "2024-12-30",
    ]  # fmt: skip
