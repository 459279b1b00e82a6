"""A round finds what callbacks lost, tells each thing once, and goes on whatever does not answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from include.alerts import store
from include.alerts.airflow_api import AirflowApi
from include.alerts.rounds import Sources, go_round
from include.errors import AirflowUnavailable, AlertsWaiting
from include.events.outbox import Event, post
from include.pairs import PAIRS
from include.storage.connection import Connection
from tests.alerts import AT
from tests.cloudwatch import watched

MINUTE = timedelta(minutes=1)


class Airflow(ThreadingHTTPServer):
    """Lists of Airflow's REST API over real HTTP, filtered as Airflow does.

    Attributes:
        runs, tasks, errors: what it knows.
        token: that it gives and wants.
        asked: paths so far.
        broken: status of every answer; 0 for good ones.
    """

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.token, self.broken = "token", 0
        super().__init__(("127.0.0.1", 0), Answers)

    @property
    def api(self) -> AirflowApi:
        return AirflowApi(f"http://127.0.0.1:{self.server_port}")

    def listed(self, path: str, asked: dict[str, list[str]]) -> dict[str, Any]:
        name, found = {
            "dagRuns": ("dag_runs", self.runs),
            "taskInstances": ("task_instances", self.tasks),
            "importErrors": ("import_errors", self.errors),
        }[path.rpartition("/")[2]]
        run = path.split("/")[-2]
        if name == "task_instances" and run != "~":
            found = [one for one in found if one["dag_run_id"] == run]
        if states := asked.get("state"):
            found = [one for one in found if one["state"] in states]
        if since := asked.get("end_date_gte"):
            earliest = datetime.fromisoformat(since[0])
            found = [one for one in found if datetime.fromisoformat(one["end_date"]) >= earliest]
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        return {name: found[offset : offset + limit], "total_entries": len(found)}

    def ended(self, run_id: str, state: str, minute: float, dag_id: str = "bqx_load") -> None:
        moment = (AT + minute * MINUTE).isoformat()
        times = dict.fromkeys(("run_after", "start_date", "end_date"), moment)
        self.runs.append({"dag_id": dag_id, "dag_run_id": run_id, "state": state} | times)


class Answers(BaseHTTPRequestHandler):
    """Two ways to a token, and lists for whoever shows it."""

    server: Airflow

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(parts.path)
        if self.server.broken:
            return self._say(self.server.broken, {})
        if parts.path == "/auth/token":
            return self._say(201, {"access_token": self.server.token})
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self._say(401, {})
        return self._say(200, self.server.listed(parts.path, parse_qs(parts.query)))

    def do_POST(self) -> None:
        user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = user == {"username": "viewer", "password": "hunter2"}
        self._say(201 if known else 401, {"access_token": self.server.token})

    def _say(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


class Inbox:
    """A channel that a test reads."""

    name = "mail"

    def __init__(self) -> None:
        self.messages: list[store.Message] = []
        self.down = False

    def send(self, message: store.Message) -> None:
        if self.down:
            raise TimeoutError
        self.messages.append(message)

    def told(self) -> list[str]:
        return [f"{each.stage}: {each.subject.partition(': ')[2]}" for each in self.messages]


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with Airflow() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def rounds(url: str, sources: Sources, inbox: Inbox, *minutes: float) -> dict[str, Any]:
    """A round at each of these minutes; what the last one says."""
    for minute in minutes:
        done = go_round(url, sources, [inbox], AT + minute * MINUTE)
    return done


def failing(url: str, pair: str, minute: float = 0, run_id: str = "manual__1") -> None:
    moment = AT + minute * MINUTE
    post(url, Event("bqx_features", run_id, "pairs.build", "failed", 1, pair, 1, ended_at=moment, note="why"))


def posted_at(connection: Connection) -> None:
    """Events are written now; for the rounds of a test they were written when they happened."""
    connection.execute("UPDATE bqx.events SET posted_at = ended_at")


# The outbox of callbacks


def test_28_failing_pairs_of_a_run_are_one_message(
    database_url: str, connection: Connection, inbox: Inbox
) -> None:
    for number, pair in enumerate(PAIRS):
        failing(database_url, pair, number / 10)
    posted_at(connection)
    rounds(database_url, Sources(), inbox, 1, 2, 3, 4)
    assert inbox.messages == [], "the run goes on"
    rounds(database_url, Sources(), inbox, 5, 6, 20)
    assert inbox.told() == ["opened: bqx_features failed (28 pairs)"]
    assert "pairs.build of eurusd: why" in inbox.messages[0].body


def test_events_older_than_a_day_are_not_told(
    database_url: str, connection: Connection, inbox: Inbox
) -> None:
    failing(database_url, "eurusd")
    posted_at(connection)
    rounds(database_url, Sources(), inbox, 25 * 60, 25 * 60 + 10)
    assert inbox.messages == []


# What callbacks lost


def test_what_failed_in_a_run_is_asked_where_no_callback_said_it(
    database_url: str, connection: Connection, airflow: Airflow, inbox: Inbox
) -> None:
    task = {"dag_id": "bqx_features", "task_id": "pairs.build", "try_number": 2, "state": "failed"}
    for run_id in ("manual__1", "manual__2"):
        airflow.ended(run_id, "failed", 0.5, "bqx_features")
        for place, pair in enumerate(PAIRS):
            shown = {"dag_run_id": run_id, "map_index": place, "rendered_map_index": pair}
            airflow.tasks.append(task | shown | {"end_date": AT.isoformat()})
    failing(database_url, "eurusd")
    posted_at(connection)
    rounds(database_url, Sources(airflow.api, base="http://ui"), inbox, 1, 2)
    assert sorted(inbox.told()) == [
        "opened: bqx_features failed (1 pair)",
        "opened: bqx_features failed (28 pairs)",
    ]
    (lost,) = (each for each in inbox.messages if "28 pairs" in each.subject)
    assert "pairs.build of eurusd: failed" in lost.body
    assert "http://ui/dags/bqx_features/runs/manual__2/tasks/pairs.build/mapped/0?try_number=2" in lost.body


def test_a_failed_run_without_an_event_is_found(database_url: str, airflow: Airflow, inbox: Inbox) -> None:
    airflow.ended("manual__1", "failed", 0.5)
    rounds(database_url, Sources(airflow.api, base="http://ui"), inbox, 1, 2, 3)
    assert inbox.told() == ["opened: bqx_load failed"]
    assert "Log: http://ui/dags/bqx_load/runs/manual__1" in inbox.messages[0].body


def test_a_run_that_is_cleared_and_succeeds_is_resolved(
    database_url: str, airflow: Airflow, inbox: Inbox
) -> None:
    sources = Sources(airflow.api)
    airflow.ended("manual__1", "failed", 0.5)
    rounds(database_url, sources, inbox, 1)
    airflow.runs.clear()
    airflow.ended("manual__1", "success", 9)
    rounds(database_url, sources, inbox, 10, 12, 14, 16, 18)
    assert len(inbox.messages) == 1
    rounds(database_url, sources, inbox, 20, 22)
    assert inbox.told() == ["opened: bqx_load failed", "resolved: bqx_load failed"]


def test_a_schedule_that_fails_every_time_is_one_incident(
    database_url: str, airflow: Airflow, inbox: Inbox
) -> None:
    sources = Sources(airflow.api)
    for minute in range(0, 60, 5):
        airflow.ended(f"scheduled__{minute:03}", "failed", minute, "bqx_sync")
        rounds(database_url, sources, inbox, minute + 1, minute + 3)
    assert inbox.told() == ["opened: bqx_sync failed"]
    airflow.ended("scheduled__900", "success", 60, "bqx_sync")
    rounds(database_url, sources, inbox, *range(61, 81, 2))
    assert inbox.told()[1:] == ["resolved: bqx_sync failed"]


def test_a_pipeline_is_not_told_beside_the_run_that_failed_it(
    database_url: str, airflow: Airflow, inbox: Inbox
) -> None:
    airflow.ended("manual__1", "failed", 0.5)
    airflow.ended("manual__0", "failed", 0.6, "bqx_pipeline")
    rounds(database_url, Sources(airflow.api), inbox, 1, 2, 3)
    assert inbox.told() == ["opened: bqx_load failed"]


def test_a_pipeline_that_fails_alone_is_told(database_url: str, airflow: Airflow, inbox: Inbox) -> None:
    airflow.ended("manual__0", "failed", 0.6, "bqx_pipeline")
    rounds(database_url, Sources(airflow.api), inbox, 1, 2)
    assert inbox.told() == ["opened: bqx_pipeline failed"]


def test_deadlines_stuck_tasks_and_broken_files_come_and_go(
    database_url: str, airflow: Airflow, inbox: Inbox
) -> None:
    old = (AT - timedelta(days=3)).isoformat()
    run = {"dag_id": "bqx_load", "dag_run_id": "m", "state": "running", "run_after": old, "start_date": old}
    task = {"dag_id": "bqx_load", "dag_run_id": "m", "task_id": "t", "map_index": -1, "try_number": 1}
    airflow.runs.append(run | {"end_date": old})
    airflow.tasks.append(task | {"state": "running", "start_date": old, "queued_when": old})
    airflow.errors.append({"filename": "dags/x.py", "bundle_name": "b", "stack_trace": "SyntaxError: x"})
    sources = Sources(airflow.api)
    rounds(database_url, sources, inbox, 0, 2, 4)
    begun = {"bqx_load has not ended after 4 h", "bqx_load: a task is stuck", "dags/x.py cannot be parsed"}
    assert sorted(inbox.told()) == sorted(f"opened: {each}" for each in begun)
    for known in (airflow.runs, airflow.tasks, airflow.errors):
        known.clear()
    rounds(database_url, sources, inbox, 6, 8, 16, 18)
    assert sorted(inbox.told()[3:]) == sorted(f"resolved: {each}" for each in begun)


def test_long_lists_are_read_to_their_end(airflow: Airflow) -> None:
    for number in range(250):
        airflow.ended(f"manual__{number}", "failed", 0)
    assert len(airflow.api.ended_runs(AT)) == 250
    assert airflow.asked.count("/auth/token") == 1


@pytest.mark.parametrize(
    ("login", "password", "let_in"),
    [
        ("", "", True),
        ("viewer", "hunter2", True),
        ("", "token", True),
        ("viewer", "x", False),
        ("", "x", False),
    ],
)
def test_airflow_lets_in_who_shows_a_token(airflow: Airflow, login: str, password: str, let_in: bool) -> None:
    client = AirflowApi(f"http://127.0.0.1:{airflow.server_port}/", login, password)
    if let_in:
        assert client.import_errors() == []
        return
    with pytest.raises(AirflowUnavailable, match="status 401: the user") as error:
        client.import_errors()
    assert "hunter2" not in str(error.value)


# CloudWatch


def test_an_alarm_that_is_on_is_an_incident(database_url: str, tmp_path: Path, inbox: Inbox) -> None:
    with watched(tmp_path) as watch:
        watch.alarm(
            "bqx-cost-critical", MetricName="cost", Threshold=400, ComparisonOperator="GreaterThanThreshold",
            AlarmDescription="critical: Cost is above 400. What to do: docs/runbooks/cost.md",
        )  # fmt: skip
        sources = Sources(cloudwatch=watch.client, alarms="bqx-")
        watch.put(500.0, name="cost")
        watch.clock.turn(60)
        watch.evaluate()
        rounds(database_url, sources, inbox, 0, 2)
        assert inbox.told() == ["opened: Cost is above 400"]
        assert "docs/runbooks/cost.md" in inbox.messages[0].body
        watch.put(10.0, name="cost")
        watch.clock.turn(60)
        watch.evaluate()
        rounds(database_url, sources, inbox, 4, 14)
        assert inbox.told()[1:] == ["resolved: Cost is above 400"]


# Nothing keeps a round from the rest


def test_a_source_that_does_not_answer_changes_no_incident_and_is_told_itself(
    database_url: str, airflow: Airflow, inbox: Inbox
) -> None:
    airflow.errors.append({"filename": "dags/x.py", "bundle_name": "b", "stack_trace": ""})
    sources = Sources(airflow.api)
    rounds(database_url, sources, inbox, 0)
    airflow.broken = 503
    airflow.ended("manual__1", "failed", 3)
    rounds(database_url, sources, inbox, *range(2, 30, 2))
    assert inbox.told() == ["opened: dags/x.py cannot be parsed", "opened: bqx_alert cannot read Airflow"]
    airflow.broken = 0
    rounds(database_url, sources, inbox, 31)
    assert len(inbox.messages) == 2


def test_messages_that_wait_too_long_fail_the_round_and_nothing_else(
    database_url: str, connection: Connection, airflow: Airflow, inbox: Inbox
) -> None:
    airflow.ended("manual__1", "failed", 0.5)
    inbox.down = True
    done = rounds(database_url, Sources(airflow.api), inbox, 1, 10)
    assert (done["waiting"], done["problems"]) == (1, {"mail": "TimeoutError"})
    with pytest.raises(AlertsWaiting, match=r"Messages wait since .* 04:01 UTC: 1 \(mail: TimeoutError\)"):
        rounds(database_url, Sources(airflow.api), inbox, 17)
    assert store.last_round(connection) == AT + 17 * MINUTE
    inbox.down = False
    assert rounds(database_url, Sources(airflow.api), inbox, 18)["sent"] == 1
    assert inbox.told() == ["opened: bqx_load failed"]


def test_without_a_channel_incidents_are_kept(
    database_url: str, connection: Connection, airflow: Airflow, caplog: pytest.LogCaptureFixture
) -> None:
    airflow.ended("manual__1", "failed", 0.5)
    done = go_round(database_url, Sources(airflow.api), [], AT + MINUTE)
    assert done["waiting"] == 0
    assert len(store.open_incidents(connection)) == 1
    assert "Nobody is told" in caplog.text
