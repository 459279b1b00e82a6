"""The watchdog tells from outside that Airflow or its database is silent: once, and when it is over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from include.alerts import store, watchdog
from include.alerts.channels import Mail, Ses, Smtp, Topic
from include.alerts.policy import GROUP_WAIT
from include.alerts.watchdog import Kept, Memory, channels_of, look, send, step
from include.storage.connection import Connection
from local.mail.smtp import Server
from local.s3.server import KEY_ID
from local.services import REGION, TOPIC
from tests.alerts import AT, PEOPLE, mail, published, subjects
from tests.sagemaker import Aws

ROOT = Path(__file__).resolve().parents[3]
MINUTE = timedelta(minutes=1)
WELL = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor")}


class Health(ThreadingHTTPServer):
    """What Airflow says of its components.

    Attributes:
        told: the answer.
    """

    def __init__(self) -> None:
        self.told: dict[str, dict[str, str | None]] = {**WELL, "triggerer": {"status": None}}
        super().__init__(("127.0.0.1", 0), Answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """One path alone."""

    server: Health

    def do_GET(self) -> None:
        body = json.dumps(self.server.told).encode()
        self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def health() -> Iterator[Health]:
    with Health() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def looks(kept: Kept, minutes: range, silent: list[str]) -> Kept:
    for minute in minutes:
        kept = step(kept, silent, AT + minute * MINUTE, ["sns", "mail"])
    return kept


def told(kept: Kept) -> list[tuple[str, str]]:
    return [(channel, message.stage) for channel, message in kept.waiting]


# What is silent


def test_where_all_is_well_nothing_is_silent(health: Health) -> None:
    assert look({"AIRFLOW_API_URL": health.url}, AT) == []
    assert look({}, AT) == []


@pytest.mark.parametrize("name", [*WELL, "triggerer"])
def test_every_component_is_missed(health: Health, name: str) -> None:
    health.told[name] = {"status": "unhealthy"}
    assert look({"AIRFLOW_API_URL": health.url}, AT) == [f"{name} is not healthy"]


def test_an_api_server_that_is_gone_is_missed(health: Health) -> None:
    assert look({"AIRFLOW_API_URL": "http://127.0.0.1:1"}, AT) == [
        "the API server does not answer (ConnectionError)"
    ]
    assert look({"AIRFLOW_API_URL": f"{health.url}/elsewhere"}, AT) == [
        "the API server does not answer (HTTPError)"
    ]


def test_rounds_that_do_not_come_are_missed(database_url: str, connection: Connection) -> None:
    environment = {"BQX_DATABASE_URL": database_url}
    assert look(environment, AT) == [], "bqx_alert was never switched on"
    store.set_round(connection, AT)
    assert look(environment, AT + watchdog.LATE) == []
    assert look(environment, AT + watchdog.LATE + MINUTE) == [
        "bqx_alert has not run since 2026-03-02 04:00 UTC"
    ]
    connection.execute("DROP SCHEMA bqx CASCADE")
    assert look(environment, AT) == []


def test_a_database_that_is_gone_is_missed_without_its_password() -> None:
    found = look({"BQX_DATABASE_URL": "postgresql://bqx:hunter2@127.0.0.1:1/x"}, AT)
    assert found == ["the database does not answer (OperationalError)"]


# When people are told


def test_a_restart_is_not_told() -> None:
    kept = looks(Kept(), range(4), ["scheduler is not healthy"])
    assert looks(kept, range(4, 60), []).waiting == ()


def test_all_that_is_silent_is_one_incident_that_ends() -> None:
    kept = looks(Kept(), range(3), ["scheduler is not healthy"])
    kept = looks(kept, range(3, 40), ["scheduler is not healthy", "the database does not answer"])
    assert told(kept) == [("sns", "opened"), ("mail", "opened")]
    body = kept.waiting[0][1].body
    assert "- scheduler is not healthy\n- the database does not answer" in body
    kept = looks(kept, range(40, 60), [])
    assert told(kept)[2:] == [("sns", "resolved"), ("mail", "resolved")]
    assert len({message.alert_id for _, message in kept.waiting}) == 1
    assert kept.current is None


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "new" / "watchdog.json")
    assert memory.read() == Kept()
    kept = looks(Kept(), range(10), ["scheduler is not healthy"])
    memory.write(kept)
    assert memory.read() == kept
    over = looks(kept, range(10, 30), [])
    memory.write(over)
    assert memory.read() == over


def test_two_watchdogs_do_not_look_at_once(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "watchdog.json")
    with memory.alone() as first, memory.alone() as second:
        assert (first, second) == (True, False)


# Delivery


def test_a_channel_that_is_down_keeps_its_message(tmp_path: Path, postman: Server, inbox: Path) -> None:
    memory = Memory(tmp_path / "watchdog.json")
    kept = memory.write(looks(Kept(), range(10), ["scheduler is not healthy"]))
    channels = [replace(mail(1), name="sns"), mail(postman.server_port)]
    kept = send(memory, kept, channels)
    assert told(kept) == told(memory.read()) == [("sns", "opened")]
    send(memory, kept, channels)
    assert len(subjects(inbox)) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from include.alerts.watchdog import Memory, send
from tests.alerts import mail

class Killed:
    name = "mail"

    def send(self, message):
        mail(int(sys.argv[2])).send(message)
        os.kill(os.getpid(), signal.SIGKILL)

memory = Memory(Path(sys.argv[1]))
send(memory, memory.read(), [Killed()])
"""


def test_a_killed_watchdog_doubles_one_message(tmp_path: Path, postman: Server, inbox: Path) -> None:
    memory = Memory(tmp_path / "watchdog.json")
    memory.write(step(looks(Kept(), range(10), ["x"]), ["x"], AT, ["mail"]))
    words = [sys.executable, "-c", KILLED, str(tmp_path / "watchdog.json"), str(postman.server_port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    send(memory, memory.read(), [mail(postman.server_port)])
    send(memory, memory.read(), [mail(postman.server_port)])
    first, second = subjects(inbox)
    assert first == second


def test_the_command_tells_by_topic_and_mail(
    health: Health, aws: Aws, postman: Server, inbox: Path, tmp_path: Path
) -> None:
    health.told["scheduler"] = {"status": "unhealthy"}
    state = tmp_path / "watchdog.json"
    begun = datetime.now(UTC) - GROUP_WAIT
    Memory(state).write(step(Kept(), ["scheduler is not healthy"], begun, []))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_API_URL": health.url,
        "BQX_ALERT_TOPIC": TOPIC,
        "BQX_MAIL_TO": ", ".join(PEOPLE.recipients),
        "BQX_MAIL_FROM": PEOPLE.sender,
        "BQX_SMTP_URL": f"smtp://127.0.0.1:{postman.server_port}?starttls=no",
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
    }
    words = [sys.executable, "-m", "include.alerts.watchdog", "--state", str(state)]
    for _ in range(2):
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
    (subject,) = subjects(inbox)
    assert subject.endswith("Critical: Airflow is silent")
    assert [each["Subject"] for each in published(aws)] == [subject]


def test_the_environment_says_who_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert channels_of({}) == []
    by_ses, by_smtp = (
        channels_of({"BQX_ALERT_TOPIC": TOPIC, "BQX_MAIL_TO": "a@x, b@x"} | more)
        for more in ({}, {"BQX_SMTP_URL": "smtps://me:a%40b@mail.example"})
    )
    assert isinstance(by_ses[0], Topic)
    assert isinstance(by_ses[1], Mail)
    assert isinstance(by_ses[1].carrier, Ses)
    assert by_ses[1].addresses.recipients == ("a@x", "b@x")
    assert isinstance(by_smtp[1], Mail)
    assert by_smtp[1].carrier == Smtp("mail.example", 465, "me", "a@b", tls=True)
    assert "a@b" not in repr(by_smtp[1])


def test_without_a_file_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BQX_WATCHDOG_STATE", raising=False)
    with pytest.raises(SystemExit):
        watchdog.main([])
    assert "--state or BQX_WATCHDOG_STATE" in capsys.readouterr().err
