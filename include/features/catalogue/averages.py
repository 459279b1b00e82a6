"""Section 7: simple and exponential moving averages of the rate index and of BQX."""

from __future__ import annotations

import math

from include.features.catalogue.declare import (
    BQX,
    IDX,
    REAL,
    Column,
    Common,
    Range,
    computed,
    roughly,
    section,
)

WINDOWS = {"n": (5, 10, 20, 50, 100, 200)}


def ema_warm(n: int) -> int:
    """Bars until the seed of EMA_n has decayed to 1e-13: ln(1e-13)/ln(1-alpha), alpha = 2/(n+1)."""
    return math.ceil(math.log(1e-13) / math.log((n - 1) / (n + 1)))


def _averages(prefix: str, typical: Range) -> list[Column]:
    return [
        Column(prefix + "sma_{n}", "mean_{n}({y})", WINDOWS, range=typical, unit="{u}", neutral=None),
        Column(
            prefix + "ema_{n}",
            "EMA_{n}({y})",
            WINDOWS,
            warm=ema_warm,
            range=typical,
            unit="{u}",
            neutral=None,
        ),
    ]


MA = computed(
    "ma",
    "Moving averages",
    section(
        "7.1", "Averages of the rate index", _averages("", roughly("typ. 80..120")), Common("ma", IDX, ("S",))
    ),
    section("7.2", "Averages of BQX", _averages("bqx_", REAL), Common("ma", BQX, ("b",))),
)
