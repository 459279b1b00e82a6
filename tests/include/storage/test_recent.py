"""The newest bars of several pairs in one statement are those that reading months gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from include.errors import MissingInput
from include.features.bars import Bars
from include.storage.bars import read_bars
from include.storage.connection import Connection, connect
from include.storage.recent import Asked, read_newest
from tests.include.storage.samples import sample_bars, store
from tests.include.storage.test_bars import ORIGIN, START

PAIRS = ("eurusd", "gbpusd", "usdjpy")


@pytest.fixture
def bars(database_url: str) -> dict[str, Bars]:
    found = {pair: sample_bars(seed) for seed, pair in enumerate(PAIRS)}
    for pair, one in found.items():
        store(database_url, pair, one)
    return found


@pytest.fixture
def connection(database_url: str, bars: dict[str, Bars]) -> Iterator[Connection]:
    with connect(database_url) as opened:
        yield opened


def assert_equal(one: Bars, other: Bars) -> None:
    for name in Bars.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_each_pair_gives_as_many_bars_as_were_asked_for(
    connection: Connection, bars: dict[str, Bars]
) -> None:
    end = int(bars["eurusd"].ts[9000]) + 1
    found = read_newest(connection, {"gbpusd": Asked(100), "eurusd": Asked(5000)}, end)
    assert list(found) == ["gbpusd", "eurusd"]
    for pair, rows in (("gbpusd", 100), ("eurusd", 5000)):  # 5,000 reach over a hole of weeks
        assert_equal(found[pair].bars, read_bars(connection, pair, end, end, before=rows))
        assert len(found[pair].bars) == rows
        assert not found[pair].all_there_are


def test_a_pair_with_fewer_bars_gives_all_and_says_so(connection: Connection, bars: dict[str, Bars]) -> None:
    end = int(bars["eurusd"].ts[50]) + 1
    found = read_newest(connection, {"eurusd": Asked(51), "gbpusd": Asked(3000)}, end)
    assert_equal(found["eurusd"].bars, bars["eurusd"].slice(0, end))
    assert_equal(found["gbpusd"].bars, bars["gbpusd"].slice(0, end))
    assert (found["eurusd"].all_there_are, found["gbpusd"].all_there_are) == (False, True)


def test_closes_alone_stand_for_the_other_prices(connection: Connection, bars: dict[str, Bars]) -> None:
    end = int(bars["eurusd"].ts[500]) + 1
    found = read_newest(connection, {"eurusd": Asked(20, closes_only=True), "gbpusd": Asked(20)}, end)
    closes = bars["eurusd"].close[481:501]
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(found["eurusd"].bars, name), closes)
    assert np.isnan(found["eurusd"].bars.volume).all()
    assert np.isfinite(found["gbpusd"].bars.volume).all()


def test_nothing_is_asked_for(connection: Connection) -> None:
    assert read_newest(connection, {}, 0) == {}


def test_a_pair_without_a_table_is_said(connection: Connection) -> None:
    with pytest.raises(MissingInput, match=r"bqx\.m1_audusd does not exist"):
        read_newest(connection, {"eurusd": Asked(1), "audusd": Asked(1)}, START)


def test_the_layout_of_the_origin_is_read_in_place(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(ORIGIN)
        found = read_newest(connection, {"eurusd": Asked(5)}, START + 6)["eurusd"]
        assert_equal(found.bars, read_bars(connection, "eurusd", START + 1, START + 6))


def test_a_bar_that_cannot_be_is_named(connection: Connection, bars: dict[str, Bars]) -> None:
    connection.execute(
        "UPDATE bqx.m1_eurusd SET high = NULL WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.m1_eurusd)"
    )
    end = int(bars["eurusd"].ts[-1]) + 1
    with pytest.raises(MissingInput, match="its high is NULL"):
        read_newest(connection, {"eurusd": Asked(3)}, end)
    assert len(read_newest(connection, {"eurusd": Asked(3, closes_only=True)}, end)["eurusd"].bars) == 3
