"""Chunks with the pairs and the history that matrix families need: month by month equals one pass."""

from __future__ import annotations

import numpy as np
import pytest

from include.build.chunks import (
    Chunk,
    lookback_of,
    read_chunk,
    with_complete_bars,
    with_related,
    with_shared,
)
from include.features import engine
from include.features.bars import Bars
from include.features.grid import make_grid
from include.features.mres import WARM_BARS
from include.features.resample import complete
from include.features.series import Series
from include.features.xpair import Related, related_pairs
from include.names import Month
from include.pairs import USD_MAJORS
from include.storage.connection import connect
from include.storage.log import baseline_of, watermark
from tests.include.storage.samples import sample_bars, store

LOADED = (*USD_MAJORS, "eurgbp", "audcad", "euraud")
MONTHS = (Month(2024, 1), Month(2024, 2), Month(2024, 3))
OUTAGE = 1500  # minutes before a month in which a major has no bar
EXACT = ("rsi", "macd", "atr")


@pytest.fixture(scope="module")
def bars() -> dict[str, Bars]:
    """Pairs with gaps of their own; usdjpy is silent for a day before March, eurgbp before February."""
    found = {pair: sample_bars(seed, days_around=2, months=2) for seed, pair in enumerate(LOADED)}
    for pair, month, minutes in (("usdjpy", MONTHS[2], OUTAGE), ("eurgbp", MONTHS[1], 600)):
        ts, first = found[pair].ts, month.first_minute
        found[pair] = without(found[pair], (ts >= first - minutes) & (ts < first))
    return found


@pytest.fixture
def url(database_url: str, bars: dict[str, Bars]) -> str:
    for pair, one in bars.items():
        store(database_url, pair, one)
    return database_url


def without(bars: Bars, rows: np.ndarray) -> Bars:
    return Bars(*(getattr(bars, name)[~rows] for name in bars.__dataclass_fields__))


def one_pass(url: str, bars: dict[str, Bars]) -> dict[str, Series]:
    with connect(url) as connection:
        mark = watermark(connection)
        rates = {pair: baseline_of(connection, pair).rate for pair in bars}
    return {pair: Series.of(make_grid(one, mark), rates[pair]) for pair, one in bars.items()}


def of_month(chunk: Chunk, family: str) -> dict[str, np.ndarray]:
    columns = engine.compute(family, chunk.series, pair=chunk.pair, related=chunk.related)
    return {name: values[chunk.first_row :] for name, values in columns.items()}


def assert_same(chunk: Chunk, family: str, series: Series, whole: dict[str, np.ndarray]) -> None:
    """The month's rows of a chunk are those of one pass, bit by bit where nothing is recursive."""
    rows = np.isin(series.ts, chunk.rows_of_month)
    assert rows.sum() == len(chunk.rows_of_month) > 1000
    for name, values in of_month(chunk, family).items():
        tolerance = 1e-9 if name.startswith(EXACT) else 0.0
        np.testing.assert_allclose(values, whole[name][rows], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("pair", ["eurusd", "usdjpy", "eurgbp", "audcad"])
def test_related_pairs_month_by_month_equal_one_pass(url, bars, pair):
    series = one_pass(url, bars)
    whole = engine.compute("xpair", series[pair], pair=pair, related=Related(series))
    with connect(url) as connection:
        for month in MONTHS:
            chunk = with_related(connection, read_chunk(connection, pair, month, lookback_of("xpair")))
            assert_same(chunk, "xpair", series[pair], whole)
    assert np.isfinite(whole["usd_factor_z_60"]).sum() > 3000


def test_the_dollar_grid_is_read_far_enough_back(url):
    """From the first row of March on, although usdjpy has no bar in the 1,500 minutes before."""
    march = MONTHS[2]
    with connect(url) as connection:
        chunk = with_related(connection, read_chunk(connection, "eurusd", march, lookback_of("xpair")))
    assert chunk.grid.ts[0] > march.first_minute - OUTAGE
    assert chunk.related is not None
    assert chunk.related.series["gbpusd"].ts[0] < march.first_minute - OUTAGE
    known = ~np.isnan(of_month(chunk, "xpair")["usd_factor_z_60"])
    assert known[:5].any()


def test_pairs_that_were_never_loaded_stay_absent(url):
    with connect(url) as connection:
        chunk = with_related(connection, read_chunk(connection, "audcad", MONTHS[1], lookback_of("xpair")))
    assert chunk.related is not None
    assert set(chunk.related.series) == set(related_pairs("audcad")) & set(LOADED)
    columns = of_month(chunk, "xpair")
    null = {name for name, values in columns.items() if np.isnan(values).all()}
    assert {name.split("_")[0] for name in null} == {"sister3", "sister5"}  # gbpaud and eurcad


def test_a_month_without_bars_has_none_of_the_others_either(url):
    with connect(url) as connection:
        chunk = with_related(connection, read_chunk(connection, "eurusd", Month(2023, 6), 50))
    assert not len(chunk.grid)
    assert all(values.size == 0 for values in of_month(chunk, "xpair").values())


def test_related_pairs_leave_the_rest_of_the_chunk_alone(url):
    with connect(url) as connection:
        chunk = read_chunk(connection, "eurusd", MONTHS[1], lookback_of("xpair"))
        before = chunk.fingerprint("reg_idx")
        full = with_related(connection, with_shared(connection, chunk, ("correlation_idx",)))
        assert with_related(connection, chunk).fingerprint("reg_idx") == before
    assert full.shared is not None
    assert full.related is not None
    assert full.since(MONTHS[1].first_minute).related is full.related


@pytest.fixture
def broken(database_url: str) -> tuple[str, Bars]:
    """Twenty days before a month and two in it; somewhere in every hour 11 minutes are missing."""
    rng = np.random.default_rng(9)
    first = MONTHS[1].first_minute
    ts = np.arange(first - 20 * 1440, first + 2 * 1440)
    missing = np.concatenate([hour + rng.integers(0, 49) + np.arange(11) for hour in ts[::60]])
    ts = ts[~np.isin(ts, missing)]
    close = np.round(1.1 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(ts)))), 5)
    bars = Bars(ts, close, close + 3e-5, close - 2e-5, close, np.full(len(ts), 7.0), np.full(len(ts), 1e-5))
    store(database_url, "eurusd", bars)
    return database_url, bars


def test_breaks_cost_complete_bars_which_are_read_further_back(broken):
    url, bars = broken
    series = one_pass(url, {"eurusd": bars})["eurusd"]
    whole = engine.compute("mres", series)
    with connect(url) as connection:
        plain = read_chunk(connection, "eurusd", MONTHS[1], lookback_of("mres"))
        chunk = with_complete_bars(connection, plain)
    assert len(complete(plain.grid.ts[: plain.first_row], 15)) < WARM_BARS
    assert len(complete(chunk.grid.ts[: chunk.first_row], 15)) >= WARM_BARS
    assert chunk.grid.ts[0] > bars.ts[0]
    assert_same(chunk, "mres", series, whole)


def test_a_chunk_that_has_enough_complete_bars_is_not_read_again(broken):
    url, _ = broken
    with connect(url) as connection:
        chunk = with_complete_bars(connection, read_chunk(connection, "eurusd", MONTHS[1], 15_000))
        assert with_complete_bars(connection, chunk) is chunk
        everything = with_complete_bars(connection, read_chunk(connection, "eurusd", Month(2024, 1), 100))
    assert everything.first_row == 0
