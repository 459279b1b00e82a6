"""The session with PostgreSQL: found again when lost, and never waited for longer than a request may."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from include.serving.api import database as module
from include.serving.api.database import Database
from include.serving.api.problems import Problem
from include.storage.connection import Connection
from tests.include.serving.api.fakes import World, ask, served


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


def number(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_connection_is_kept_and_can_only_read(database: Database, db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE kept (a INT)")
    assert database.read(number) == database.read(number)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        database.read(lambda connection: connection.execute("INSERT INTO kept VALUES (1)"))
    zone = database.read(lambda connection: connection.execute("SHOW TimeZone").fetchone())
    assert zone == ("UTC",)


def test_a_connection_that_was_lost_is_opened_again(database: Database, db: psycopg.Connection) -> None:
    first = database.read(number)
    db.execute("SELECT pg_terminate_backend(%s)", [first])
    time.sleep(0.2)
    assert database.read(number) != first


def test_a_statement_has_a_time_limit_and_the_session_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STATEMENT", 200)
    first = database.read(number)
    began = time.monotonic()
    with pytest.raises(Problem) as caught:
        database.read(lambda connection: connection.execute("SELECT pg_sleep(10)"))
    assert (caught.value.status, caught.value.code) == (503, "database_unavailable")
    assert time.monotonic() - began < 2
    assert database.read(number) == first


def test_what_waits_is_cut_off_from_outside(database: Database) -> None:
    first = database.read(number)
    timer = threading.Timer(0.3, database.cut)
    timer.start()
    began = time.monotonic()
    calls = []

    def wait(connection: Connection) -> object:
        calls.append(1)
        return connection.execute("SELECT pg_sleep(10)")

    with pytest.raises(Problem) as caught:
        database.read(wait)
    timer.join()
    assert caught.value.code == "database_unavailable"
    assert time.monotonic() - began < 1.4
    assert calls == [1]  # nobody waits for a second try
    assert database.read(number) != first


def test_a_database_that_is_not_there(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = Database(f"postgresql://bqx:secret@127.0.0.1:{port}/bqx")
    began = time.monotonic()
    with pytest.raises(Problem) as caught:
        nobody.read(number)
    assert caught.value.status == 503
    assert "secret" not in caught.value.message
    assert time.monotonic() - began < 1


def test_a_database_that_is_silent_is_a_503_within_two_seconds_for_everybody() -> None:
    """It takes connections and says nothing: more requests than there are threads."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = f"postgresql://bqx:secret@127.0.0.1:{silent.getsockname()[1]}/bqx"
        world = World()

        def newest(connection: Connection, *_: object) -> None:
            connection.execute("SELECT 1")

        world.newest = newest  # type: ignore[assignment]
        with served(world, threads=2, sessions=lambda: Database(address)) as url:
            told: list[tuple[int, float]] = []

            def one() -> None:
                began = time.monotonic()
                answer = ask(url)
                told.append((answer.status_code, time.monotonic() - began))

            threads = [threading.Thread(target=one) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert [status for status, _ in told] == [503] * 6
    assert max(seconds for _, seconds in told) < 2.3
