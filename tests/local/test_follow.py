"""A pipeline run is followed through the DAGs it triggers."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from include.errors import BqxError
from local import follow as module
from local.approval import Approver
from local.follow import Follower, follow, line, table
from local.progress import Progress
from tests.local.fake_airflow import FakeAirflow, instance

RUN = "/api/v2/dags/bqx_pipeline/dagRuns/r"
CHILD = "/api/v2/dags/bqx_load/dagRuns/child"
WRITE = f"GET {CHILD}/taskInstances/pairs.write/xcomEntries/return_value"


@pytest.fixture
def fake() -> FakeAirflow:
    """A pipeline whose first phase is at work: one pair of two is written."""
    return FakeAirflow(
        {
            f"GET {RUN}": {"state": "running"},
            f"GET {RUN}/taskInstances": [instance("bqx_pipeline", "r", "load", "deferred")],
            f"GET {RUN}/taskInstances/load/xcomEntries/trigger_run_id": {"value": "child"},
            f"GET {CHILD}/taskInstances": [
                instance("bqx_load", "child", "prepare", "success"),
                instance("bqx_load", "child", "pairs.write", "success", 0),
                instance("bqx_load", "child", "pairs.write", "running", 1),
            ],
            WRITE: {"value": {"rows": 500}},
        }
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only while somebody sleeps."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def plain() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_triggered_run_is_found_and_counted(fake: FakeAirflow) -> None:
    with fake.client() as airflow:
        follower = Follower(airflow, "r", 2, Approver(airflow, plain()))
        (stage,) = follower.look().stages
    assert (stage.title, stage.done, stage.pairs, stage.rows) == ("load write", 1, 2, 500)
    assert follower.runs == [("bqx_pipeline", "r"), ("bqx_load", "child")]


def test_rows_are_asked_for_once_and_later_looks_ask_for_changes(fake: FakeAirflow) -> None:
    with fake.client() as airflow:
        follower = Follower(airflow, "r", 2, Approver(airflow, plain()))
        follower.look()
        follower.look()
    assert fake.paths().count(WRITE) == 1
    looks = [parameters for path, parameters, _ in fake.asked if path == f"GET {CHILD}/taskInstances"]
    assert ["updated_at_gte" in parameters for parameters in looks] == [False, True]


def test_a_run_that_has_ended_is_not_asked_about_again(fake: FakeAirflow) -> None:
    tasks = f"GET {CHILD}/taskInstances"
    fake.answers[f"GET {CHILD}"] = {"state": "running"}
    with fake.client() as airflow:
        follower = Follower(airflow, "r", 2, Approver(airflow, plain()))
        follower.look()
        fake.answers[tasks][2]["state"] = "success"
        follower.look()
        follower.look()
        assert fake.paths().count(f"GET {CHILD}") == 1, "Airflow may have more to do in it"
        fake.answers[f"GET {CHILD}"] = {"state": "success"}
        follower.look()
        looks = fake.paths().count(tasks)
        progress = follower.look()
    assert fake.paths().count(tasks) == looks == 4
    assert progress.stages[0].done == 2


def test_what_a_single_task_has_to_tell_is_asked_for_once(fake: FakeAirflow) -> None:
    path = f"GET {CHILD}/taskInstances/prepare/xcomEntries/return_value"
    fake.answers[path] = {"value": {"summary": "Data set d: 2 rows"}}
    with fake.client() as airflow:
        follower = Follower(airflow, "r", 2, Approver(airflow, plain()))
        assert follower.look().summaries == ("Data set d: 2 rows",)
        assert follower.look().summaries == ("Data set d: 2 rows",)
    assert fake.paths().count(path) == 1


def test_an_expanded_stage_replaces_its_placeholder(fake: FakeAirflow) -> None:
    tasks = f"GET {CHILD}/taskInstances"
    expanded = fake.answers[tasks]
    fake.answers[tasks] = [instance("bqx_load", "child", "pairs.write", None)]
    with fake.client() as airflow:
        follower = Follower(airflow, "r", 28, Approver(airflow, plain()))
        assert follower.look().stages[0].pairs == 28
        fake.answers[tasks] = expanded
        assert follower.look().stages[0].pairs == 2


def test_plain_lines_until_the_run_is_over(fake: FakeAirflow, clock: list[float]) -> None:
    def alive() -> None:
        if clock[0] > 20:
            fake.answers[f"GET {RUN}"] = {"state": "success"}
            fake.answers[f"GET {CHILD}"] = {"state": "success" if clock[0] > 40 else "running"}
            fake.answers[f"GET {CHILD}/taskInstances"][2]["state"] = "success"

    console = plain()
    with fake.client() as airflow:
        progress = follow(Follower(airflow, "r", 2, Approver(airflow, plain())), alive, console)
    lines = text_of(console).splitlines()
    assert "write 1/2; 0/1 stages done" in lines[0]
    assert "1/1 stages done" in lines[-1]
    assert len(lines) <= 1 + clock[0] / module.LINE
    assert progress.stages[0].done == 2
    assert clock[0] > 40, "a run that the pipeline does not wait for is waited for here"


@pytest.mark.parametrize(("took", "pause"), [(0.0, 2.0), (0.2, 4.0), (4.0, 8.0)])
def test_a_look_that_takes_long_is_rare_but_never_for_long(
    fake: FakeAirflow, clock: list[float], monkeypatch: pytest.MonkeyPatch, took: float, pause: float
) -> None:
    looks = []

    def look(follower: Follower) -> Any:
        looks.append(clock[0])
        clock[0] += took  # an approval pauses before it answers
        follower.state = "success" if len(looks) == 3 else "running"
        return Progress.of((), 2, datetime.now(UTC))

    monkeypatch.setattr(Follower, "look", look)
    with fake.client() as airflow:
        follow(Follower(airflow, "r", 2, Approver(airflow, plain())), lambda: None, plain())
    assert looks == pytest.approx([0.0, took + pause, 2 * (took + pause)])


def test_a_dead_component_ends_it(fake: FakeAirflow, clock: list[float]) -> None:
    def alive() -> None:
        raise BqxError("the scheduler has died")

    with fake.client() as airflow, pytest.raises(BqxError, match="scheduler has died"):
        follow(Follower(airflow, "r", 2, Approver(airflow, plain())), alive, plain())


def test_a_run_in_which_nothing_happens_ends_it(fake: FakeAirflow, clock: list[float]) -> None:
    with fake.client() as airflow, pytest.raises(BqxError, match="Nothing has changed for 30 min"):
        follow(Follower(airflow, "r", 2, Approver(airflow, plain())), lambda: None, plain())
    assert clock[0] >= module.PATIENCE


def test_the_table_shows_pairs_rows_and_failures(fake: FakeAirflow) -> None:
    fake.answers[f"GET {CHILD}/taskInstances"][2]["state"] = "failed"
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with fake.client() as airflow:
        progress = Follower(airflow, "r", 2, Approver(airflow, plain())).look()
    console.print(table(progress))
    text = text_of(console)
    for part in ("load write", "1/2", "500", "failed", "rows/s"):
        assert part in text
    assert "1 failed" in line(progress)


def test_before_the_first_stage_the_line_says_so() -> None:
    fake = FakeAirflow({f"GET {RUN}": {"state": "queued"}, f"GET {RUN}/taskInstances": []})
    with fake.client() as airflow:
        assert (
            line(Follower(airflow, "r", 2, Approver(airflow, plain())).look())
            == "waiting for the first stage"
        )
