"""Parameters of the synthetic market and its calendar; docs/synthetic_market.md explains them.

Volatilities are standard deviations of one-minute log returns. Values are chosen to look like the
major pairs of 2018-2019 and 2023, not fitted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats, Minutes
from include.market.timezones import DAY, WEEK_CLOSE, trading_clock, utc_offset, week_clock

VERSION = 1  # of the model: raise it when the same seed gives other bars
STEPS = 10  # prices inside a minute, from which open, high, low and close are taken
FREEDOM = 5.0  # degrees of freedom of Student's t, the law of a minute's return
SLOW_HALF_LIFE, SLOW_SD = 2880.0, 0.30  # log volatility of the whole market, minutes and size
MIDDLE_HALF_LIFE, MIDDLE_SD = 360.0, 0.25  # log volatility of one currency
FAST_HALF_LIFE, FAST_SD = 20.0, 0.25
NEWS_RATE, NEWS_JUMP = 1 / 2880, 4.0  # unscheduled jumps per minute; Laplace scale in sigmas
RELEASE_JUMP = 8.0  # Laplace scale of a scheduled jump in sigmas
GAP_JUMP = 8.0  # Laplace scale of the jump over a weekend or holiday in sigmas
BURST_HALF_LIFE, BURST = 15.0, 1.5  # volatility after a jump: half-life, first addition in multiples
MOMENTUM_MINUTES = 30  # trading minutes that the planted signal looks back
ROLLOVER_MINUTES, ROLLOVER_ACTIVITY = 60, 0.5  # the quiet hour after 17:00 New York
HOLIDAYS = ((12, 25), (1, 1))  # month and day of closed trading days


class Session(NamedTuple):
    """Business hours of a centre, in minutes of its local day; edges are ramps of one hour."""

    zone: str
    opens: int
    closes: int


SESSIONS = (
    Session("Asia/Tokyo", 9 * 60, 18 * 60),
    Session("Europe/London", 8 * 60, 17 * 60),
    Session("America/New_York", 8 * 60, 17 * 60),
)


class Release(NamedTuple):
    """A time of day at which a country publishes figures, and how often they surprise on a weekday."""

    zone: str
    minute: int
    probability: float


class Currency(NamedTuple):
    """One currency's price process.

    Attributes:
        value: US dollars per unit at the first minute.
        sigma: standard deviation of its one-minute log return at activity 1.
        cost: its share of a relative spread.
        sessions: activity added by each of `SESSIONS` to the base of 0.4.
        releases: scheduled jumps.
    """

    value: float
    sigma: float
    cost: float
    sessions: tuple[float, float, float]
    releases: tuple[Release, ...]


BASE_ACTIVITY = 0.4
_NEW_YORK, _LONDON, _BERLIN = "America/New_York", "Europe/London", "Europe/Berlin"

MODEL = {
    "usd": Currency(
        1.0, 6.5e-5, 1e-5, (0.2, 0.4, 0.7), (Release(_NEW_YORK, 510, 0.35), Release(_NEW_YORK, 600, 0.2))
    ),
    "eur": Currency(
        1.0725, 6.0e-5, 2e-5, (0.1, 0.7, 0.4), (Release(_BERLIN, 600, 0.25), Release(_BERLIN, 660, 0.2))
    ),
    "gbp": Currency(
        1.2645, 8.0e-5, 4e-5, (0.1, 0.8, 0.4), (Release(_LONDON, 420, 0.25), Release(_LONDON, 570, 0.15))
    ),
    "jpy": Currency(1 / 160.9, 7.0e-5, 3e-5, (0.5, 0.4, 0.4), (Release("Asia/Tokyo", 530, 0.2),)),
    "aud": Currency(0.6670, 9.0e-5, 4e-5, (0.5, 0.4, 0.4), (Release("Australia/Sydney", 690, 0.25),)),
    "cad": Currency(1 / 1.3680, 6.5e-5, 5e-5, (0.1, 0.4, 0.7), (Release("America/Toronto", 510, 0.2),)),
    "chf": Currency(1 / 0.8985, 6.5e-5, 5e-5, (0.1, 0.7, 0.4), (Release("Europe/Zurich", 510, 0.15),)),
    "nzd": Currency(0.6090, 9.0e-5, 7e-5, (0.5, 0.4, 0.4), (Release("Pacific/Auckland", 645, 0.2),)),
}

# Quotes of a pair
VOLUME, VOLUME_NOISE = 45.0, 0.4  # ticks per minute at average volatility; sd of its logarithm
SPREAD_NOISE, SPREAD_SLOPE, ROLLOVER_SPREAD = 0.25, 0.6, 3.0
MISSING, MISSING_THIN, MISSING_ROLLOVER = 0.003, 0.02, 0.12  # chances that a minute has no quote
OUTAGES, OUTAGE_LEAST, OUTAGE_MEAN = 0.3, 10, 40.0  # per week; minutes


def open_minutes(start: int, end: int) -> Minutes:
    """Minutes of [start, end) in which the market trades: Sunday to Friday 17:00 New York, no holidays."""
    minutes = np.arange(start, end, dtype=np.int64)
    dates = (trading_clock(minutes) // DAY).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    closed = week_clock(minutes) >= WEEK_CLOSE
    for month, day in HOLIDAYS:
        closed |= (months.astype(np.int64) % 12 + 1 == month) & ((dates - months).astype(np.int64) + 1 == day)
    return minutes[~closed]


def is_rollover(minutes: Minutes) -> Flags:
    """Whether minutes lie in the quiet hour after 17:00 New York."""
    quiet: Flags = trading_clock(minutes) % DAY < ROLLOVER_MINUTES
    return quiet


def activity(currency: str, minutes: Minutes) -> Floats:
    """Volatility of a currency by time of day, 1 at an ordinary busy time."""
    level = np.full(minutes.size, BASE_ACTIVITY)
    for session, weight in zip(SESSIONS, MODEL[currency].sessions, strict=True):
        local = (minutes + utc_offset(minutes, session.zone)) % DAY
        opening = np.clip((local - session.opens + 30) / 60, 0.0, 1.0)
        closing = np.clip((session.closes + 30 - local) / 60, 0.0, 1.0)
        level += weight * np.minimum(opening, closing)
    return np.where(is_rollover(minutes), ROLLOVER_ACTIVITY * level, level)


def release_chance(currency: str, minutes: Minutes) -> Floats:
    """Chance that a figure moves the currency in each minute; weekdays in its own country."""
    chance = np.zeros(minutes.size)
    for release in MODEL[currency].releases:
        local = minutes + utc_offset(minutes, release.zone)
        weekday = (local // DAY + 3) % 7 < 5
        chance += release.probability * (weekday & (local % DAY == release.minute))
    return chance
