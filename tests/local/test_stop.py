"""`make run` and `make stop` end exactly what they started. It stops the stack that other tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from local.airflow import ROOT
from local.processes import Identity, session_members, tail, wait_gone
from local.stack import Stack
from local.state import State
from tests.running import call, command, short_folder

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def everything(stack: Stack) -> list[Identity]:
    """Every process of a stack, the database server's too."""
    members = [member for leader in stack.processes.values() for member in session_members(leader)]
    server = stack.postgres.process()
    return members + (session_members(server) if server else [])


def test_stop_ends_exactly_what_was_started(running_stack: Stack) -> None:
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        processes = everything(running_stack)
        assert len(processes) > 10
        done = call("stop", running_stack.state.root)
        assert done.returncode == 0, done.stderr
        assert wait_gone(processes, 5) == []
        assert stranger.poll() is None
        assert "Nothing was running" in call("stop", running_stack.state.root).stdout
    finally:
        stranger.kill()
        stranger.wait()


def test_ctrl_c_during_the_start_leaves_nothing_running(running_bars: Path) -> None:
    with short_folder() as folder:
        stack = Stack(State(folder / "state"))
        log = folder / "output"
        with log.open("w") as output:
            run = subprocess.Popen(
                command("run", stack.state.root, "--data", str(running_bars)),
                stdout=output,
                stderr=output,
                cwd=ROOT,
            )
        try:
            deadline = time.monotonic() + 300
            while len(stack.processes) < 6:
                assert run.poll() is None, tail(log)
                assert time.monotonic() < deadline
                time.sleep(0.1)
            processes = everything(stack)
            os.kill(run.pid, signal.SIGINT)
            assert run.wait(120) == 130
            assert wait_gone(processes, 5) == []
            assert "Stopped" in log.read_text()
        finally:
            run.kill()
            run.wait()
            stack.stop()
