"""Section 10: trading sessions, time of day and week, calendar. Read from the label of the bar."""

from __future__ import annotations

from functools import partial

from include.features.catalogue.declare import (
    SHARED,
    SIGNED,
    Column,
    Common,
    category,
    computed,
    flag,
    section,
    whole,
)

# What the clock says does not depend on prices that do not move: no neutral value.
clock = partial(Column, min=1, neutral=None)
clock_flag = partial(flag, min=1, neutral=None)
clock_class = partial(category, min=1, neutral=None)

SESSIONS = (
    clock_flag("session_tokyo", "1 if 0 <= hour < 8, Monday to Friday, else 0"),
    clock_flag("session_london", "1 if 8 <= hour < 16, Monday to Friday, else 0"),
    clock_flag("session_ny", "1 if 13 <= hour < 21, Monday to Friday, else 0"),
    clock_flag("session_overlap_ldn_ny", "1 if 13 <= hour < 16, Monday to Friday, else 0"),
    category(
        "session_vol_regime",
        "0, 1, 2: rank_1440(sd_30(r)) < 1/3, < 2/3, else",
        min=1470,
        range=whole(0, 2),
        neutral=1.0,
        inputs=("r",),
    ),
    clock_class("session_hour", "UTC hour", range=whole(0, 23), unit="hours"),
    clock_flag("session_is_open", "1 if one of the three sessions is open, else 0"),
    clock(
        "session_minutes_to_close",
        "minutes from ts to the end of the open session that closes last; none open -> 0",
        range=whole(0, 480),
        unit="minutes",
        note="480 at 00:00, 08:00 and 13:00, 1 at 20:59",
    ),
)

CYCLES = (
    clock("time_sin_hour", "sin(2*pi*hour/24)", range=SIGNED),
    clock("time_cos_hour", "cos(2*pi*hour/24)", range=SIGNED),
    clock("time_sin_minute", "sin(2*pi*minute_of_day/1440)", range=SIGNED),
    clock("time_cos_minute", "cos(2*pi*minute_of_day/1440)", range=SIGNED),
    clock("time_sin_dow", "sin(2*pi*dow/7)", range=SIGNED, note="Monday = 0"),
    clock("time_cos_dow", "cos(2*pi*dow/7)", range=SIGNED, note="Monday = 0"),
)

CALENDAR = (
    clock_class("dow", "0 = Monday .. 6 = Sunday", range=whole(0, 6)),
    clock_flag("is_month_end", "1 in the last 3 calendar days of the month, else 0"),
    clock_flag("is_week_roll", "1 from Friday 17:00 to Monday 00:59, else 0"),
    clock(
        "days_to_holiday_{country}",
        "calendar days to the next public holiday, 0 on the day, at most 60",
        {"country": ("us", "uk", "jp")},
        range=whole(0, 60),
        unit="days",
        inputs=("ts", "holidays"),
        note="holidays announced less than 60 days ahead are left out of the table",
    ),
)

SESSIONS_ABOUT = """\
Fixed hours in UTC, no daylight saving: Tokyo 00-08, London 08-16, New York 13-21. The market counts as
open from Monday to Friday; on Sunday no session is open, and holidays change nothing."""

CALENDAR_ABOUT = """\
UTC calendar days. The holiday table is a static file of the repository with its sha256, made once from
the Python package holidays 0.109: US (no subdivision), GB (subdivision ENG: England and Wales) and JP,
category public, observed and substitute days included, 2010 to 2035. US 2021-06-18 and 2021-06-19 and GB
2022-09-19 are taken out: they were announced less than 60 days ahead, so a countdown to them would look
ahead. Before 2010, and after the last holiday of a country in 2035, its countdown is NULL."""

CLOCK = Common("time", SHARED, ("ts",))

TIME = computed(
    "time",
    "Time and calendar",
    section("10.1", "Sessions", SESSIONS, CLOCK, SESSIONS_ABOUT),
    section("10.2", "Cycles", CYCLES, CLOCK),
    section("10.3", "Calendar", CALENDAR, CLOCK._replace(source="ts and the holiday table"), CALENDAR_ABOUT),
)
