"""Builds end in the same tables whatever the order, the chunks, the repetitions or the interruptions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import psycopg
import pytest

from include.build import chunks
from include.build.chunks import SHARED_INPUTS, lookback_of
from include.build.months import available_months, build
from include.errors import BadParameter, MissingInput
from include.features import engine
from include.features.bars import Bars
from include.features.catalogue import STORED, family
from include.features.grid import make_grid
from include.features.series import Series
from include.names import Month
from include.settings import FAMILIES as EVERY_FAMILY
from include.storage.connection import connect
from tests.include.storage.samples import sample_bars, store

PAIR = "eurusd"
MONTHS = 4  # of the sample
FAMILIES = tuple(name for name in EVERY_FAMILY if name not in SHARED_INPUTS)  # see test_shared.py for those


@pytest.fixture(scope="module")
def bars() -> Bars:
    return sample_bars()


@pytest.fixture
def url(database_url: str, bars: Bars) -> str:
    store(database_url, PAIR, bars)
    return database_url


def contents(url: str, name: str) -> tuple[list[int], dict[str, np.ndarray]]:
    """The whole table as arrays, NULL as NaN."""
    with connect(url) as connection:
        cursor = connection.execute(f"SELECT * FROM bqx.{name}_{PAIR} ORDER BY ts_utc")
        rows = cursor.fetchall()
        columns = [column.name for column in cursor.description]
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    minutes = [int(row[0].timestamp()) // 60 for row in rows]
    return minutes, dict(zip(columns[1:], values.T, strict=True))


def one_pass(bars: Bars, name: str) -> tuple[list[int], dict[str, np.ndarray]]:
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))
    return series.ts.tolist(), engine.compute(name, series)


@pytest.mark.parametrize("name", FAMILIES)
def test_month_by_month_equals_one_pass(url: str, bars: Bars, name: str) -> None:
    build(url, PAIR, [name])
    minutes, stored = contents(url, name)
    wanted_minutes, wanted = one_pass(bars, name)
    assert minutes == wanted_minutes
    assert list(stored) == list(wanted) == [feature.name for feature in family(name).columns]
    for column, values in wanted.items():
        scale = np.maximum(np.abs(values), np.nanmedian(np.abs(values)))
        np.testing.assert_array_equal(np.isnan(stored[column]), np.isnan(values), err_msg=column)
        error = np.nanmax(np.abs(stored[column] - values) / np.maximum(scale, 1e-300), initial=0.0)
        assert error <= 1e-9, f"{column}: {error}"


def test_running_it_again_builds_nothing(url: str) -> None:
    first = build(url, PAIR, FAMILIES)
    again = build(url, PAIR, FAMILIES)
    assert first["built"] == MONTHS * len(FAMILIES)
    assert (again["built"], again["already_right"], again["rows"]) == (0, first["built"], 0)


def test_a_single_month_reads_its_own_warm_up(url: str, bars: Bars) -> None:
    result = build(url, PAIR, ["technical_bqx"], ["2024-03"])
    assert result["built"] == 1
    minutes, stored = contents(url, "technical_bqx")
    wanted_minutes, wanted = one_pass(bars, "technical_bqx")
    rows = [wanted_minutes.index(minute) for minute in minutes]
    assert len(rows) > 2000
    np.testing.assert_allclose(stored["rsi_21"], wanted["rsi_21"][rows], rtol=1e-9)


def test_what_is_built_beside_a_family_does_not_change_it(url: str) -> None:
    build(url, PAIR, FAMILIES)
    assert build(url, PAIR, ["bollinger_idx"])["built"] == 0


def test_other_bars_rebuild_only_the_months_they_reach(url: str, bars: Bars) -> None:
    build(url, PAIR, ["technical_idx"])
    close = bars.close.copy()
    march = int(np.searchsorted(bars.ts, Month(2024, 3).first_minute))
    close[march + 5] *= 1.0001
    store(url, PAIR, replace(bars, close=close, high=np.maximum(bars.high, close)))
    assert build(url, PAIR, ["technical_idx"])["built"] == 1
    close[march - 5] *= 1.0001  # the end of February warms March up
    store(url, PAIR, replace(bars, close=close, high=np.maximum(bars.high, close)))
    assert build(url, PAIR, ["technical_idx"])["built"] == 2


def test_another_engine_rebuilds_everything(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build(url, PAIR, ["bollinger_idx"])
    monkeypatch.setattr(chunks, "code_version", lambda: "another")
    assert build(url, PAIR, ["bollinger_idx"])["built"] == MONTHS


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM bqx.bollinger_idx_eurusd_2024_03 WHERE ts_utc > '2024-03-02 23:50+00'",
        "DROP TABLE bqx.bollinger_idx_eurusd_2024_03",
        "TRUNCATE bqx.bollinger_idx_eurusd_2024_03",
    ],
)
def test_a_damaged_month_is_found_and_built_again(url: str, db: psycopg.Connection, damage: str) -> None:
    build(url, PAIR, ["bollinger_idx"])
    before = contents(url, "bollinger_idx")[0]
    db.execute(damage)
    assert build(url, PAIR, ["bollinger_idx"])["built"] == 1
    assert contents(url, "bollinger_idx")[0] == before


def test_two_builds_at_once_do_the_work_once(url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: build(url, PAIR, ["bollinger_idx", "bollinger_bqx"]), range(2)))
    assert sum(int(result["built"]) for result in results) == 2 * MONTHS


def test_rebuild_writes_the_same_values(url: str) -> None:
    build(url, PAIR, ["technical_idx"])
    before = contents(url, "technical_idx")
    assert build(url, PAIR, ["technical_idx"], rebuild=True)["built"] == MONTHS
    after = contents(url, "technical_idx")
    assert before[0] == after[0]
    assert all(np.array_equal(before[1][name], after[1][name], equal_nan=True) for name in before[1])


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(url: str, db: psycopg.Connection) -> None:
    result = build(url, PAIR, ["bollinger_idx"], dry_run=True)
    assert (result["built"], result["rows"]) == (MONTHS, 0)
    assert db.execute("SELECT to_regclass('bqx.bollinger_idx_eurusd')").fetchone() == (None,)


def test_bars_behind_the_watermark_are_not_seen(url: str, bars: Bars, db: psycopg.Connection) -> None:
    mark = int(bars.ts[-1]) - 30
    db.execute("UPDATE bqx.loads SET watermark = to_timestamp(%s * 60.0)", [mark])
    build(url, PAIR, ["bollinger_idx"])
    minutes, _ = contents(url, "bollinger_idx")
    expected = make_grid(bars.slice(0, mark + 1), mark)
    assert minutes == expected.ts.tolist()


def test_filled_bars_may_open_a_month(database_url: str) -> None:
    end = Month(2024, 3).first_minute
    ts = np.array([end - 3, end - 2])
    ones = np.ones(2)
    store(database_url, PAIR, Bars(ts, ones, ones, ones, ones, ones, ones * 0))
    store(
        database_url, "gbpusd", Bars(ts + 60, ones, ones, ones, ones, ones, ones * 0)
    )  # raises the watermark
    with connect(database_url) as connection:
        assert available_months(connection, PAIR) == [Month(2024, 2), Month(2024, 3)]
    build(database_url, PAIR, ["bollinger_idx"])
    assert contents(database_url, "bollinger_idx")[0] == [end + k for k in range(-3, 4)]


@pytest.mark.parametrize(
    ("pair", "months", "told"),
    [
        ("gbpusd", (), "m1_gbpusd does not exist"),
        (PAIR, ("2023-05",), r"no bars in 2023-05; it has 2024-01 to 2024-04"),
    ],
)
def test_what_cannot_be_built_is_said_before_anything_is_written(
    url: str, pair: str, months: tuple[str, ...], told: str
) -> None:
    with pytest.raises(MissingInput, match=told):
        build(url, pair, ["bollinger_idx"], months)


def test_unknown_families_are_named(url: str) -> None:
    with pytest.raises(BadParameter, match="bolinger"):
        build(url, PAIR, ["bolinger"])


def test_every_family_that_is_built_has_its_warm_up() -> None:
    assert all(lookback_of(name) >= family(name).lookback for name in EVERY_FAMILY)
    assert set(EVERY_FAMILY) == set(STORED) <= set(engine.COMPUTED)
