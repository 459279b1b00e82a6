"""Feature engine against TA-Lib, pandas and Polars on one pair-year of bars, one core.

    python -m benchmarks.features [--rows 371000] [--repeat 9]

Contestants take turns within every repetition, so that a slow moment of the machine hits all of them.
Printed are medians of CPU time: all run on one thread, and other work on the machine must not count.
Peers compute the same columns with as few calls of their own as they allow.
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import argparse
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import talib

from include.features import engine
from include.features.bqx import bqx_columns
from include.features.catalogue import FAMILIES
from include.features.series import Series

PAIR_YEAR = 371_000
MOMENTS, BANDS = (20, 50, 120), (20, 50)
KINDS = ("reg", "statistics", "bollinger", "technical", "fibonacci")
OWN_PRICES = tuple(
    f"{kind}_{domain}" for kind in KINDS for domain in ("idx", "bqx")
)  # read one pair's prices


def market(rows: int) -> Series:
    """Ticks of 1e-5 around 1.14, as index points."""
    rng = np.random.default_rng(0)
    close = np.round(1.14 * np.exp(np.cumsum(rng.standard_t(4, rows) * 5e-5)), 5)
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) + rng.integers(0, 9, rows) * 1e-5
    low = np.minimum(opened, close) - rng.integers(0, 9, rows) * 1e-5
    closes, opens, highs, lows = (100 * price / close[0] for price in (close, opened, high, low))
    absent = np.full(rows, np.nan)
    return Series(np.arange(rows), closes, opens, highs, lows, absent, absent, np.zeros(rows, np.bool_))


def fresh(series: Series) -> Series:
    """The same bars without anything that an earlier computation has left behind."""
    return Series(*(getattr(series, name) for name in series.__dataclass_fields__))


def talib_columns(series: Series, domain: str) -> list[np.ndarray]:
    """The 15 technical columns by TA-Lib's own calls."""
    view = series.view(domain)
    first = 0 if domain == "idx" else 15
    high, low, close = view.high[first:], view.low[first:], view.close[first:]
    shared = [
        talib.RSI(close, 14),
        talib.RSI(close, 21),
        *talib.MACD(close, 12, 26, 9),
        *talib.STOCHF(high, low, close, 14, 3, 0),
        talib.CCI(high, low, close, 20),
        talib.WILLR(high, low, close, 14),
        talib.ADX(high, low, close, 14),
        talib.PLUS_DI(high, low, close, 14),
        talib.MINUS_DI(high, low, close, 14),
    ]
    atr = talib.ATR(high, low, close, 14)
    if domain == "idx":
        return [*shared, atr, talib.NATR(high, low, close, 14), talib.ROC(close, 12)]
    sd = talib.STDDEV(close, 120)
    return [*shared, atr, 100 * atr / sd, talib.MOM(close, 12) / sd]


def pandas_columns(y: np.ndarray) -> dict[str, pd.Series]:
    """The 34 columns of statistics_idx and bollinger_idx by pandas, each rolling call made once."""
    x = pd.Series(y)
    out: dict[str, pd.Series] = {}
    for n in MOMENTS:
        window = x.rolling(n)
        mean, sd, low, high = window.mean(), window.std(), window.min(), window.max()
        out |= {f"mean_{n}": mean, f"std_{n}": sd, f"min_{n}": low, f"max_{n}": high}
        out |= {f"skew_{n}": window.skew(), f"kurt_{n}": window.kurt()}
        out |= {f"range_{n}": high - low, f"z_{n}": (x - mean) / sd}
        if n in BANDS:
            half = 2 * math.sqrt((n - 1) / n) * sd
            upper, lower = mean + half, mean - half
            out |= {f"upper_{n}": upper, f"lower_{n}": lower, f"middle_{n}": mean.copy()}
            out |= {f"bandwidth_{n}": (upper - lower) / mean, f"percent_{n}": (x - lower) / (upper - lower)}
    return out


def polars_columns(y: np.ndarray) -> pl.DataFrame:
    """The same 34 columns as one lazy query; Polars shares what is common."""
    x = pl.col("x")
    out: list[pl.Expr] = []
    for n in MOMENTS:
        mean, sd = x.rolling_mean(n), x.rolling_std(n)
        low, high = x.rolling_min(n), x.rolling_max(n)
        out += [mean.alias(f"mean_{n}"), sd.alias(f"std_{n}"), low.alias(f"min_{n}"), high.alias(f"max_{n}")]
        out += [
            x.rolling_skew(n, bias=False).alias(f"skew_{n}"),
            x.rolling_kurtosis(n, bias=False).alias(f"kurt_{n}"),
        ]
        out += [(high - low).alias(f"range_{n}"), ((x - mean) / sd).alias(f"z_{n}")]
        if n in BANDS:
            half = 2 * math.sqrt((n - 1) / n) * sd
            upper, lower = mean + half, mean - half
            out += [upper.alias(f"upper_{n}"), lower.alias(f"lower_{n}"), mean.alias(f"middle_{n}")]
            out += [
                ((upper - lower) / mean).alias(f"width_{n}"),
                ((x - lower) / (upper - lower)).alias(f"percent_{n}"),
            ]
    return pl.LazyFrame({"x": y}).select(out).collect()


def medians(contestants: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Median CPU seconds of each contestant over alternating turns.

    A turn starts with an unmeasured call: nobody pays for fetching the memory that another gave back.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeat):
        for name, run in contestants.items():
            run()
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def show(title: str, budget: str, timings: dict[str, float]) -> None:
    ours, *peers = timings.items()
    print(f"\n{title} (budget: {budget})")
    print(f"  {ours[0]:28s} {ours[1] * 1e3:8.1f} ms")
    for name, seconds in peers:
        print(f"  {name:28s} {seconds * 1e3:8.1f} ms   ours takes {ours[1] / seconds:.2f} of it")


def compute(family: str, series: Series) -> None:
    """Compute one family; what it found out about flat windows the last time does not count."""
    for domain in ("idx", "bqx"):
        vars(series.view(domain)).pop("_still", None)
    engine.compute(family, series)


def everything(series: Series) -> None:
    own = fresh(series)
    bqx_columns(own.S)
    for family in OWN_PRICES:
        engine.compute(family, own)


def compare_technical(series: Series, domain: str, repeat: int) -> None:
    view = series.view(domain)  # made once, outside the measurement: TA-Lib reads it too
    assert view.close.size
    contestants = {
        "ours": lambda: compute(f"technical_{domain}", series),
        "TA-Lib": lambda: talib_columns(series, domain),
    }
    show(f"technical_{domain}, 15 columns", "at most 1.50 of TA-Lib", medians(contestants, repeat))


def compare_moments(series: Series, repeat: int) -> None:
    def ours() -> None:
        for family in ("statistics_idx", "bollinger_idx"):
            compute(family, series)

    contestants = {
        "ours": ours,
        "pandas rolling": lambda: pandas_columns(series.S),
        "Polars rolling, 1 thread": lambda: polars_columns(series.S),
    }
    timings = medians(contestants, repeat)
    show("statistics_idx + bollinger_idx, 34 columns", "at most 0.33 of pandas, 1.00 of Polars", timings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=PAIR_YEAR)
    parser.add_argument("--repeat", type=int, default=9)
    args = parser.parse_args()
    series = market(args.rows)
    everything(series)  # compiles, and leaves the allocator as a build leaves it: regressions come first
    print(f"{args.rows:,} bars, one thread, medians of {args.repeat} alternating repetitions")
    for domain in ("idx", "bqx"):
        compare_technical(series, domain, args.repeat)
    compare_moments(series, args.repeat)
    timings = medians({"bqx + the ten families": lambda: everything(series)}, args.repeat)
    show(
        f"all that reads one pair's prices, {sum(map(count, OWN_PRICES)) + 38} columns",
        "all 15 stored families under 3,000 ms",
        timings,
    )


def count(family: str) -> int:
    return len(FAMILIES[family].columns)


if __name__ == "__main__":
    main()
