"""A stack whose Airflow does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import services
from local import stack as module
from local.airflow import Component
from local.postgres import Postgres
from local.stack import Stack
from local.state import State


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Real stand-ins and a real server; the components only sleep, and their Airflow is always well."""
    state = State(tmp_path / "state")
    state.create()
    stack = Stack(state, say=lambda text: None)
    stack.__dict__["postgres"] = Postgres(state.postgres, durable=False)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(21_000 + 100 * worker, 21_100 + 100 * worker)  # nobody takes them while we are stopped
    monkeypatch.setattr(services, "PORTS", ports)
    sleepers = tuple(Component(name, ("sleep", "600")) for name in ("api-server", "scheduler"))
    monkeypatch.setattr(module, "components", lambda: sleepers)
    monkeypatch.setattr(Stack, "_keeper", Component("keeper", ("sleep", "600")))  # tests look by themselves
    monkeypatch.setattr(Stack, "_migrate", lambda self, variables: None)
    monkeypatch.setattr(Stack, "_wait_until_healthy", lambda self: None)
    yield stack
    stack.stop()
