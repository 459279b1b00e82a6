"""What runs did: Airflow's word counts, events may come in any order, twice or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.events.outbox import Event
from include.plan.runs import FAILED, AirflowRun, Work, works

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TASK = ("d", "g.build")
PAIRS = ("audcad", "eurusd", "gbpusd", "usdjpy")


def event(state: str, place: int = -1, *, run: int = 1, number: int = 1, minutes: float = 0, **more) -> Event:
    ended = None if state == "running" else BEGIN + timedelta(minutes=minutes)
    return Event(
        "d",
        f"r{run}",
        "g.build",
        state,
        map_index=place,
        pair=PAIRS[place] if place >= 0 else "",
        try_number=number,
        run_at=BEGIN + timedelta(days=run),
        started_at=BEGIN,
        ended_at=ended,
        note="why" if state == FAILED else "",
        **more,
    )


def airflow(run: int, states: dict[int, str | None]) -> AirflowRun:
    tasks = {f"g.build_{place}" if place >= 0 else "g.build": state for place, state in states.items()}
    return {"run_id": f"r{run}", "run_at": (BEGIN + timedelta(days=run)).isoformat(), "tasks": tasks}


def work(events=(), **runs) -> Work | None:
    return works(events, runs, [TASK]).get(TASK)


# A story: for each pair its attempts, in the order in which they happened.
ATTEMPTS = st.sampled_from(
    [
        [],
        ["running"],
        ["running", "success"],
        ["running", "failed"],
        ["running", "up_for_retry", "running", "success"],
        ["running", "up_for_retry", "running", "failed"],
        ["running", "up_for_retry", "running"],
        ["running", "failed", "running", "success"],  # cleared by a person
        ["skipped"],
    ]
)
STORIES = st.tuples(ATTEMPTS, ATTEMPTS, ATTEMPTS, ATTEMPTS)


def told(story) -> list[Event]:
    events = []
    for place, states in enumerate(story):
        number = 0
        for state in states:
            number += state in ("running", "skipped")
            events.append(event(state, place, number=number, minutes=place + number))
    return events


def as_airflow(story) -> dict[int, str | None]:
    return {place: states[-1] if states else None for place, states in enumerate(story)}


@given(story=STORIES, data=st.data())
def test_any_order_and_any_repetition_tell_the_same(story, data) -> None:
    events = told(story)
    mixed = data.draw(
        st.permutations(events + data.draw(st.lists(st.sampled_from(events or [None]), max_size=6)))
    )
    assert work([one for one in mixed if one]) == work(events)


@given(story=STORIES, data=st.data())
def test_whatever_was_lost_airflow_decides(story, data) -> None:
    events = told(story)
    kept = data.draw(st.permutations([one for one in events if data.draw(st.booleans())]))
    truth = work([], d=[airflow(1, as_airflow(story))])
    found = work(kept, d=[airflow(1, as_airflow(story))])
    assert (found is None) == (truth is None)
    if found and truth:
        for name in ("run_id", "total", "succeeded", "running", "held_back"):
            assert getattr(found, name) == getattr(truth, name)
        assert len(found.failed) == len(truth.failed)


@given(story=STORIES)
def test_all_events_and_airflow_tell_the_same(story) -> None:
    # Events do not know of instances whose turn has not come: those Airflow counts in the total.
    by_events, by_airflow = work(told(story)), work(told(story), d=[airflow(1, as_airflow(story))])
    assert (by_events is None) == (by_airflow is None)
    if by_events and by_airflow:
        assert by_events.failed == by_airflow.failed
        assert by_events.succeeded == by_airflow.succeeded
        assert by_events.total == by_airflow.total - sum(not states for states in story)


def test_a_failure_after_a_success_of_the_same_attempt_is_settled_by_airflow() -> None:
    events = [event("success"), event(FAILED)]
    assert work(events, d=[airflow(1, {-1: "success"})]).failed == ()
    assert work(events, d=[airflow(1, {-1: FAILED})]).failed == (("", "why"),)


def test_failed_pairs_are_named_and_timed() -> None:
    events = [event("success", 0, minutes=3.2), event(FAILED, 1, minutes=5), event("success", 2, minutes=4)]
    assert work(events) == Work("r1", 3, 2, 0, (("eurusd", "why"),), seconds=300.0)


def test_time_is_told_when_it_is_over() -> None:
    events = [event("success", 0, minutes=3), event("running", 1)]
    assert work(events).seconds is None
    assert work(events, d=[airflow(1, {0: "success", 1: "queued"})]).seconds is None
    assert work(events).running == 1


def test_a_run_that_left_the_task_out_does_not_count() -> None:
    runs = [airflow(2, {0: "skipped", 1: None}), airflow(1, {0: "success", 1: "success"})]
    assert work([], d=runs) == Work("r1", 2, 2, 0)
    assert work([], d=[airflow(2, {-1: "skipped"})]) is None
    assert work([], d=[airflow(2, {-1: "scheduled"})]) is None


def test_the_newest_run_counts_whatever_the_order() -> None:
    old, new = airflow(1, {0: FAILED}), airflow(2, {0: "success"})
    assert work([], d=[new, old]) == work([], d=[old, new]) == Work("r2", 1, 1, 0)


def test_a_run_that_airflow_does_not_know_is_gone() -> None:
    events = [event(FAILED, run=2), event("success", run=1)]
    assert work(events, d=[airflow(1, {-1: "success"})]).run_id == "r1"
    assert work(events).run_id == "r2"
    assert work(events, d=[]).run_id == "r2"  # no answer is no word


def test_what_is_held_back_did_not_fail() -> None:
    assert work([], d=[airflow(1, {-1: "upstream_failed"})]) == Work("r1", 1, 0, 0, held_back=1)


@pytest.mark.parametrize("name", ["g.build_x", "g.build_0_check", "other.build", "g.build2"])
def test_other_tasks_are_not_mistaken_for_instances(name: str) -> None:
    run = airflow(1, {0: "success"})
    run["tasks"] = {**run["tasks"], name: "failed"}
    assert work([], d=[run]) == Work("r1", 1, 1, 0)
