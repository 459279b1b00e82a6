"""The stack of `make run` for all drills: that of the folder BQX_DRILL_STATE, else one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.airflow import ROOT
from local.stack import Stack
from local.state import State

PAIRS = "eurusd,usdjpy"
DAYS = ("--from", "2024-07-01", "--to", "2024-07-05")


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """Up, with two pairs loaded, built, trained, served and monitored."""
    if given := os.environ.get("BQX_DRILL_STATE"):
        yield Stack(State(Path(given)))
        return
    with tempfile.TemporaryDirectory(prefix="bqx-drills-") as name:
        folder = Path(name)
        market = [sys.executable, "-m", "include.market.synthetic", "--out", str(folder / "bars")]
        _call(*market, "--pairs", PAIRS, *DAYS)
        stack = Stack(State(folder / "state"))
        try:
            run = [sys.executable, "-m", "local", "run", "--state", str(stack.state.root)]
            _call(*run, "--data", str(folder / "bars"), "--pairs", PAIRS)
            yield stack
        finally:
            stack.stop()


@pytest.fixture
def bars(stack: Stack) -> str:
    """Where the bars of the stack lie, as a person would name it."""
    with stack.api() as airflow:
        return str(airflow.runs("bqx_pipeline", ("success",))[-1]["conf"]["source"])


def _call(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
