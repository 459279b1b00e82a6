"""Bars of one pair of the synthetic market from the log-prices of its two currencies."""

from __future__ import annotations

import numpy as np

from include.features.arrays import Flags, Floats, Minutes
from include.features.bars import Bars
from include.market import synthetic_model as model
from include.market.levels import decimals
from include.market.synthetic_currencies import Path, Stream, generator, in_weeks, weeks_of
from include.market.timezones import WEEK
from include.pairs import PAIRS, base, quote


def pair_bars(pair: str, minutes: Minutes, one: Path, other: Path, seed: int) -> Bars:
    """Quote a pair: bid prices on its tick, tick volume, spread, and minutes left out.

    The bid is the exact ratio of both currencies, rounded to the tick: triangles hold up to rounding.

    Args:
        pair: listed pair.
        minutes: open minutes in order.
        one: path of the base currency over these minutes.
        other: path of the quote currency over these minutes.
        seed: seed of the market.
    """
    index = PAIRS.index(pair)
    draws = [_week_of_draws(generator(seed, Stream.PAIR, index, week)) for week in weeks_of(minutes)]
    uniform, of_volume, of_spread, outage = (in_weeks([week[i] for week in draws], minutes) for i in range(4))
    quoted = ~_is_missing(pair, minutes, uniform, outage)
    heat = np.hypot(one.sd, other.sd) / np.hypot(one.usual_sd, other.usual_sd)
    price = np.exp(one.log_price[quoted] - other.log_price[quoted]).round(decimals(pair))
    volume = np.maximum(np.rint(model.VOLUME * heat * np.exp(model.VOLUME_NOISE * of_volume)), 1.0)
    spread = _spread(pair, minutes[quoted], heat[quoted], of_spread[quoted], price[:, -1])
    return Bars(
        minutes[quoted],
        price[:, 0],
        price.max(axis=1),
        price.min(axis=1),
        price[:, -1],
        volume[quoted],
        spread,
    )


def _week_of_draws(random: np.random.Generator) -> tuple[Floats, ...]:
    uniform, of_volume, of_spread = (
        random.random(WEEK),
        random.standard_normal(WEEK),
        random.standard_normal(WEEK),
    )
    outage = np.zeros(WEEK)
    for _ in range(random.poisson(model.OUTAGES)):
        first = random.integers(WEEK)
        outage[first : first + model.OUTAGE_LEAST + int(random.exponential(model.OUTAGE_MEAN))] = 1.0
    return uniform, of_volume, of_spread, outage


def _is_missing(pair: str, minutes: Minutes, uniform: Floats, outage: Floats) -> Flags:
    busy = (model.activity(base(pair), minutes) + model.activity(quote(pair), minutes)) / 2
    chance = model.MISSING + model.MISSING_THIN * np.clip(1.0 - busy, 0.0, 1.0) ** 2
    chance += model.MISSING_ROLLOVER * model.is_rollover(minutes)
    return (uniform < chance) | (outage > 0)


def _spread(pair: str, minutes: Minutes, heat: Floats, normal: Floats, close: Floats) -> Floats:
    """Ask minus bid at the end of the bar, on the tick, never negative."""
    usual = (model.MODEL[base(pair)].cost + model.MODEL[quote(pair)].cost) * close
    width = 1.0 + model.SPREAD_SLOPE * np.log1p(heat) + model.ROLLOVER_SPREAD * model.is_rollover(minutes)
    spread: Floats = (usual * width * np.exp(model.SPREAD_NOISE * normal)).round(decimals(pair))
    return spread
