"""Follows a page: runs its commands as they are written, in a shell that finds the stack, as a person has it.

What a DAG is triggered for takes its time: the drill waits for it, and gives the approvals that it asks for.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from local.airflow import ROOT, environment
from local.api import Airflow
from local.approval import Approver
from local.postgres import binaries
from local.stack import Stack
from tests.runbooks import pages

PATIENCE = 900.0  # seconds for what one block of commands starts
AT_WORK = ("queued", "running")


class Drill:
    """One incident on a running stack.

    Args:
        stack: that is up.
        page: name of the page that is followed.
        **given: variables that the page asks a person to set.

    Attributes:
        followed: headings of the page that were followed.
    """

    def __init__(self, stack: Stack, page: str, **given: str) -> None:
        self.stack, self.page = stack, pages.read(page)
        self.followed: list[str] = []
        own = stack._settings(stack.port) | stack.exports()
        places = (str(Path(sys.executable).parent), str(binaries()), os.environ["PATH"])
        self._variables = environment(own, os.environ) | given | {"PATH": os.pathsep.join(places)}

    def follow(self, *headings: str) -> str:
        """Run every command under some headings; returns all that they printed."""
        told = ""
        for heading in headings:
            assert heading in self.page.commands, f"{self.page.name} has no commands under {heading!r}"
            for block in self.page.commands[heading]:
                told += self._run(block)
                for dag in pages.triggered(block):
                    self.wait(dag)
            self.followed.append(heading)
        return told

    def wait(self, dag: str) -> str:
        """Wait until a DAG has no run at work, and give approvals; returns the state of its newest run."""
        with self.stack.api() as airflow:
            approver = Approver(airflow, Console(file=io.StringIO()), pause=0.0)
            deadline = time.monotonic() + PATIENCE
            while runs := airflow.runs(dag, AT_WORK):
                for run in runs:
                    for task in airflow.tasks(dag, run["dag_run_id"]):
                        approver.look_at(task)
                assert time.monotonic() < deadline, f"{dag} is at work for {PATIENCE:.0f} s"
                time.sleep(1.0)
            return newest(airflow, dag)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, and what a statement without rows has changed."""
        with psycopg.connect(self.stack.postgres.url("bqx"), autocommit=True) as connection:
            cursor = connection.execute(query, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def _run(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            env=self._variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


def newest(airflow: Airflow, dag: str) -> str:
    """State of the newest run of a DAG."""
    return str(airflow.runs(dag, ("success", "failed"))[0]["state"])


def eventually(so: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, "it has not healed"
        time.sleep(1.0)
