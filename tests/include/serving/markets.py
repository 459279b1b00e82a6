"""A market with breaks of every kind, its tables built, and rows of the stored matrix to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from include.build.months import build
from include.build.shared import build_shared
from include.dataset.matrix import Matrix, read_matrix
from include.features.bars import Bars
from include.features.catalogue import STORED
from include.market.synthetic import simulate
from include.names import Month, to_minute
from include.pairs import PAIRS
from include.storage.connection import connect
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.storage.samples import store

FIRST, END = (to_minute(datetime(2024, *day, tzinfo=UTC)) for day in ((7, 18), (8, 8)))
MONTHS = (Month(2024, 7), Month(2024, 8))
BUILT = ("eurusd", "audjpy")  # a major and a cross; all 28 have bars
THIN = ("gbpusd", "usdjpy")  # majors with long breaks: the dollar grid has fewer rows than the pairs
WINDOWS = {15: 15, 30: 30, 45: 45, 60: 60, 75: 75}


class World(NamedTuple):
    """A database and the stored matrices in it by pair and month."""

    database: str
    url: str
    matrices: Mapping[tuple[str, Month], Matrix]


@contextmanager
def world(postgres: Postgres, pairs: Sequence[str] = BUILT) -> Iterator[World]:
    """Three weeks of 28 pairs with breaks; all tables of some of them."""
    with worlds.database(postgres) as name:
        url = postgres.url(name)
        for pair, bars in broken_market().items():
            store(url, pair, bars)
        build_shared(url)
        for pair in pairs:
            build(url, pair, list(STORED))
        with connect(url) as connection:
            found = {
                (pair, month): read_matrix(connection, pair, month) for pair in pairs for month in MONTHS
            }
        yield World(name, url, found)


def broken_market(seed: int = 11) -> dict[str, Bars]:
    """Single minutes are missing everywhere, a quarter of an hour now and then, and hours of thin pairs."""
    return {
        pair: without(bars, _missing(number, bars.ts, pair in THIN))
        for number, (pair, bars) in enumerate(simulate(FIRST, END, seed, pairs=PAIRS).items())
    }


def without(bars: Bars, missing: np.ndarray) -> Bars:
    return Bars(*(getattr(bars, name)[~missing] for name in bars.__dataclass_fields__))


def _missing(seed: int, ts: np.ndarray, thin: bool) -> np.ndarray:
    random = np.random.default_rng(seed)
    missing = random.random(ts.size) < 0.02
    for length, number in ((4, 20), (15, 12), (40, 3), (400, 3 if thin else 0)):
        for start in random.integers(1, ts.size - length, number):
            missing[start : start + length] = True
    missing[0] = False
    missing[-1] = False  # every pair's last bar is that of the watermark
    return missing
