"""Section 2: statistical moments of the level, on the rate index and on BQX."""

from __future__ import annotations

from math import sqrt

from include.features.catalogue.declare import (
    BQX,
    IDX,
    POSITIVE,
    Column,
    Common,
    between,
    roughly,
    stored,
    z_range,
)

WINDOWS = {"n": (20, 50, 120)}

COLUMNS = (
    Column("mean_{n}", "mean_{n}({y})", WINDOWS, unit="{u}", neutral=None),
    Column("std_{n}", "sd_{n}({y})", WINDOWS, range=POSITIVE, unit="{u}", note="ddof=1"),
    Column(
        "skew_{n}",
        "{n}/(({n}-1)*({n}-2)) * sum(((x-mean)/sd)^3); flat -> 0",
        WINDOWS,
        range=lambda n: between(-sqrt(n), sqrt(n)),
        note="adjusted Fisher-Pearson G1; the bound sqrt(n) is attained by one spike in a flat window",
    ),
    Column(
        "kurt_{n}",
        "{n}*({n}+1)/(({n}-1)*({n}-2)*({n}-3)) * sum(((x-mean)/sd)^4) - 3*({n}-1)^2/(({n}-2)*({n}-3));"
        " flat -> 0",
        WINDOWS,
        range=lambda n: between(-2 * (n - 1) / (n - 3), n),
        note="unbiased EXCESS kurtosis G2; bounds -2(n-1)/(n-3) and n",
    ),
    Column("min_{n}", "min_{n}({y})", WINDOWS, range=roughly("<= mean_n"), unit="{u}", neutral=None),
    Column("max_{n}", "max_{n}({y})", WINDOWS, range=roughly(">= mean_n"), unit="{u}", neutral=None),
    Column("range_{n}", "max_{n}({y}) - min_{n}({y})", WINDOWS, range=POSITIVE, unit="{u}"),
    Column("z_score_{n}", "z_{n}({y}); flat -> 0", WINDOWS, range=z_range, note="bound (n-1)/sqrt(n)"),
)

ABOUT = """\
Moments of the level {y}, not of its returns; x runs over the last n values of {y}, mean and sd (ddof=1) are
theirs."""

LEVEL = ("{y}",)

STATISTICS_IDX = stored(
    "2.1", "2.1", "Moments of the rate index", COLUMNS, Common("statistics_idx", IDX, LEVEL), ABOUT
)
STATISTICS_BQX = stored(
    "1.6.12", "2.2", "Moments of BQX", COLUMNS, Common("statistics_bqx", BQX, LEVEL), ABOUT
)
