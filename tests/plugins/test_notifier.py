"""Callbacks write one event, and never hurt the task that they are about."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from bqx import notifier
from bqx.notifier import PATIENCE, RunEvents, TaskEvents, event_of, note_of, run_callbacks, task_callbacks

from include.errors import QualityError
from include.events import outbox
from include.storage.connection import connect

pytestmark = pytest.mark.filterwarnings("default")  # Airflow warns about itself

BEGIN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SECRET = "s3cr3t-canary"
Output = Callable[[], str]


def called(*arguments: Any, **named: Any) -> SimpleNamespace:
    """A task whose function is called with these."""

    def build(pair: str, params: dict[str, Any]) -> None:
        """Stands for what a DAG does."""

    return SimpleNamespace(python_callable=build, op_args=list(arguments), op_kwargs=named)


def context(**changes: Any) -> dict[str, Any]:
    """What Airflow hands over to the callback of a mapped task."""
    ti = SimpleNamespace(
        dag_id="bqx_features",
        task_id="pairs.s1_6_10_technical_idx.build",
        map_index=3,
        try_number=2,
        start_date=BEGIN,
        end_date=None,
        rendered_map_index=None,
    )
    task = called("eurusd", params={"months": None})
    run = SimpleNamespace(run_after=BEGIN, logical_date=None, start_date=BEGIN, end_date=None)
    dag = SimpleNamespace(dag_id="bqx_features")
    given = {"ti": ti, "task": task, "dag": dag, "dag_run": run, "run_id": "manual__1"}
    return given | changes


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("bqx.connections.database_url", lambda conn_id: database_url)
    return database_url


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A database that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"postgresql://someone:{SECRET}@127.0.0.1:{listener.getsockname()[1]}/x"


@pytest.fixture
def output(capfd: pytest.CaptureFixture[str]) -> Output:
    """What was logged since it was asked last; Airflow's loggers write past those of Python."""
    return lambda: "".join(capfd.readouterr())


def events(url: str) -> list[outbox.Event]:
    with connect(url) as connection:
        return outbox.recent(connection)


def test_a_task_is_told_with_its_pair(database: str) -> None:
    TaskEvents("running")(context())
    TaskEvents("failed")(context(exception=QualityError("eurusd: 3 findings")))
    begun, failed = events(database)
    assert begun == outbox.Event(
        dag_id="bqx_features",
        run_id="manual__1",
        task_id="pairs.s1_6_10_technical_idx.build",
        state="running",
        map_index=3,
        pair="eurusd",
        try_number=2,
        run_at=BEGIN,
        started_at=BEGIN,
    )
    assert failed.state == "failed"
    assert failed.note == "QualityError: eurusd: 3 findings"
    assert failed.ended_at is not None


def test_the_end_of_a_run_is_told_without_its_last_task(database: str) -> None:
    run_callbacks()["on_failure_callback"](context(reason="task_failure"))
    minimal = {"dag": SimpleNamespace(dag_id="bqx_load"), "run_id": "manual__2", "reason": "timed_out"}
    RunEvents("failed")(minimal)  # of a run whose tasks are gone, Airflow tells no more
    first, second = events(database)
    assert (first.dag_id, first.task_id, first.state, first.run_at) == ("bqx_features", "", "failed", BEGIN)
    assert (second.dag_id, second.task_id, second.note) == ("bqx_load", "", "timed_out")


@pytest.mark.parametrize(
    ("changes", "pair"),
    [
        ({}, "eurusd"),
        ({"task": called(pair="gbpusd")}, "gbpusd"),
        ({"task": called(), "pair": "gbpusd"}, "gbpusd"),
        ({"task": SimpleNamespace()}, ""),
        ({"task": called(pair=object())}, ""),
        ({"task": called(1, 2, 3)}, ""),
    ],
)
def test_the_pair_is_found_where_there_is_one(changes: dict[str, Any], pair: str) -> None:
    assert event_of(context(**changes), "running")["pair"] == pair


def test_a_task_that_is_not_mapped_has_no_place() -> None:
    given = context()
    given["ti"].map_index = None
    assert event_of(given, "running")["map_index"] == -1


def test_messages_of_foreign_errors_are_not_repeated() -> None:
    foreign = psycopg.OperationalError(f"password={SECRET} host=db.internal")
    assert SECRET not in note_of(foreign)
    assert "OperationalError" in note_of(foreign)
    assert SECRET not in note_of(f"killed: {SECRET}")
    assert len(note_of(QualityError("x" * 10_000))) == notifier.LONGEST


def test_every_change_of_a_task_has_a_callback() -> None:
    kinds = ("execute", "success", "failure", "retry", "skipped")
    assert set(task_callbacks()) == {f"on_{kind}_callback" for kind in kinds}


@pytest.mark.parametrize("url", ["postgresql://x@127.0.0.1:1/x", "postgresql://x@no-such-host.invalid/x"])
def test_no_database_is_no_failure(url: str, monkeypatch: pytest.MonkeyPatch, output: Output) -> None:
    monkeypatch.setattr("bqx.connections.database_url", lambda conn_id: url)
    began = time.monotonic()
    TaskEvents("success")(context())
    assert time.monotonic() - began < PATIENCE + 0.5
    assert "The event success was not written: OperationalError" in output()


def test_a_silent_database_costs_two_seconds_at_most(
    silent_server: str, monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    monkeypatch.setattr("bqx.connections.database_url", lambda conn_id: silent_server)
    began = time.monotonic()
    TaskEvents("success")(context())
    assert 1.0 < time.monotonic() - began < PATIENCE + 0.5
    said = output()
    assert "The event success was not written" in said
    assert SECRET not in said


def test_a_locked_outbox_costs_two_seconds_at_most(database: str) -> None:
    TaskEvents("running")(context())
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE bqx.events IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        TaskEvents("success")(context())
        assert time.monotonic() - began < PATIENCE + 0.5
    assert [event.state for event in events(database)] == ["running"]


@pytest.mark.parametrize("broken", [{}, {"ti": None, "run_id": "x"}, {"ti": object(), "run_id": "x"}])
def test_a_context_that_nobody_expected_is_no_failure(
    broken: dict[str, Any], database: str, output: Output
) -> None:
    TaskEvents("success")(broken)
    assert "The event success was not written" in output()


def test_an_airflow_without_the_connection_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    def absent(conn_id: str) -> str:
        raise KeyError(conn_id)

    monkeypatch.setattr("bqx.connections.database_url", absent)
    TaskEvents("success")(context())
    assert "The event success was not written: KeyError" in output()


def test_the_log_does_not_tell_the_connection(monkeypatch: pytest.MonkeyPatch, output: Output) -> None:
    monkeypatch.setattr(
        "bqx.connections.database_url", lambda conn_id: f"host=127.0.0.1 port=1 password={SECRET}"
    )
    TaskEvents("success")(context())
    said = output()
    assert "OperationalError" in said
    assert SECRET not in said


def test_events_are_plain_values() -> None:
    given = event_of(context(exception=QualityError("x")), "failed")
    json.dumps({name: str(value) for name, value in given.items()})
    outbox.Event(**given)
