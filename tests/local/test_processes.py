"""Processes are recognised by birth, not by number, and ended with everything they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import (
    Identity,
    end,
    launch,
    send,
    session_members,
    tail,
    undisturbed,
    wait_gone,
)

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Identity]:
    process = launch(["sleep", "600"], log=tmp_path / "log", environment=os.environ, folder=tmp_path)
    yield process
    send(process, signal.SIGKILL)
    wait_gone([process], 5)


def wait_for(text: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while log.read_text().count(text) < 2:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def test_a_living_process_is_alive_and_a_dead_one_is_not(sleeper: Identity) -> None:
    assert sleeper.alive
    os.kill(sleeper.pid, signal.SIGKILL)
    assert wait_gone([sleeper], 5) == []
    assert not sleeper.alive


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    identity = Identity(child.pid, "")
    try:
        identity = Identity.of(child.pid)
        deadline = time.monotonic() + 5
        while identity.alive:
            assert time.monotonic() < deadline
        assert Path(f"/proc/{child.pid}").exists()  # it has ended, and nobody has collected it
    finally:
        child.wait()


def test_no_process_has_no_identity() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(ProcessLookupError):
        Identity.of(child.pid)


def test_a_stranger_with_a_recycled_number_is_left_alone(sleeper: Identity) -> None:
    recorded = Identity(sleeper.pid, "another boot:17")
    assert not recorded.alive
    assert session_members(recorded) == []
    send(recorded, signal.SIGKILL)
    end([recorded], patience=0.1)
    time.sleep(0.1)
    assert sleeper.alive


def test_end_reaches_descendants_that_ignore_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    leader = launch([sys.executable, "-c", STUBBORN], log=log, environment=os.environ, folder=tmp_path)
    wait_for("ready", log)
    members = session_members(leader)
    assert len(members) == 2
    end([leader], patience=0.2)
    assert not any(member.alive for member in members)


def test_end_reaches_descendants_whose_leader_is_gone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    leader = launch([sys.executable, "-c", STUBBORN], log=log, environment=os.environ, folder=tmp_path)
    wait_for("ready", log)
    send(leader, signal.SIGKILL)
    assert wait_gone([leader], 5) == []
    (orphan,) = session_members(leader)
    end([leader], patience=0.2)
    assert not orphan.alive


def test_wait_gone_names_those_that_stay(sleeper: Identity) -> None:
    assert wait_gone([sleeper], 0.1) == [sleeper]


def interrupted_twice(done: list[str]) -> None:
    with undisturbed():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append("recorded")


@pytest.fixture
def heard() -> Iterator[None]:
    """Interrupts are heard, also where a shell that started the tests aside has them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_an_interrupt_waits_until_the_block_is_done() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_twice(done)
    assert done == ["recorded"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_tail_gives_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(20_000)))
    assert tail(log, 2) == "line 19998\nline 19999"
