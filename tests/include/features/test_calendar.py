"""Clock columns: every minute of a year against datetimes, the clock changes, the edges by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import holidays
import numpy as np
import pytest

from include.errors import BadInput
from include.features import engine, holiday_table
from include.features.catalogue import FAMILIES
from include.features.series import Series
from include.names import to_minute
from tests.oracles import calendar as oracle

CLOCK = [feature.name for feature in FAMILIES["time"].columns if feature.name != "session_vol_regime"]


def series_at(ts) -> Series:
    ts = np.asarray(ts, np.int64)
    price, absent = np.full(ts.size, 100.0), np.full(ts.size, np.nan)
    return Series(ts, price, price, price, price, absent, absent, np.zeros(ts.size, np.bool_))


def at(*moment: int) -> dict[str, float]:
    columns = engine.compute("time", series_at([to_minute(datetime(*moment, tzinfo=UTC))]))
    return {name: columns[name][0] for name in CLOCK}


def assert_clock(ts):
    columns, expected = engine.compute("time", series_at(ts)), oracle.clock(ts)
    assert set(expected) == set(CLOCK)
    for name in CLOCK:
        np.testing.assert_allclose(columns[name], expected[name], rtol=1e-12, atol=1e-15, err_msg=name)


@pytest.mark.parametrize(
    "days",
    [
        ("2024-03-08", "2024-03-12"),  # New York changes its clocks
        ("2024-03-29", "2024-04-02"),  # London changes, Good Friday to Easter Monday
        ("2024-10-25", "2024-10-29"),
        ("2024-11-01", "2024-11-05"),
        ("2023-12-29", "2024-01-04"),
        ("2024-02-27", "2024-03-02"),  # a leap day
    ],
)
def test_every_minute_of_some_days(days):
    assert_clock(np.arange(*(np.datetime64(day, "m").astype(np.int64) for day in days)))


def test_days_and_hours_of_all_years_of_the_table():
    first, end = (np.datetime64(day, "m").astype(np.int64) for day in ("2009-12-25", "2036-01-10"))
    assert_clock(np.arange(first, end, 13 * 60 + 59))


def test_sessions_do_not_follow_daylight_saving():
    """The hours are those of the UTC clock, the day before a change as the day after."""
    for before, after in (((2024, 3, 8), (2024, 3, 11)), ((2024, 3, 28), (2024, 4, 1))):
        for hour in range(24):
            first, second = at(*before, hour), at(*after, hour)
            for name in (name for name in CLOCK if name.startswith("session")):
                assert first[name] == second[name], (name, hour)


@pytest.mark.parametrize(
    ("moment", "is_open", "left"),
    [
        ((2024, 7, 1, 0, 0), "tokyo", 480),
        ((2024, 7, 1, 7, 59), "tokyo", 1),
        ((2024, 7, 1, 8, 0), "london", 480),
        ((2024, 7, 1, 12, 59), "london", 181),
        ((2024, 7, 1, 13, 0), "london ny overlap_ldn_ny", 480),
        ((2024, 7, 1, 15, 59), "london ny overlap_ldn_ny", 301),
        ((2024, 7, 1, 16, 0), "ny", 300),
        ((2024, 7, 1, 20, 59), "ny", 1),
        ((2024, 7, 1, 21, 0), "", 0),
        ((2024, 7, 1, 23, 59), "", 0),
        ((2024, 6, 30, 22, 0), "", 0),  # Sunday: the market trades, no session is open
        ((2024, 6, 29, 14, 0), "", 0),
        ((2024, 12, 25, 14, 0), "london ny overlap_ldn_ny", 420),  # holidays change nothing
    ],
)
def test_sessions_by_hand(moment, is_open, left):
    columns = at(*moment)
    marks = {name for name in ("tokyo", "london", "ny", "overlap_ldn_ny") if columns[f"session_{name}"]}
    assert marks == set(is_open.split())
    assert columns["session_is_open"] == bool(is_open)
    assert columns["session_minutes_to_close"] == left


@pytest.mark.parametrize(
    ("moment", "rolls"),
    [
        ((2024, 7, 5, 16, 59), 0),
        ((2024, 7, 5, 17, 0), 1),
        ((2024, 7, 6, 12, 0), 1),
        ((2024, 7, 7, 22, 0), 1),
        ((2024, 7, 8, 0, 59), 1),
        ((2024, 7, 8, 1, 0), 0),
    ],
)
def test_week_roll_by_hand(moment, rolls):
    assert at(*moment)["is_week_roll"] == rolls


def test_month_ends_by_hand():
    ends = [(2024, 2, 27), (2024, 2, 29), (2023, 2, 26), (2024, 12, 29), (2024, 12, 31), (2024, 4, 28)]
    inside = [(2024, 2, 26), (2023, 2, 25), (2024, 12, 28), (2024, 4, 27), (2024, 5, 1)]
    assert [at(*day, 23, 59)["is_month_end"] for day in ends] == [1] * len(ends)
    assert [at(*day)["is_month_end"] for day in inside] == [0] * len(inside)


def test_cycles_by_hand():
    columns = at(2024, 7, 1, 6, 0)  # a Monday
    assert (columns["dow"], columns["session_hour"]) == (0, 6)
    assert (columns["time_sin_hour"], columns["time_sin_minute"]) == (1, 1)
    assert columns["time_cos_hour"] == pytest.approx(0, abs=1e-15)
    assert (columns["time_sin_dow"], columns["time_cos_dow"]) == (0, 1)


@pytest.mark.parametrize(
    ("country", "today", "days"),
    [
        ("us", (2024, 7, 4), 0),
        ("us", (2024, 7, 3), 1),
        ("us", (2024, 7, 5), 59),  # Labor Day, 2 September
        ("us", (2021, 6, 17), 17),  # not Juneteenth, made law on that day: the 4th of July
        ("us", (2022, 6, 17), 2),
        ("uk", (2022, 9, 18), 60),  # not the state funeral
        ("uk", (2022, 6, 1), 1),  # the jubilee was announced in 2020
        ("uk", (2023, 5, 2), 6),  # so was the coronation, in 2022
        ("uk", (2024, 12, 24), 1),
        ("jp", (2024, 11, 4), 0),  # a substitute day
        ("jp", (2019, 4, 30), 0),
        ("jp", (2035, 11, 23), 0),
    ],
)
def test_holidays_by_hand(country, today, days):
    assert at(*today, 12)[f"days_to_holiday_{country}"] == days


@pytest.mark.parametrize("today", [(2009, 12, 31), (2035, 12, 27), (2040, 1, 1)])
def test_days_to_a_holiday_beyond_the_table_are_unknown(today):
    columns = at(*today)
    assert all(np.isnan(columns[f"days_to_holiday_{country}"]) for country in ("us", "uk", "jp"))
    assert columns["dow"] == date(*today).weekday()


def test_the_same_minute_has_the_same_bits_wherever_it_stands():
    ts = np.arange(28_000_000, 28_003_000)
    whole = engine.compute("time", series_at(ts))
    for start in (1, 7, 1441):
        part = engine.compute("time", series_at(ts[start : start + 100]))
        for name in CLOCK:
            np.testing.assert_array_equal(part[name], whole[name][start : start + 100], err_msg=name)


OTHER_DAYS = (
    f"holidays {holidays.__version__} is installed, the table was made from {holiday_table.RELEASE}: "
    "another release may know other days, and only that of the table can say whether it is right"
)
of_the_release = pytest.mark.skipif(holidays.__version__ != holiday_table.RELEASE, reason=OTHER_DAYS)


@of_the_release
def test_the_table_is_what_its_package_gives():
    assert holiday_table.TABLE.read_text(encoding="utf-8") == holiday_table.made()
    assert holiday_table.main(["--check"]) == 0


@of_the_release
def test_writing_the_table_prints_its_sha256(tmp_path, monkeypatch, capsys):
    written = tmp_path / "holidays.csv"
    monkeypatch.setattr(holiday_table, "TABLE", written)
    assert holiday_table.main([]) == 0
    assert capsys.readouterr().out.strip() == holiday_table.SHA256
    written.write_text("country,day,name\n", encoding="utf-8")
    assert holiday_table.main(["--check"]) == 1
    assert "not what the installed release" in capsys.readouterr().err


def test_a_changed_table_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "holidays.csv"
    changed.write_text(holiday_table.TABLE.read_text(encoding="utf-8").replace("2024-07-04", "2024-07-05"))
    monkeypatch.setattr(holiday_table, "TABLE", changed)
    holiday_table.holidays_of.cache_clear()
    with pytest.raises(BadInput, match=r"holiday table.*git checkout"):
        holiday_table.holidays_of("us")


def test_the_table_is_complete():
    for country in holiday_table.COUNTRIES:
        days = holiday_table.holidays_of(country)
        assert (np.diff(days) > 0).all()
        years = 1970 + days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
        assert set(years) == set(range(2010, 2036))
