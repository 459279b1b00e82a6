"""Section 3: Bollinger bands (k = 2), on the rate index and on BQX."""

from __future__ import annotations

from math import sqrt

from include.features.catalogue.declare import (
    BQX,
    IDX,
    POSITIVE,
    Column,
    Common,
    Range,
    between,
    redefine,
    roughly,
    stored,
)

WINDOWS = {"n": (20, 50)}


def _percent_b_range(n: int) -> Range:
    return between(0.5 - sqrt(n - 1) / 4, 0.5 + sqrt(n - 1) / 4)


COLUMNS = (
    Column(
        "bb_upper_{n}",
        "middle + 2*sd0_{n}({y})",
        WINDOWS,
        range=roughly(">= middle"),
        unit="{u}",
        neutral=None,
    ),
    Column("bb_middle_{n}", "mean_{n}({y})", WINDOWS, unit="{u}", neutral=None),
    Column(
        "bb_lower_{n}",
        "middle - 2*sd0_{n}({y})",
        WINDOWS,
        range=roughly("<= middle"),
        unit="{u}",
        neutral=None,
    ),
    Column("bb_bandwidth_{n}", "(upper-lower)/middle", WINDOWS, range=POSITIVE),
    Column(
        "bb_percent_b_{n}",
        "({y}-lower)/(upper-lower); flat -> 0.5",
        WINDOWS,
        range=_percent_b_range,
        neutral=0.5,
        note="bounds 0.5 +- sqrt(n-1)/4",
    ),
)
BANDWIDTH_BQX = Column(
    "bb_bandwidth_{n}",
    "(upper-lower)/max(sd_120(b), 1e-12); flat_120(b) -> 0",
    WINDOWS,
    min=120,
    range=lambda n: between(0, 4 * sqrt(119 / n)),
    note="the middle crosses 0, so it does not divide by it; bound 4*sqrt(119/n)",
)

ABOUT = """\
Two POPULATION standard deviations (sd0, ddof=0) around the mean; upper, middle and lower are those of
the same n."""

LEVEL = ("{y}",)

BOLLINGER_IDX = stored(
    "2.1", "3.1", "Bollinger bands of the rate index", COLUMNS, Common("bollinger_idx", IDX, LEVEL), ABOUT
)
BOLLINGER_BQX = stored(
    "1.6.13",
    "3.2",
    "Bollinger bands of BQX",
    redefine(COLUMNS, BANDWIDTH_BQX),
    Common("bollinger_bqx", BQX, LEVEL),
    ABOUT,
)
