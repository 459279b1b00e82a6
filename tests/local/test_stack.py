"""What can be tested of the stack without starting it; the rest is in test_end_to_end.py."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from include.errors import BqxError
from local import stack as module
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
    monkeypatch.setattr(Stack, "api", lambda self: FakeAirflow(well).client())
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    with pytest.raises(BqxError, match="did not become healthy"):
        wait_until_healthy(stack)


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
    assert exports["BQX_DATABASE_URL"].endswith("/bqx")
    assert exports["MLFLOW_TRACKING_URI"].endswith("/mlflow")
    assert stack.postgres.connect("mlflow").close() is None
