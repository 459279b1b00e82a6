"""The stack of `make run` that all tests share which need a whole one: it takes minutes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.airflow import ROOT
from local.stack import Stack
from local.state import State

# They run one after the other in this order: what stops the stack comes last.
FILES = ("tests/local/test_end_to_end.py", "tests/runbooks/test_drills.py", "tests/local/test_stop.py")
PAIRS = ("eurusd", "usdjpy")
DAYS = ("--from", "2024-07-01", "--to", "2024-07-05")  # enough for a training set
FIRST_RUN = "first_run.txt"  # among the logs: what the first run said


def command(name: str, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "local", name, "--state", str(folder), *options]


def call(name: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, folder, *options), capture_output=True, text=True, cwd=ROOT, timeout=600
    )


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bqx-e2e-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def running_bars() -> Iterator[Path]:
    """A folder of bars of two pairs."""
    with short_folder() as folder:
        market = [sys.executable, "-m", "include.market.synthetic", "--out", str(folder)]
        asked = [*market, "--pairs", ",".join(PAIRS), *DAYS]
        subprocess.run(asked, check=True, cwd=ROOT, capture_output=True)
        yield folder


@pytest.fixture(scope="session")
def running_stack(running_bars: Path) -> Iterator[Stack]:
    """Up, with two pairs migrated, loaded, built, trained, served and monitored."""
    with short_folder() as folder:
        stack = Stack(State(folder / "state"))
        try:
            asked = ["--data", str(running_bars), "--pairs", ",".join(PAIRS), "--legacy", "demo"]
            done = call("run", stack.state.root, *asked)
            assert done.returncode == 0, done.stdout + done.stderr
            (stack.state.logs / FIRST_RUN).write_text(done.stdout)
            yield stack
        finally:
            stack.stop()
