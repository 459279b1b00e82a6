"""The run to follow: a new one, one that is at work, never two."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from include.errors import BqxError
from include.local import report
from include.local.follow import PIPELINE
from include.local.job import _start_or_join
from include.local.progress import Task
from tests.local.fake_airflow import FakeAirflow, instance

RUNS = f"GET /api/v2/dags/{PIPELINE}/dagRuns"
START = f"POST /api/v2/dags/{PIPELINE}/dagRuns"
CONF = {"pairs": ["eurusd"]}


def at_work(conf: dict[str, Any]) -> dict[str, Any]:
    return {"dag_id": PIPELINE, "dag_run_id": "old", "conf": conf}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_a_new_run_is_started(console: Console) -> None:
    fake = FakeAirflow({RUNS: [], START: {"dag_run_id": "new"}})
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, fresh=False, console=console) == "new"
    assert fake.asked[-1][2] == {"logical_date": None, "conf": CONF}


def test_a_run_of_the_same_options_is_joined(console: Console) -> None:
    fake = FakeAirflow({RUNS: [at_work(CONF)]})
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, fresh=False, console=console) == "old"
    assert START not in fake.paths()


def test_a_run_of_other_options_is_in_the_way(console: Console) -> None:
    fake = FakeAirflow({RUNS: [at_work({"pairs": ["usdjpy"]})]})
    with fake.client() as airflow, pytest.raises(BqxError, match="other options is at work"):
        _start_or_join(airflow, CONF, fresh=False, console=console)
    assert START not in fake.paths()


def test_runs_of_an_earlier_stack_are_given_up_with_their_children(console: Console) -> None:
    child = "/api/v2/dags/bqx_load/dagRuns"
    fake = FakeAirflow(
        {
            RUNS: [at_work(CONF)],
            START: {"dag_run_id": "new"},
            f"GET /api/v2/dags/{PIPELINE}/dagRuns/old/taskInstances": [
                instance(PIPELINE, "old", "load", "deferred")
            ],
            f"PATCH /api/v2/dags/{PIPELINE}/dagRuns/old": {},
            f"GET {child}": [{"dag_id": "bqx_load", "dag_run_id": "child"}],
            f"PATCH {child}/child": {},
        }
    )
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, fresh=True, console=console) == "new"
    changed = [(path, body) for path, _, body in fake.asked if path.startswith("PATCH")]
    assert changed == [
        (f"PATCH /api/v2/dags/{PIPELINE}/dagRuns/old", {"state": "failed"}),
        (f"PATCH {child}/child", {"state": "failed"}),
    ]


def test_failures_are_named_with_reason_and_remedy_and_not_without_end(console: Console) -> None:
    fake = FakeAirflow()
    for place in range(report.SHOWN + 3):
        path = f"GET /api/v2/dags/bqx_load/dagRuns/r/taskInstances/pairs.write{place}/logs/1"
        detail = {"exc_type": "BadInput", "exc_value": f"row {place}"}
        fake.answers[path] = {"content": [{"event": "failed", "level": "error", "error_detail": [detail]}]}
    failed = [
        Task("bqx_load", "r", f"pairs.write{place}", place, f"pair{place}", "failed", 1, None, 0.0)
        for place in range(report.SHOWN + 3)
    ]
    with fake.client() as airflow:
        report.failures(console, airflow, failed)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "pair pair0" in text
    assert "BadInput: row 0" in text
    assert "clear it with its downstream tasks" in text
    assert "and 3 more" in text
