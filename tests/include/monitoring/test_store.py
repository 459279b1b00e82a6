"""Every value of every run is in the table, no data included, and a run of the same moment replaces it."""

from __future__ import annotations

import psycopg

from include.monitoring.declaration import declared
from include.monitoring.store import Kept, found_by, keep
from include.monitoring.values import CRITICAL, NO_DATA, OK, WARNING, Reading
from include.names import to_datetime
from include.storage.connection import connect
from tests.include.monitoring.worlds import BUDGET, START

VALUES = declared(BUDGET)
FOUND = [
    Reading("mae_change", 0.21, "eurusd"),
    Reading("mae_change", 0.6),
    Reading("skill", 0.01, "eurusd", 15),
    Reading("skill", None, "eurusd", 30, note="Nothing came."),
    Reading("cost_of_line", 45.0, line="Training"),
]


def test_values_are_kept_with_their_level(database_url: str, db: psycopg.Connection) -> None:
    with connect(database_url) as connection:
        assert found_by(connection, START, "run 1") == []
        kept = keep(connection, VALUES, FOUND, START, "run 1")
        assert [each.level for each in kept] == [WARNING, CRITICAL, OK, NO_DATA, OK]
        assert sorted(found_by(connection, START, "run 1"), key=str) == sorted(kept, key=str)
    rows = db.execute("SELECT as_of, run, value, note FROM bqx.monitor_values WHERE horizon = 30").fetchall()
    assert rows == [(to_datetime(START), "run 1", None, "Nothing came.")]


def test_a_run_of_the_same_moment_replaces_what_it_finds_again(
    database_url: str, db: psycopg.Connection
) -> None:
    with connect(database_url) as connection:
        keep(connection, VALUES, FOUND, START, "run 1")
        keep(connection, VALUES, [Reading("mae_change", 0.1)], START, "run 2")
        keep(connection, VALUES, [Reading("skill", 0.5)], START + 240, "run 2")
        assert found_by(connection, START, "run 2") == [Kept(Reading("mae_change", 0.1), OK)]
        assert found_by(connection, START + 240, "run 2") == [Kept(Reading("skill", 0.5), OK)]
        assert len(found_by(connection, START, "run 1")) == len(FOUND) - 1
    assert db.execute("SELECT count(*) FROM bqx.monitor_values").fetchone() == (len(FOUND) + 1,)
