"""The stack of `make run` for all drills: that of BQX_DRILL_STATE, else the one that tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.stack import Stack
from local.state import State


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Stack:
    """Up, with at least two pairs loaded, built, trained, served and monitored."""
    if given := os.environ.get("BQX_DRILL_STATE"):
        return Stack(State(Path(given)))
    shared: Stack = request.getfixturevalue("running_stack")
    return shared


@pytest.fixture
def bars(stack: Stack) -> str:
    """Where the bars of the stack lie, as a person would name it."""
    with stack.api() as airflow:
        return str(airflow.runs("bqx_pipeline", ("success",))[-1]["conf"]["source"])
