"""What can be tested of the stack without starting it; the rest is in test_end_to_end.py."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import psycopg2
import pytest

from include.errors import BqxError
from local import stack as module
from local.airflow import Component
from local.api import Airflow
from local.processes import Identity, launch, send, wait_gone
from local.stack import Stack
from tests.local.fake_airflow import FakeAirflow

wait_until_healthy = Stack._wait_until_healthy  # the fixture `stack` does without


def test_a_second_start_finds_the_first(stack: Stack) -> None:
    assert stack.start()
    before = stack.processes
    assert not stack.start()
    assert stack.processes == before
    assert stack.is_up


def test_a_half_dead_stack_is_started_anew(stack: Stack) -> None:
    stack.start()
    before = stack.processes
    send(before["scheduler"], signal.SIGKILL)
    assert wait_gone([before["scheduler"]], 5) == []
    assert not stack.is_up
    stack.check_alive()  # the keeper will start it again
    send(stack.processes["keeper"], signal.SIGKILL)
    assert wait_gone([stack.processes["keeper"]], 5) == []
    with pytest.raises(BqxError, match="scheduler has died"):
        stack.check_alive()
    assert stack.start()
    assert not before["api-server"].alive
    assert stack.is_up


def test_a_changed_plugin_needs_a_new_start(stack: Stack, tmp_path: Path) -> None:
    plugins = tmp_path / "bundle" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "bqx.py").write_text("a = 1\n")
    changed = dataclasses.replace(stack, root=tmp_path / "bundle")
    changed.__dict__["postgres"] = stack.postgres
    assert changed.start()
    assert not changed.start()
    (plugins / "bqx.py").write_text("a = 2\n")
    assert changed.start()


def test_the_airflow_of_another_stack_is_not_taken_for_ours(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.start()
    well = {"GET /api/v2/monitor/health": {name: {"status": "healthy"} for name in module.HEALTHY}}
    another = FakeAirflow(well)
    transport = another.client()._http._transport
    monkeypatch.setattr(Stack, "api", lambda self: Airflow(self.port, self.access, transport))
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    with pytest.raises(BqxError, match="did not become healthy"):
        wait_until_healthy(stack)
    with stack.api() as airflow, pytest.raises(BqxError, match=f"is not the Airflow of {stack.state.root}"):
        airflow.dags()
    assert all(path.startswith("GET") for path in another.paths()), "the password is not told to a stranger"
    ours = FakeAirflow(well)
    ours.access = stack.access
    monkeypatch.setattr(Stack, "api", lambda self: ours.client())
    wait_until_healthy(stack)


def test_a_port_that_is_lost_between_look_and_bind_is_exchanged(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server takes the port first; the API server, here a small one, finds it in use."""
    server = "import socketserver as s, sys; s.TCPServer(('127.0.0.1', int(sys.argv[1])), None)"
    port, free = _free_port(), _free_port()
    monkeypatch.setattr(Stack, "_wait_until_healthy", wait_until_healthy)
    monkeypatch.setattr(module, "PATIENCE", 30.0)
    others = [socket.create_server(("127.0.0.1", port))]
    try:
        monkeypatch.setattr(Stack, "_choose_port", lambda self, wanted: wanted or ports.pop(0))
        for ports, wanted in (([port] * 3, None), ([], port)):
            command = (sys.executable, "-c", server, str(port))
            monkeypatch.setattr(
                module, "components", lambda command=command: (Component("api-server", command),)
            )
            with pytest.raises(module.PortTaken, match=f"Port {port} is taken.*PORT="):
                stack.start(wanted)
            assert ports == []
        ours = FakeAirflow(
            {"GET /api/v2/monitor/health": {name: {"status": "healthy"} for name in module.HEALTHY}}
        )
        ours.access = stack.access
        monkeypatch.setattr(Stack, "api", lambda self: ours.client() if self.port == free else self.nobody())
        monkeypatch.setattr(Stack, "nobody", lambda self: Airflow(port, self.access), raising=False)
        ports = [port, free]
        commands = iter([command, ("sleep", "600")])
        tried = []

        def launch_component(self: Stack, component: Component, port: int, version: str) -> None:
            tried.append(port)
            own = next(commands) if component.name == "api-server" else component.command
            launch_before(self, component._replace(command=own), port, version)

        launch_before = Stack._launch
        monkeypatch.setattr(Stack, "_launch", launch_component)
        assert stack.start()
        assert stack.port == free
        assert tried == [port, free, free]
    finally:
        for other in others:
            other.close()


def test_a_process_that_ends_while_the_stack_starts_is_told_with_its_last_line(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('the configuration is not right')")
    monkeypatch.setattr(Stack, "_wait_until_healthy", wait_until_healthy)
    monkeypatch.setattr(module, "components", lambda: (Component("scheduler", broken),))
    with pytest.raises(BqxError, match=r"(?s)scheduler has died.*the configuration is not right"):
        stack.start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_another_port_needs_a_new_start(stack: Stack) -> None:
    stack.start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert stack.start(port)
    assert stack.port == port


def test_a_taken_port_that_was_asked_for_is_an_error(stack: Stack) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BqxError, match=f"Port {port} is taken.*PORT="):
            stack.start(port)
    assert stack.processes == {}


def test_a_taken_default_port_is_avoided(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_free", lambda port: port >= 8_085)
    stack.start()
    assert stack.port == 8_085


def test_when_every_port_is_taken_it_says_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_free", lambda port: False)
    stack.postgres.start()
    with pytest.raises(BqxError, match="Every port from 8080 to 8179"):
        stack.start()


def test_stop_does_not_hit_a_stranger_with_a_recycled_number(stack: Stack, tmp_path: Path) -> None:
    stranger = launch(["sleep", "600"], log=tmp_path / "log", environment=os.environ, folder=tmp_path)
    try:
        record = {
            "components": {"scheduler": Identity(stranger.pid, "another boot:1")},
            "port": 8_080,
            "version": "",
        }
        (stack.state.run / "processes.json").write_text(json.dumps(record))
        assert not stack.is_up
        stack.stop()
        assert stranger.alive
    finally:
        send(stranger, signal.SIGKILL)


def test_logs_of_the_last_start_are_kept(stack: Stack) -> None:
    stack.start()
    (stack.state.logs / "scheduler.log").write_text("why it died")
    stack.stop()
    stack.start()
    assert (stack.state.logs / "scheduler.previous.log").read_text() == "why it died"


def test_exports_are_complete(stack: Stack) -> None:
    stack.start()
    exports = stack.exports()
    assert {"BQX_DATABASE_URL", "AIRFLOW_HOME", "AIRFLOW_API_URL"} <= set(exports)
    assert {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} <= set(exports)
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "BQX_S3_BUCKET"} <= set(exports)
    for name, database in (("BQX_DATABASE_URL", "bqx"), ("MLFLOW_TRACKING_URI", "mlflow")):
        assert urlsplit(exports[name]).path == f"/{database}"
        assert stack.postgres.password not in exports[name], "a command would show it to everybody"
        psycopg.connect(exports[name]).close()
        psycopg2.connect(exports[name]).close()
    assert (stack.state.run / "pgpass").stat().st_mode & 0o777 == 0o600
