"""A market of all 28 pairs whose gaps differ, with everything nasty in volume and spread."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np

from include.features.bars import Bars
from include.features.grid import make_grid
from include.features.series import Series
from include.market.synthetic import simulate
from include.names import to_minute

THURSDAY = to_minute(datetime(2024, 1, 4, 6, tzinfo=UTC))
TUESDAY = to_minute(datetime(2024, 1, 9, 6, tzinfo=UTC))
FRIDAY_CLOSE = THURSDAY + 40 * 60
SUNDAY_OPEN = THURSDAY + 88 * 60
TARGETS = ("eurusd", "audcad", "gbpnzd")  # a major, a cross, the pair that starts late
LATE = 240  # minutes after which the latest pair starts


@cache
def market() -> dict[str, Bars]:
    """Five days over a weekend, bars by pair.

    Outages of 45 minutes in usdjpy and of 7 and 30 in eurgbp, a pair that starts four hours late,
    25 minutes without a tick, 30 without volume, 30 without spread and crossed quotes in eurusd.
    """
    bars = simulate(THURSDAY, TUESDAY, seed=5)
    bars["usdjpy"] = without(bars["usdjpy"], 1700, 45)
    bars["eurgbp"] = without(without(bars["eurgbp"], 900, 7), 2600, 30)
    bars["gbpnzd"] = bars["gbpnzd"].slice(THURSDAY + LATE, TUESDAY)
    eurusd = bars["eurusd"]
    volume, spread = eurusd.volume.copy(), eurusd.spread.copy()
    volume[500:525], volume[700:730], spread[40:70] = 0.0, np.nan, np.nan
    spread[800:1000:9] *= -1.0
    bars["eurusd"] = replaced(eurusd, volume=volume, spread=spread)
    return bars


def without(bars: Bars, row: int, minutes: int) -> Bars:
    """No bars for some minutes after a row."""
    keep = (bars.ts <= bars.ts[row]) | (bars.ts > bars.ts[row] + minutes)
    return replaced(bars, **{name: getattr(bars, name)[keep] for name in bars.__dataclass_fields__})


def replaced(bars: Bars, **values: np.ndarray) -> Bars:
    """The bars with other values in some of their fields."""
    return Bars(**{name: getattr(bars, name) for name in bars.__dataclass_fields__} | values)


def noisy(minute: int) -> dict[str, Bars]:
    """The market with noise in everything after a minute."""
    changed = {}
    for number, (pair, bars) in enumerate(market().items()):
        rng, late = np.random.default_rng(number), bars.ts > minute
        price = bars.close * np.exp(rng.normal(0, 1e-3, len(bars)))
        noise = dict.fromkeys(("open", "high", "low", "close"), price)
        noise["volume"] = rng.poisson(1, len(bars))
        noise["spread"] = bars.spread * rng.uniform(0.5, 2, len(bars))
        values = {name: np.where(late, new, getattr(bars, name)) for name, new in noise.items()}
        changed[pair] = replaced(bars, **values)
    return changed


def end_of(bars: dict[str, Bars]) -> int:
    """Newest minute of all pairs."""
    return max(int(one.ts[-1]) for one in bars.values())


def base_of(pair: str) -> float:
    """The stored baseline rate: no computation ever makes its own."""
    return float(market()[pair].close[0])


def all_series(bars: dict[str, Bars], watermark: int | None = None) -> dict[str, Series]:
    """Series of every pair on the grid up to the watermark."""
    end = end_of(bars) if watermark is None else watermark
    return {pair: Series.of(make_grid(one, end), base_of(pair)) for pair, one in bars.items()}
