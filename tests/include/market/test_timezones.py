"""Clocks of files against zoneinfo asked minute by minute, and the FX week by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from include.errors import BadInput
from include.market import timezones
from include.names import to_datetime, to_minute

ZONES = (
    "America/New_York",
    "Europe/London",
    "Europe/Athens",
    "Australia/Sydney",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
)


def minute(text: str) -> int:
    """Epoch minute of a wall clock, read as if it were UTC."""
    return to_minute(datetime.fromisoformat(text).replace(tzinfo=UTC))


def random_minutes(count: int) -> np.ndarray:
    random = np.random.default_rng(2)
    near_changes = [
        minute(day) + random.integers(-1500, 1500, 60) for day in ("2018-03-11", "2019-03-31", "2024-11-03")
    ]
    return np.concatenate([random.integers(minute("1995-01-01"), minute("2035-01-01"), count), *near_changes])


@pytest.mark.parametrize("zone", ZONES)
def test_offset_equals_zoneinfo(zone: str) -> None:
    minutes = random_minutes(300)
    expected = [
        to_datetime(int(m)).astimezone(ZoneInfo(zone)).utcoffset() // timedelta(minutes=1) for m in minutes
    ]
    assert timezones.utc_offset(minutes, zone).tolist() == expected


@pytest.mark.parametrize("zone", ZONES)
def test_wall_to_utc_undoes_utc_to_wall(zone: str) -> None:
    utc = random_minutes(300)
    wall = utc + timezones.utc_offset(utc, zone)
    once = np.array([_to_utc(int(w), zone, fold=0) == _to_utc(int(w), zone, fold=1) for w in wall])
    assert once.mean() > 0.95
    np.testing.assert_array_equal(timezones.to_utc(wall[once], zone, "x.csv"), utc[once])


def _to_utc(wall: int, zone: str, fold: int) -> int:
    moment = (datetime(1970, 1, 1) + timedelta(minutes=wall)).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return to_minute(moment.astimezone(UTC))


@pytest.mark.parametrize(
    ("rule", "local", "utc"),
    [
        ("utc", "2019-07-01 12:00", "2019-07-01 12:00"),
        ("est-fixed", "2019-07-01 12:00", "2019-07-01 17:00"),
        ("est-fixed", "2019-01-02 12:00", "2019-01-02 17:00"),
        ("new-york", "2019-07-01 12:00", "2019-07-01 16:00"),
        ("new-york", "2019-01-02 12:00", "2019-01-02 17:00"),
        ("new-york+7", "2019-07-01 00:00", "2019-06-30 21:00"),
        ("new-york+7", "2019-01-02 00:00", "2019-01-01 22:00"),
        ("Europe/Athens", "2019-03-20 23:00", "2019-03-20 21:00"),
        # Winter, the change of the United States in 2018 both ways, that of Europe in 2019.
        ("histdata", "2018-01-15 12:00", "2018-01-15 17:00"),
        ("histdata", "2018-03-09 16:58", "2018-03-09 21:58"),
        ("histdata", "2018-03-11 17:00", "2018-03-11 21:00"),
        ("histdata", "2018-11-02 16:58", "2018-11-02 20:58"),
        ("histdata", "2018-11-04 17:00", "2018-11-04 22:00"),
        ("histdata", "2018-12-31 23:59", "2019-01-01 04:59"),
        ("histdata", "2019-01-01 00:00", "2019-01-01 05:00"),
        ("histdata", "2019-03-10 16:00", "2019-03-10 21:00"),
        ("histdata", "2019-03-29 15:58", "2019-03-29 20:58"),
        ("histdata", "2019-03-31 17:00", "2019-03-31 21:00"),
        ("histdata", "2019-06-28 16:58", "2019-06-28 20:58"),
    ],
)
def test_rule_by_hand(rule: str, local: str, utc: str) -> None:
    assert timezones.to_utc(np.array([minute(local)]), rule, "x.csv").tolist() == [minute(utc)]


@pytest.mark.parametrize(
    ("zone", "local", "code"),
    [
        ("America/New_York", "2019-03-10 02:30", "local-time-missing"),
        ("America/New_York", "2019-11-03 01:30", "local-time-ambiguous"),
        ("Europe/Athens", "2024-03-31 03:00", "local-time-missing"),
        ("Australia/Lord_Howe", "2024-04-07 01:45", "local-time-ambiguous"),
        ("new-york", "2018-11-04 01:00", "local-time-ambiguous"),
        ("histdata", "2018-03-11 02:00", "local-time-missing"),
        ("histdata", "2019-03-30 20:30", "local-time-missing"),
    ],
)
def test_times_that_a_clock_change_skips_or_repeats_are_refused(zone: str, local: str, code: str) -> None:
    rows = np.array([minute(local) - 5 * 1440, minute(local), minute(local) + 1])
    with pytest.raises(BadInput, match=rf"row 2: {local} .*\(2 rows in all\).*\[{code}\]"):
        timezones.to_utc(rows, zone, "x.csv")


@pytest.mark.parametrize("name", ["", "EST5EDT6", "../etc/passwd", "Mars/Olympus", "UTC+5"])
def test_unknown_zone_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(BadInput, match=r"histdata.*\[timezone-unknown\]"):
        timezones.rule_of(name, "x.csv")


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2024-07-07 20:59", 7 * 1440 - 1),  # summer: the week opens at 21:00 UTC
        ("2024-07-07 21:00", 0),
        ("2024-07-12 20:59", 7199),
        ("2024-07-12 21:00", 7200),
        ("2024-01-07 21:59", 7 * 1440 - 1),  # winter: at 22:00 UTC
        ("2024-01-07 22:00", 0),
        ("2024-01-12 22:00", 7200),
        ("2018-11-02 21:00", 7200),  # the last Friday of summer time, the Sunday after it is winter
        ("2018-11-04 22:00", 0),
    ],
)
def test_week_clock_by_hand(utc: str, expected: int) -> None:
    assert timezones.week_clock(np.array([minute(utc)])).tolist() == [expected]
