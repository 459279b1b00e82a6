"""What all pairs share is built once, month by month, and the correlation families read it back."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest

from include.build.months import build
from include.build.shared import build_shared
from include.features import engine
from include.features.bars import Bars
from include.features.grid import make_grid
from include.features.series import Series
from include.features.shared import SHARED_COLUMNS, Shared, compute_shared
from include.pairs import USD_MAJORS
from include.storage.connection import connect
from include.storage.log import baseline_of, watermark
from include.storage.tables import SHARED
from tests.include.storage.samples import sample_bars, store

PAIRS = (*USD_MAJORS, "eurgbp", "audjpy", "nzdjpy")
CORRELATIONS = ("correlation_idx", "correlation_bqx")


@pytest.fixture(scope="module")
def bars() -> dict[str, Bars]:
    return {pair: sample_bars(seed, days_around=2, months=2) for seed, pair in enumerate(PAIRS)}


@pytest.fixture
def url(database_url: str, bars: dict[str, Bars]) -> str:
    for pair, one in bars.items():
        store(database_url, pair, one)
    return database_url


def one_pass(url: str, bars: dict[str, Bars]) -> tuple[dict[str, Series], Shared]:
    with connect(url) as connection:
        mark = watermark(connection)
        rates = {pair: baseline_of(connection, pair).rate for pair in bars}
    series = {pair: Series.of(make_grid(one, mark), rates[pair]) for pair, one in bars.items()}
    return series, compute_shared(series)


def contents(db: psycopg.Connection, table: str) -> tuple[list[int], dict[str, np.ndarray]]:
    cursor = db.execute(f"SELECT * FROM bqx.{table} ORDER BY ts_utc")
    rows, names = cursor.fetchall(), [column.name for column in cursor.description]
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    return [int(row[0].timestamp()) // 60 for row in rows], dict(zip(names[1:], values.T, strict=True))


def assert_same(stored: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    for name, values in wanted.items():
        np.testing.assert_array_equal(np.isnan(stored[name]), np.isnan(values), err_msg=name)
        np.testing.assert_allclose(stored[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_month_by_month_equals_one_pass(url: str, bars: dict[str, Bars], db: psycopg.Connection) -> None:
    result = build_shared(url)
    assert (result["pairs"], result["built"], len(result["absent"])) == (len(PAIRS), 3, 28 - len(PAIRS))
    series, shared = one_pass(url, bars)
    minutes, stored = contents(db, SHARED)
    assert minutes == shared.ts.tolist()
    assert_same(stored, dict(shared.columns))
    assert np.isnan(stored["momentum_dispersion_20"]).all(), "18 of the 28 pairs are not there"
    present = [name for name in SHARED_COLUMNS if name != "momentum_dispersion_20"]
    assert all(np.isfinite(stored[name]).any() for name in present)

    for pair in ("eurusd", "eurgbp"):
        assert build(url, pair, CORRELATIONS)["built"] == 6
        for name in CORRELATIONS:
            minutes, stored = contents(db, f"{name}_{pair}")
            assert minutes == series[pair].ts.tolist()
            assert_same(stored, engine.compute(name, series[pair], pair=pair, shared=shared))


def test_running_it_again_builds_nothing(url: str) -> None:
    build_shared(url)
    build(url, "eurusd", CORRELATIONS)
    assert build_shared(url)["built"] == 0
    assert build(url, "eurusd", CORRELATIONS)["built"] == 0


def test_other_bars_of_another_pair_rebuild_what_they_reach(url: str, bars: dict[str, Bars]) -> None:
    build_shared(url)
    build(url, "eurusd", CORRELATIONS)
    gbpusd = bars["gbpusd"]
    close = gbpusd.close.copy()
    close[-10] *= 1.0001
    high = np.maximum(gbpusd.high, close)
    store(url, "gbpusd", Bars(gbpusd.ts, gbpusd.open, high, gbpusd.low, close, gbpusd.volume, gbpusd.spread))
    assert build_shared(url)["built"] == 1
    assert build(url, "eurusd", CORRELATIONS)["built"] == 2, "the last month of both families"


def test_a_pair_that_cannot_be_read_is_left_out_and_named(url: str, db: psycopg.Connection) -> None:
    db.execute("ALTER TABLE bqx.m1_nzdjpy RENAME COLUMN high TO broken")
    result = build_shared(url)
    assert set(result["left_out"]) == {"nzdjpy"}
    assert "no column high" in result["left_out"]["nzdjpy"]
    _, stored = contents(db, SHARED)
    assert np.isnan(stored["momentum_regime_cluster"]).all()
    assert np.isfinite(stored["avg_pairwise_corr_20"]).any()


def test_correlations_without_anything_shared_are_null_not_wrong(url: str, db: psycopg.Connection) -> None:
    build(url, "eurusd", ["correlation_idx"])
    _, stored = contents(db, "correlation_idx_eurusd")
    assert all(np.isnan(values).all() for values in stored.values())
