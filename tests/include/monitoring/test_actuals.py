"""A forecast is compared with the row of exactly its own minute plus the horizon, once that has passed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import psycopg
import pytest

from include.market.synthetic import simulate
from include.monitoring.actuals import Joined, join, what_came
from include.monitoring.forecasts import Forecasts, captured, read_forecasts
from include.names import to_datetime
from include.serving.captures import Capture, Said, Sink
from include.storage.connection import connect
from include.storage.schema import ensure_tables
from include.storage.tables import PREDICTIONS, WINDOWS, table_of
from local.postgres import Postgres
from tests.include.dataset import worlds as databases
from tests.include.monitoring.worlds import START, VERSION, WEEK, forecasts, grid
from tests.include.storage.samples import store

PAIR = "eurusd"


def one(ts: int, h: int = 15) -> Forecasts:
    array = np.array([ts])
    return Forecasts(
        array, np.array([VERSION]), np.array([h]), np.array([h]), np.zeros(1), -np.ones(1), np.ones(1)
    )


def counts(joined: Joined) -> tuple[int, int, int, int]:
    return len(joined.scored.ts), joined.pending, joined.missing, joined.closed


def test_the_horizon_has_passed_when_the_row_of_its_end_is_over() -> None:
    came = grid()
    ts = START + WEEK + 600
    assert counts(join(one(ts), came, ts + 15)) == (0, 1, 0, 0)
    found = join(one(ts), came, ts + 16)
    assert counts(found) == (1, 0, 0, 0)
    (place,) = np.flatnonzero(came.ts == ts + 15)
    assert found.scored.actual.tolist() == [came.q[15][place]]


def test_a_hole_is_missing_and_a_weekend_is_closed_and_neither_is_a_row_further_on() -> None:
    came = grid()
    before_hole, friday = START + WEEK + 50 * 60 - 5, START + WEEK + 7_195
    assert before_hole in came.ts
    assert counts(join(one(before_hole), came, START + 3 * WEEK)) == (0, 0, 1, 0)
    assert counts(join(one(friday), came, START + 3 * WEEK)) == (0, 0, 0, 1)


def test_what_came_is_sorted_as_the_scores_want_it() -> None:
    came = grid()
    told = forecasts(came)
    shuffled = np.random.default_rng(1).permutation(told.ts.size)
    mixed = Forecasts._make(column[shuffled] for column in told)
    first, second = (join(each, came, START + 4 * WEEK).scored for each in (told, mixed))
    for one_column, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one_column, other)


@pytest.fixture(scope="module")
def market(postgres: Postgres) -> Iterator[str]:
    """A database with two weeks of one pair."""
    with databases.database(postgres) as name:
        url = postgres.url(name)
        store(url, PAIR, simulate(START, START + 2 * WEEK, 3, pairs=(PAIR,))[PAIR])
        yield url


def write(url: str, rows: list[tuple[int, str, float | None]]) -> None:
    """Predictions of some minutes: the same value for every horizon."""
    table = table_of(PREDICTIONS, PAIR)
    with connect(url) as connection:
        ensure_tables(connection, [table])
        connection.execute(f"CREATE TABLE IF NOT EXISTS bqx.p PARTITION OF bqx.{table.name} DEFAULT")
        for ts, version, value in rows:
            columns = {"ts_utc": to_datetime(ts), "version": version, "as_of": to_datetime(ts + 1)}
            columns |= {f"h{h}_window": h for h in WINDOWS if value is not None}
            columns |= {f"h{h}_value": value for h in WINDOWS}
            names = ", ".join(columns)
            values = ", ".join(["%s"] * len(columns))
            connection.execute(
                f"INSERT INTO bqx.{table.name} ({names}) VALUES ({values})", list(columns.values())
            )


def capture(ts: int, version: str, value: float, request: str) -> Capture:
    said = tuple(Said(h, h, value, None, None) for h in WINDOWS)
    return Capture(PAIR, ts, ts + 1, request, version, "f" * 64, said)


def test_predictions_and_captures_are_one_and_none_counts_twice(
    database_url: str, db: psycopg.Connection
) -> None:
    with connect(database_url) as connection:
        assert not read_forecasts(connection, PAIR, 0, 10**9).ts.size, "no table is no forecast"
        assert captured(connection, 0, 10**9) == (0, 0)
    ts = START + WEEK
    write(database_url, [(ts, "a", 1.0), (ts + 1, "a", None), (ts + 2, "a", 3.0)])
    sink = Sink(database_url)
    sink([capture(ts, "a", 1.0, "r-1"), capture(ts, "a", 1.0, "r-2"), capture(ts, "b", 5.0, "r-3")], 0)
    sink([capture(ts + 2, "b", 6.0, "r-4")], 7)
    sink([capture(ts, "a", 9.0, "r-5")._replace(pair="gbpusd")], 0)
    sink.close()
    with connect(database_url) as connection:
        found = read_forecasts(connection, PAIR, ts, ts + 3)
        assert captured(connection, ts, ts + 3) == (5, 7)
    assert found.ts.size == 4 * len(WINDOWS)
    told = {
        (int(t) - ts, str(v)): float(p)
        for t, v, p in zip(found.ts, found.version, found.prediction, strict=True)
    }
    assert told == {(0, "a"): 1.0, (0, "b"): 5.0, (2, "a"): 3.0, (2, "b"): 6.0}
    assert np.isnan(found.low).all()
    assert set(zip(found.h.tolist(), found.w.tolist(), strict=True)) == {(h, h) for h in WINDOWS}


def test_what_came_follows_from_the_bars(market: str) -> None:
    """BQX at t + h by its definition, from the closes in the table."""
    ts = START + WEEK + 3000
    with connect(market) as connection:
        told = one(ts, 45)
        came = what_came(connection, PAIR, told, ts + 500)
        bars = connection.execute(
            "SELECT ts_utc, close FROM bqx.m1_eurusd WHERE ts_utc >= %s AND ts_utc <= %s",
            [to_datetime(ts - 60), to_datetime(ts + 45)],
        ).fetchall()
    series = pd.Series({moment: float(str(close)) for moment, close in bars}).sort_index()
    closes = series.asfreq("min").reindex(pd.date_range(end=to_datetime(ts + 45), periods=60, freq="min"))
    closes = closes.ffill(limit=5).iloc[-46:]
    assert came is not None
    found = join(told, came, ts + 500).scored
    expected = (closes.iloc[:-1] / closes.iloc[-1] - 1).sum()
    assert found.actual[0] == pytest.approx(expected, rel=1e-9)
    assert found.no_skill[0] == 0.0


def test_bars_that_were_not_loaded_are_missing_not_pending(market: str) -> None:
    end = START + WEEK + 7_199  # the last bar; two weeks later nobody has loaded more
    later = np.array([START + 2 * WEEK + 600])
    with connect(market) as connection:
        told = one(end - 100)._replace(ts=later)
        came = what_came(connection, PAIR, told, int(later[0]) + 60)
        assert counts(join(told, came, int(later[0]) + 60)) == (0, 0, 1, 0)


def test_nothing_loaded_at_all_is_missing_too(database_url: str) -> None:
    told = one(START + WEEK + 600)
    with connect(database_url) as connection:
        ensure_tables(connection, [])
        came = what_came(connection, PAIR, told, START + 2 * WEEK)
    assert came is None
    assert counts(join(told, came, START + 2 * WEEK)) == (0, 0, 1, 0)
