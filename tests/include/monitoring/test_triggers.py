"""A drift asks for a retraining once, not every four hours as long as it lasts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from include.errors import NothingToDo
from include.monitoring.declaration import declared
from include.monitoring.store import keep
from include.monitoring.triggers import asking
from include.monitoring.values import Reading
from include.storage.connection import Connection, connect
from tests.include.monitoring.worlds import BUDGET, START

VALUES = declared(BUDGET)
HOURS = 60


def found(connection: Connection, hours: int, *readings: Reading) -> dict[str, list[str]]:
    """What asks for a retraining in a run of the monitor that finds this; nothing if nothing does."""
    moment = START + hours * HOURS
    keep(connection, VALUES, readings, moment, f"run {hours}")
    try:
        return dict(asking(connection, moment)["values"])
    except NothingToDo:
        return {}


@pytest.mark.parametrize(
    ("reading", "asks"),
    [
        (Reading("mae_change", 0.201, "eurusd"), True),
        (Reading("mae_change", 0.199, "eurusd"), False),
        (Reading("mae_change", None, "eurusd"), False),
        (Reading("mae_change", 0.9), False),  # of all pairs: its pair has a value of its own
        (Reading("r2_drop", 0.051, "eurusd"), True),
        (Reading("feature_drift", 0.31, "eurusd"), True),
        (Reading("feature_drift", 0.29, "eurusd"), False),
        (Reading("prediction_shift", 9.0, "eurusd"), False),
        (Reading("skill", -1.0, "eurusd", 15), False),
    ],
)
def test_what_asks(database_url: str, reading: Reading, asks: bool) -> None:
    with connect(database_url) as connection:
        assert found(connection, 0, reading) == ({reading.name: [reading.pair]} if asks else {})


def beyond(*pairs: str) -> Sequence[Reading]:
    return [Reading("mae_change", 0.3, pair) for pair in pairs]


def test_it_asks_again_after_five_days_without(database_url: str) -> None:
    with connect(database_url) as connection:
        assert found(connection, 0, *beyond("eurusd", "gbpusd")) == {"mae_change": ["eurusd", "gbpusd"]}
        for hours in (4, 8, 100):
            assert found(connection, hours, *beyond("eurusd")) == {}, "it lasts"
        assert found(connection, 104, Reading("mae_change", 0.0, "eurusd")) == {}
        assert found(connection, 100 + 119, *beyond("gbpusd")) == {}
        assert found(connection, 100 + 119 + 121, *beyond("gbpusd")) == {"mae_change": ["gbpusd"]}
