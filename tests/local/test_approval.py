"""make run answers what its own runs ask, once, and shows what it approved."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from local.approval import PAUSE, Approver
from tests.local.fake_airflow import FakeAirflow, instance

PATH = "/api/v2/dags/bqx_migrate/dagRuns/r/taskInstances/approval/-1/hitlDetails"
ANSWERS = {
    f"GET {PATH}": {"subject": "Rename", "body": "**476** tables", "options": ["Approve", "Reject"]},
    f"PATCH {PATH}": {"chosen_options": ["Approve"]},
}


def test_a_waiting_task_is_shown_and_approved_once() -> None:
    fake, console = FakeAirflow(ANSWERS), Console(file=io.StringIO(), width=100)
    with fake.client() as airflow:
        approver = Approver(airflow, console, pause=0)
        for state in ("running", "awaiting_input", "awaiting_input", "success"):
            approver.look_at(instance("bqx_migrate", "r", "approval", state))
    answers = [body for path, _, body in fake.asked if path.startswith("PATCH")]
    assert answers == [{"chosen_options": ["Approve"], "params_input": {}}]
    assert "**476** tables" in console.file.getvalue()  # type: ignore[attr-defined]


def test_what_cannot_be_done_here_is_rejected_with_the_reason() -> None:
    fake, console = FakeAirflow(ANSWERS), Console(file=io.StringIO(), width=100)
    with fake.client() as airflow:
        approver = Approver(airflow, console, {"approval": "no such instance here"}, pause=0)
        approver.look_at(instance("bqx_migrate", "r", "approval", "awaiting_input"))
    answers = [body for path, _, body in fake.asked if path.startswith("PATCH")]
    assert answers == [{"chosen_options": ["Reject"], "params_input": {}}]
    assert "no such instance here" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_second_try_is_asked_again() -> None:
    fake = FakeAirflow(ANSWERS)
    with fake.client() as airflow:
        approver = Approver(airflow, Console(file=io.StringIO()), pause=0)
        for attempt in (1, 2):
            approver.look_at(instance("bqx_migrate", "r", "approval", "awaiting_input", try_number=attempt))
    assert fake.paths().count(f"PATCH {PATH}") == 2


def test_an_answer_takes_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    with FakeAirflow(ANSWERS).client() as airflow:
        approver = Approver(airflow, Console(file=io.StringIO()))
        approver.look_at(instance("bqx_migrate", "r", "approval", "awaiting_input"))
    assert paused == [PAUSE]
