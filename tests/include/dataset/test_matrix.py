"""The matrix of a month equals what the engine says over the whole history, row by row."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from include.build.chunks import Chunk, read_chunk
from include.build.months import build
from include.build.shared import build_shared
from include.dataset import targets
from include.dataset.matrix import FEATURES, ahead, read_matrix
from include.errors import BadParameter, Incomplete
from include.features.catalogue import CATALOGUE, STORED
from include.features.engine import compute
from include.features.xpair import Related, related_pairs
from include.names import Month
from include.storage.connection import Connection, connect
from tests.include.storage.samples import sample_bars, store

PAIR = "eurgbp"
LOADED = (PAIR, "eurusd", "gbpusd", "eurjpy")  # majors are missing: what needs the dollar grid is NULL
MONTH = Month(2024, 3)


@pytest.fixture(scope="module")
def url(postgres) -> Iterator[str]:
    name = "matrix_" + PAIR
    postgres.create_database(name)
    target = postgres.url(name)
    for seed, pair in enumerate(LOADED):
        store(target, pair, sample_bars(seed, days_around=3, months=3))
    build_shared(target)
    build(target, PAIR, list(STORED))
    yield target
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with connect(url) as opened:
        yield opened


def everything(connection: Connection, pair: str) -> Chunk:
    """All bars of a pair as one chunk."""
    return read_chunk(connection, pair, Month(2024, 5), 10**6)


def test_all_730_columns_come_in_the_order_of_the_catalogue(connection: Connection) -> None:
    matrix = read_matrix(connection, PAIR, MONTH)
    assert tuple(matrix.features) == FEATURES
    assert len(FEATURES) == 730
    assert len(matrix.ts) > 5000
    columns = (*matrix.features.values(), *matrix.base.values(), *matrix.targets.values())
    assert {values.shape for values in columns} == {matrix.ts.shape}
    assert (len(matrix.base), len(matrix.targets)) == (13, 25)


def test_computed_columns_are_those_of_the_whole_history(connection: Connection) -> None:
    matrix = read_matrix(connection, PAIR, MONTH)
    whole = everything(connection, PAIR)
    related = Related({p: everything(connection, p).series for p in related_pairs(PAIR) if p in LOADED})
    own = np.isin(whole.grid.ts, matrix.ts)
    for family in (family for family in CATALOGUE if not family.stored):
        wanted = compute(family.name, whole.series, pair=PAIR, related=related)
        for column in family.columns:
            np.testing.assert_allclose(
                matrix.features[column.full_name], wanted[column.name][own], rtol=1e-9, atol=1e-12
            )


def test_targets_look_into_the_next_month_and_nothing_else_does(connection: Connection) -> None:
    matrix = read_matrix(connection, PAIR, MONTH)
    whole = everything(connection, PAIR)
    own = np.isin(whole.grid.ts, matrix.ts)
    for found, wanted in (
        (matrix.targets, targets.raw_targets(whole.series)),
        (matrix.base, targets.base_columns(whole.series)),
    ):
        for name, values in found.items():
            np.testing.assert_array_equal(values, wanted[name][own], err_msg=name)
    last = matrix.targets["target__w15_h75"][-30:]
    assert np.isfinite(last).all(), "the last half hour of a month has targets in the next one"


def test_stored_columns_are_those_of_the_tables(connection: Connection) -> None:
    name = "technical_idx__rsi_14"
    matrix = read_matrix(connection, PAIR, MONTH, [name])
    assert list(matrix.features) == [name]
    first, end = (f"{month}-01 00:00+00" for month in (MONTH, MONTH.next))
    rows = connection.execute(
        f"SELECT rsi_14 FROM bqx.technical_idx_{PAIR} WHERE ts_utc >= %s AND ts_utc < %s ORDER BY ts_utc",
        [first, end],
    )
    np.testing.assert_array_equal(matrix.features[name], [value for (value,) in rows])


def test_an_unknown_feature_is_refused(connection: Connection) -> None:
    with pytest.raises(BadParameter, match="target__w15_h15"):
        read_matrix(connection, PAIR, MONTH, ["target__w15_h15"])


def test_a_lost_row_stops_the_matrix_and_names_the_table(connection: Connection) -> None:
    lost = "ts_utc = '2024-03-02 12:00+00'"
    connection.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM bqx.fibonacci_bqx_{PAIR} WHERE {lost}")
    connection.execute(f"DELETE FROM bqx.fibonacci_bqx_{PAIR} WHERE {lost}")
    try:
        with pytest.raises(Incomplete, match=f"fibonacci_bqx_{PAIR} has .* rows in 2024-03"):
            read_matrix(connection, PAIR, MONTH)
    finally:
        connection.execute(f"INSERT INTO bqx.fibonacci_bqx_{PAIR} SELECT * FROM kept")


def test_months_come_in_order_although_two_are_read_at_once(url: str) -> None:
    second_is_read = threading.Event()
    sessions = set()

    def read(connection: Connection, month: Month) -> Month:
        sessions.add(connection.info.backend_pid)
        if month == MONTH:
            assert second_is_read.wait(60)
        second_is_read.set()
        return month

    months = [MONTH, MONTH.next, MONTH.next.next]
    assert list(ahead(url, read, months)) == months
    assert len(sessions) == 2


def test_a_month_that_cannot_be_read_comes_after_those_before_it(url: str) -> None:
    def read(connection: Connection, month: Month) -> Month:
        if month == MONTH.next:
            raise Incomplete("lacks rows")
        return month

    found = ahead(url, read, [MONTH, MONTH.next, MONTH.next.next])
    assert next(found) == MONTH
    with pytest.raises(Incomplete, match="lacks rows"):
        next(found)
