"""What died is started again, a few times; real processes and a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from include.errors import BqxError
from local import keeper as module
from local import stack as stacks
from local.airflow import ROOT, Component
from local.keeper import Keeper
from local.postgres import Postgres
from local.processes import Identity, send, wait_gone
from local.stack import Stack

# Ends as Airflow's components do when the database is gone.
NEEDY = """
import sys, time, psycopg
while True:
    psycopg.connect(sys.argv[1], connect_timeout=2).close()
    time.sleep(0.1)
"""


@pytest.fixture
def keeper(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """Looks after a stack that is up; two components that live as long as the database answers."""
    stack.postgres.start()
    needy = (sys.executable, "-c", NEEDY, stack.postgres.url())
    components = tuple(Component(name, needy) for name in ("api-server", "scheduler"))
    monkeypatch.setattr(stacks, "components", lambda: components)
    monkeypatch.setattr(module, "WINDOW", 600.0)
    stack.start()
    return Keeper(stack)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kill(process: Identity | None) -> None:
    assert process is not None
    send(process, signal.SIGKILL)
    assert wait_gone([process], 5) == []


def test_a_component_that_died_is_started_again(stack: Stack, keeper: Keeper) -> None:
    before = stack.processes
    kill(before["scheduler"])
    keeper.look()
    assert stack.is_up
    assert stack.processes["scheduler"] != before["scheduler"]
    assert stack.processes["api-server"] == before["api-server"]
    assert stack.given_up == {}
    assert not stack.start(), "nothing has to be started anew after that"


@pytest.mark.parametrize("service", ["s3", "smtp"])
def test_a_stand_in_comes_back_at_its_port(stack: Stack, keeper: Keeper, service: str) -> None:
    port = stack.service_ports[service]
    kill(stack.processes[service])
    keeper.look()
    assert stack.is_up
    assert stack.service_ports[service] == port
    assert not stack.start(), "nothing has to be started anew after that"


def test_a_database_that_is_away_takes_nobody_with_it_for_good(stack: Stack, keeper: Keeper) -> None:
    kill(stack.postgres.process())
    until(lambda: not any(stack.processes[name].alive for name in ("api-server", "scheduler")))
    stack.check_alive()  # a run goes on: the keeper will start them
    keeper.look()
    assert stack.is_up
    time.sleep(1.0)
    assert stack.is_up


def test_nothing_is_started_while_the_database_does_not_answer(stack: Stack, keeper: Keeper) -> None:
    """It is there and says nothing, as a server that recovers: what is started now would die again."""
    server = stack.postgres.process()
    assert server is not None
    scheduler = stack.processes["scheduler"]
    kill(scheduler)
    send(server, signal.SIGSTOP)
    try:
        keeper.look()
        assert stack.processes["scheduler"] == scheduler
    finally:
        send(server, signal.SIGCONT)
    keeper.look()
    assert stack.is_up


def test_what_dies_again_and_again_is_given_up_with_its_cause(
    stack: Stack, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 2)
    broken = (sys.executable, "-c", "raise SystemExit('the configuration is not right')")
    components = tuple(
        Component(one.name, broken if one.name == "scheduler" else one.command) for one in stacks.components()
    )
    monkeypatch.setattr(stacks, "components", lambda: components)
    kill(stack.processes["scheduler"])
    for _ in range(5):
        keeper.look()
        wait_gone([stack.processes["scheduler"]], 5)
    assert list(stack.given_up) == ["scheduler"]
    with pytest.raises(BqxError, match=r"(?s)scheduler died again and again.*configuration is not right"):
        stack.check_alive()
    assert stack.processes["api-server"].alive


def test_the_port_of_a_stand_in_that_is_taken_is_said(stack: Stack, keeper: Keeper, capsys) -> None:
    kill(stack.processes["mail"])
    strange = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(stack.service_ports["mail"]))
    with subprocess.Popen(strange, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stranger:
        until(lambda: not stacks.is_free(stack.service_ports["mail"]))
        keeper.look()
        stranger.kill()
    assert "is taken by another program" in capsys.readouterr().out
    keeper.look()
    assert stack.is_up


def test_the_process_beside_the_stack_keeps_looking_and_ends_with_it(stack: Stack, keeper: Keeper) -> None:
    """The real process, and a stand-in, which it starts from the same declaration as `make run`."""
    command = [sys.executable, "-m", "local.keeper", "--state", str(stack.state.root)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ, start_new_session=True) as child:
        known = stack.processes | {"keeper": Identity.of(child.pid)}
        stack._record(known, stack.port)
        before = stack.processes["mail"]
        kill(before)
        until(lambda: stack.processes["mail"] != before and stack.is_up)
        processes = list(stack.processes.values())
        stack.stop()
        assert wait_gone(processes, 5) == []


FULL = """
import json, sys
from pathlib import Path
from local.processes import Identity
from local.stack import Stack
from local.state import State
from local.keeper import Keeper
state = State(Path(sys.argv[1]) / "state")
state.create()
stack = Stack(state)
stack._record({"dag-processor": Identity(999999, "gone"), "keeper": Identity.of(1)}, 8080)
(state.logs / "dag-processor.log").write_text("it ended")
with (state.root / "ballast").open("wb") as ballast:
    try:
        while True:
            ballast.write(b"x" * 65536)
            ballast.flush()
    except OSError:
        pass
Keeper(stack).look()  # starts nothing there
try:
    stack.check_alive()
except Exception as error:
    print(error)
"""


def test_a_full_disk_is_called_a_full_disk(tmp_path: Path) -> None:
    """On a real file system of 64 MiB, in a mount namespace of its own."""
    script = 'mount -t tmpfs -o size=64m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(tmp_path)]
    allowed = subprocess.run(
        [*command[:5], "-c", 'mount -t tmpfs tmpfs "$1"', "sh", str(tmp_path)], check=False
    )
    if allowed.returncode:
        pytest.skip("this machine allows no mount namespace, so there is no small disk to fill")
    done = subprocess.run(
        [*command, sys.executable, FULL], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert "The disk of" in done.stdout, done.stdout + done.stderr
    assert "is full" in done.stdout
    assert "dag-processor has died" in done.stdout
    assert "make run goes on from there" in done.stdout


def test_the_server_is_never_another_one(stack: Stack, keeper: Keeper) -> None:
    port = stack.postgres.port
    kill(stack.postgres.process())
    keeper.look()
    assert Postgres(stack.state.postgres).port == port
