"""Log-prices of the eight currencies of the synthetic market.

Every random number belongs to a seed, a currency and a week, so a currency does not depend on which
pairs are asked for, nor on how long the market runs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats, Minutes
from include.market import synthetic_model as model
from include.market.timezones import WEEK
from include.pairs import CURRENCIES

_FIRST_SATURDAY = 2 * 1440  # weeks of random numbers begin on Saturday 00:00 UTC


class Stream(IntEnum):
    """Families of random numbers that must not share any."""

    MARKET = 0
    CURRENCY = 1
    PAIR = 2
    START = 3


class Path(NamedTuple):
    """One currency.

    Attributes:
        log_price: shape (minutes, STEPS), log of US dollars per unit after each step.
        sd: shape (minutes,), standard deviation that each minute was drawn with.
        usual_sd: the same at activity 1.
    """

    log_price: Floats
    sd: Floats
    usual_sd: float


def generator(seed: int, stream: Stream, index: int, week: int) -> np.random.Generator:
    """The random numbers of one week of one currency, pair or the market."""
    return np.random.default_rng([seed, int(stream), index, week])


def weeks_of(minutes: Minutes) -> range:
    """Numbers of the weeks that hold sorted minutes."""
    first, last = ((int(minutes[i]) - _FIRST_SATURDAY) // WEEK for i in (0, -1))
    return range(first, last + 1)


def in_weeks(weekly: list[Floats], minutes: Minutes) -> Floats:
    """Pick minutes from consecutive whole weeks of values."""
    begin = weeks_of(minutes).start * WEEK + _FIRST_SATURDAY
    return np.concatenate(weekly)[minutes - begin]


def market_volatility(minutes: Minutes, seed: int) -> Floats:
    """Logarithm of the volatility that all currencies share, mean zero."""
    weekly = [generator(seed, Stream.MARKET, 0, week).standard_normal(WEEK) for week in weeks_of(minutes)]
    start = generator(seed, Stream.START, 0, 0).standard_normal()
    return _autoregression(in_weeks(weekly, minutes), model.SLOW_HALF_LIFE, model.SLOW_SD, start)


def currency_path(currency: str, minutes: Minutes, seed: int, signal: float, market: Floats) -> Path:
    """Simulate one currency over the open minutes.

    Increments are symmetric around zero given the past, so the log-price is a martingale if `signal`
    is 0. Otherwise each minute adds ``signal / 30`` times the return of the last 30 trading minutes.

    Args:
        currency: key of `synthetic_model.MODEL`.
        minutes: open minutes in order.
        seed: seed of the market.
        signal: strength of the planted momentum, -0.9 to 0.9.
        market: `market_volatility` of the same minutes.
    """
    parameters = model.MODEL[currency]
    index = CURRENCIES.index(currency)
    draws = [_week_of_draws(generator(seed, Stream.CURRENCY, index, week)) for week in weeks_of(minutes)]
    normal, gamma, middle, fast, uniform, laplace = (
        in_weeks([week[i] for week in draws], minutes) for i in range(6)
    )
    jumps, event = _jumps(currency, minutes, uniform, laplace)
    start = generator(seed, Stream.START, index + 1, 0).standard_normal(2)
    log_sd = (
        market
        + _autoregression(middle, model.MIDDLE_HALF_LIFE, model.MIDDLE_SD, start[0])
        + _autoregression(fast, model.FAST_HALF_LIFE, model.FAST_SD, start[1])
    )
    burst = 1.0 + model.BURST * decayed_sum(event.astype(float), _decay(model.BURST_HALF_LIFE))
    mixing = np.sqrt((model.FREEDOM / 2 - 1) / gamma)  # makes a normal a Student's t of variance 1
    sd = parameters.sigma * model.activity(currency, minutes) * np.exp(log_sd) * burst * mixing
    increments = normal * (sd / np.sqrt(model.STEPS))[:, None]
    increments[:, 0] += jumps * parameters.sigma
    if signal:
        increments += (_momentum(increments.sum(axis=1), signal) / model.STEPS)[:, None]
    log_price = np.log(parameters.value) + np.cumsum(increments).reshape(increments.shape)
    return Path(log_price, sd, parameters.sigma)


def _week_of_draws(random: np.random.Generator) -> tuple[Floats, ...]:
    return (
        random.standard_normal((WEEK, model.STEPS)),
        random.standard_gamma(model.FREEDOM / 2, WEEK),
        random.standard_normal(WEEK),
        random.standard_normal(WEEK),
        random.random(WEEK),
        random.laplace(size=WEEK),
    )


def _jumps(currency: str, minutes: Minutes, uniform: Floats, laplace: Floats) -> tuple[Floats, Flags]:
    """Jump of each minute in sigmas, and whether volatility bursts after it."""
    release = uniform < model.release_chance(currency, minutes)
    news = ~release & (uniform > 1.0 - model.NEWS_RATE)
    reopening = np.diff(minutes, prepend=minutes[0] - 1) > 1
    scale = model.RELEASE_JUMP * release + model.NEWS_JUMP * news + model.GAP_JUMP * reopening
    return scale * laplace, release | news


def _momentum(innovations: Floats, signal: float) -> Floats:
    """Drift of each minute that follows from the returns of the 30 minutes before it."""
    weight = signal / model.MOMENTUM_MINUTES
    returns: list[float] = []
    drifts = np.empty(innovations.size)
    recent = 0.0
    for i, innovation in enumerate(innovations.tolist()):
        drifts[i] = weight * recent
        returns.append(innovation + drifts[i])
        recent += returns[i] - (returns[i - model.MOMENTUM_MINUTES] if i >= model.MOMENTUM_MINUTES else 0.0)
    return drifts


def _decay(half_life: float) -> float:
    return float(0.5 ** (1.0 / half_life))


def _autoregression(normal: Floats, half_life: float, sd: float, start: float) -> Floats:
    """Stationary AR(1) of a given half-life and size, less its variance.

    With that shift the square of its exponential has mean one.
    """
    decay = _decay(half_life)
    shocks = sd * np.sqrt(1.0 - decay**2) * normal
    shocks[0] = sd * start
    return decayed_sum(shocks, decay) - sd**2


def decayed_sum(shocks: Floats, decay: float) -> Floats:
    """``y_t = decay * y_{t-1} + shocks_t`` from ``y_0 = shocks_0``, by doubling the span summed over."""
    total = shocks.copy()
    span, weight = 1, decay
    while span < total.size and weight > np.finfo(float).tiny:
        total[span:] += weight * total[:-span]
        span, weight = 2 * span, weight**2
    return total
