"""The outbox: one statement, safe to start from nothing, marked only once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from include.events import outbox
from include.events.outbox import Event, post
from include.storage.connection import connect

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int = 0, **changes: object) -> Event:
    given = {"dag_id": "d", "run_id": f"r{number}", "task_id": "t", "state": "success"}
    return Event(**given | {"run_at": BEGIN + timedelta(days=number)} | changes)


def test_the_first_event_makes_schema_and_table(database_url: str) -> None:
    told = event(map_index=2, pair="eurusd", try_number=1, started_at=BEGIN, ended_at=BEGIN, note="why")
    post(database_url, told)
    with connect(database_url) as connection:
        assert outbox.recent(connection) == [told]


def test_many_first_events_at_once(database_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: post(database_url, event(number)), range(8)))
    with connect(database_url) as connection:
        assert len(outbox.waiting(connection)) == 8


def test_an_event_is_one_statement(database_url: str, db: psycopg.Connection) -> None:
    post(database_url, event())
    with connect(database_url) as connection:
        before = outbox.waiting(connection)
    post(database_url, event())
    with connect(database_url) as connection:
        assert len(outbox.waiting(connection)) == len(before) + 1
    source = (outbox.statement("events/post").as_string(db)).strip()
    assert source.count(";") == 1


def test_what_is_marked_does_not_wait_and_is_not_marked_again(database_url: str) -> None:
    for number in range(3):
        post(database_url, event(number))
    with connect(database_url) as connection:
        ids = outbox.waiting(connection)
        assert outbox.mark_drained(connection, ids[:2]) == 2
        assert outbox.waiting(connection) == ids[2:]
        assert outbox.mark_drained(connection, ids) == 1
        assert outbox.mark_drained(connection, ids) == 0


def test_marking_does_not_wait_for_another_session(database_url: str) -> None:
    for number in range(3):
        post(database_url, event(number))
    with psycopg.connect(database_url) as other, connect(database_url) as connection:
        ids = outbox.waiting(connection)
        other.execute("SELECT 1 FROM bqx.events WHERE event_id = %s FOR UPDATE", [ids[0]])
        connection.execute("SET statement_timeout = '2s'")
        assert outbox.mark_drained(connection, ids) == 2


def test_marking_goes_in_batches(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    for number in range(5):
        post(database_url, event(number))
    with connect(database_url) as connection:
        assert outbox.mark_drained(connection, outbox.waiting(connection)) == 5


def test_only_the_newest_runs_are_read_and_every_run_stays_known(database_url: str) -> None:
    for number in (3, 0, 2, 1):  # in any order
        post(database_url, event(number, state="running"))
        post(database_url, event(number))
    with connect(database_url) as connection:
        assert {one.run_id for one in outbox.recent(connection, 2)} == {"r2", "r3"}
        assert outbox.forget(connection, 2) == 0  # the plan does not know them yet
        outbox.mark_drained(connection, outbox.waiting(connection))
        assert outbox.forget(connection, 2) == 2
        assert len(outbox.recent(connection)) == 6
    assert outbox.known_runs(database_url) == {
        "d": {f"r{number}": (BEGIN + timedelta(days=number)).isoformat() for number in range(4)}
    }


def test_an_event_that_does_not_know_when_its_run_was_due_changes_no_order(database_url: str) -> None:
    post(database_url, event(1))
    post(database_url, event(2))
    post(database_url, event(1, run_at=None, task_id="", state="failed"))  # Airflow told little of the run
    with connect(database_url) as connection:
        assert {one.run_id for one in outbox.recent(connection, 1)} == {"r2"}
    assert outbox.known_runs(database_url)["d"]["r1"] == (BEGIN + timedelta(days=1)).isoformat()


def test_nothing_is_known_of_an_empty_database(database_url: str) -> None:
    assert outbox.known_runs(database_url) == {}


def test_no_database_is_told_soon() -> None:
    with pytest.raises(psycopg.OperationalError):
        post("postgresql://x@127.0.0.1:1/x", event())


def test_a_killed_session_leaves_whole_events_or_none(database_url: str) -> None:
    script = (
        "import sys\nfrom include.events.outbox import Event, post\n"
        "for number in range(10**6):\n    post(sys.argv[1], Event('d', f'r{number}', 't', 'success'))\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, database_url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(5)]
        process.kill()
        rest = process.stdout.read().split()
    with connect(database_url) as connection:
        stored = len(outbox.waiting(connection))
    said = len(told) + len(rest)
    assert said <= stored <= said + 1
