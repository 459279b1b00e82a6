"""Now is the wall clock or the end of the last bar, and data that is too old for it is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from include.errors import BadParameter, MissingInput, StaleInput
from include.features.bars import Bars
from include.names import Month
from include.serving import clock
from include.storage.connection import Connection, connect
from tests.include.storage.samples import store

FIRST = Month(2024, 7).first_minute


def bars(*minutes: int) -> Bars:
    price = np.full(len(minutes), 1.1)
    return Bars(np.array(minutes) + FIRST, price, price, price, price, price, price * 1e-5)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Eurusd has a bar until minute 10, gbpusd until 30."""
    store(database_url, "eurusd", bars(0, 1, 2, 10))
    store(database_url, "gbpusd", bars(0, 30))
    with connect(database_url) as opened:
        yield opened


def test_the_data_end_where_those_of_the_first_pair_do(connection: Connection) -> None:
    assert clock.as_of(connection, "last_bar") == FIRST + 11, "a bar ends a minute after its label"


def test_a_pair_whose_bars_are_gone_is_named(connection: Connection) -> None:
    connection.execute("DELETE FROM bqx.m1_gbpusd")
    with pytest.raises(MissingInput, match="gbpusd has no bars"):
        clock.as_of(connection, "last_bar")


def test_now_is_the_last_full_minute(connection: Connection) -> None:
    assert clock.as_of(connection, "now", wall=lambda: 60.0 * FIRST + 59.9) == FIRST
    assert clock.as_of(connection, "now", wall=lambda: 60.0 * FIRST + 60.0) == FIRST + 1


def test_another_mode_is_refused(connection: Connection) -> None:
    with pytest.raises(BadParameter, match="now or last_bar, not 'yesterday'"):
        clock.as_of(connection, "yesterday")


@pytest.mark.parametrize(
    ("pair", "moment", "row"),
    [
        ("eurusd", 3, 2),  # a bar is known when it is over
        ("eurusd", 2, 1),
        ("eurusd", 6, 5),  # filled
        ("eurusd", 10, 7),  # five filled minutes, no more
        ("eurusd", 200, 15),
        ("gbpusd", 200, 30),  # nothing is filled behind the watermark
    ],
)
def test_the_newest_row_that_is_known(connection: Connection, pair: str, moment: int, row: int) -> None:
    assert clock.newest_row(connection, pair, FIRST + moment, 1000) == FIRST + row


def test_a_row_that_is_too_old_is_refused(connection: Connection) -> None:
    assert clock.newest_row(connection, "eurusd", FIRST + 26, 10) == FIRST + 15
    with pytest.raises(
        StaleInput, match=r"that of 2024-07-01 00:15 UTC. It was over 11 minutes before 2024-07"
    ):
        clock.newest_row(connection, "eurusd", FIRST + 27, 10)


def test_a_pair_without_bars_is_said(connection: Connection) -> None:
    with pytest.raises(MissingInput, match="eurusd has no bar before 2024-07-01 00:00 UTC"):
        clock.newest_row(connection, "eurusd", FIRST, 10)
