"""Trading days and groups, against pandas and by examples with a known answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import QualityError
from include.training.truth.groups import GROUPS, STATES, Limits, by_group, limits, states, trading_days

NAMES = [name for _, name in GROUPS]


def minute(text: str) -> int:
    return int(pd.Timestamp(text).tz_convert("UTC").timestamp()) // 60


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2024-07-01 16:59 America/New_York", "2024-07-01"),
        ("2024-07-01 17:00 America/New_York", "2024-07-02"),
        ("2024-01-02 21:59 UTC", "2024-01-02"),  # winter: 17:00 in New York is 22:00 UTC
        ("2024-01-02 22:00 UTC", "2024-01-03"),
        ("2024-07-02 21:00 UTC", "2024-07-03"),  # summer: 21:00 UTC
        ("2024-06-30 17:30 America/New_York", "2024-07-01"),  # a Sunday evening
        ("2024-06-28 16:00 America/New_York", "2024-06-28"),
        ("2024-06-28 18:00 America/New_York", "2024-07-01"),  # Friday evening, if somebody traded
        ("2024-06-30 03:00 America/New_York", "2024-07-01"),
    ],
)
def test_a_trading_day_begins_at_five_in_new_york(moment: str, day: str) -> None:
    text, zone = moment.rsplit(" ", 1)
    ts = np.array([minute(str(pd.Timestamp(text, tz=zone)))])
    assert str(pd.Timestamp(int(trading_days(ts)[0]), unit="D").date()) == day


@given(st.lists(st.integers(26_000_000, 30_000_000), min_size=1, max_size=50))
def test_trading_days_are_those_of_pandas(minutes: list[int]) -> None:
    ts = np.array(sorted(minutes), np.int64)
    local = pd.to_datetime(ts * 60, unit="s", utc=True).tz_convert("America/New_York").tz_localize(None)
    days = (local + pd.Timedelta(hours=7)).normalize()
    monday = days + pd.to_timedelta(np.where(days.day_of_week > 4, 7 - days.day_of_week, 0), unit="D")
    expected = (monday - pd.Timestamp(0)) // pd.Timedelta(days=1)
    np.testing.assert_array_equal(trading_days(ts), expected)


def names(ts: str, q: float, s: float, limit: Limits) -> list[str]:
    """The groups of one row."""
    state = states(np.array([minute(ts)]), np.array([q]), np.array([s]), limit)
    one = np.bincount(state, minlength=int(np.prod(STATES))).astype(float)[None, :]
    return [name for name, there in zip(NAMES, by_group(one)[0], strict=True) if there]


def test_the_groups_of_a_row() -> None:
    limit = Limits((1.0, 2.0), 0.5)
    assert names("2024-07-01 07:59Z", 1.0, 0.9, limit) == ["all", "tokyo", "low", "falling"]
    assert names("2024-07-01 08:00Z", -1.0, 1.0, limit) == ["all", "london", "middle", "rising"]
    assert names("2024-07-01 13:00Z", 0.9, 2.0, limit) == ["all", "overlap", "high", "flat"]
    assert names("2024-07-01 16:00Z", -0.9, 2.0, limit) == ["all", "new_york", "high", "flat"]
    assert names("2024-07-01 21:00Z", 0.0, 0.1, limit) == ["all", "late", "low", "flat"]


def test_groups_of_a_kind_add_up_to_all() -> None:
    sums = np.random.default_rng(1).random((4, int(np.prod(STATES))))
    groups = by_group(sums)
    for kind in ("session", "volatility", "trend"):
        places = [place for place, (by, _) in enumerate(GROUPS) if by == kind]
        np.testing.assert_allclose(groups[:, places].sum(axis=1), groups[:, 0])


def test_limits_are_terciles() -> None:
    s, q = np.arange(1.0, 31.0), np.linspace(-3, 3, 30)
    found = limits(q, s)
    assert np.mean(s < found.volatility[0]) == pytest.approx(1 / 3, abs=0.04)
    assert np.mean(s < found.volatility[1]) == pytest.approx(2 / 3, abs=0.04)
    assert np.mean(np.abs(q) / s < found.trend) == pytest.approx(1 / 3, abs=0.04)
    with pytest.raises(QualityError, match="no validation rows"):
        limits(s[:0], s[:0])
