"""Progress is counted from task states, and the time left from the pace so far."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.follow import line
from local.progress import Progress, Task, clock

START = datetime(2024, 7, 1, 12, tzinfo=UTC)
BUILD = "pairs.s1_6_10_technical_idx.build"


def task(
    state: str | None,
    *,
    place: int = 0,
    name: str = BUILD,
    seconds: float = 0,
    rows: int | None = None,
    after: float = 0,
) -> Task:
    started = START + timedelta(seconds=after) if state not in (None, "scheduled") else None
    return Task("bqx_features", "run", name, place, f"pair{place}", state, 1, started, seconds, rows)


def look(tasks: list[Task], *, after: float = 60, pairs: int = 28) -> Progress:
    return Progress.of(tasks, pairs, START + timedelta(seconds=after))


def test_titles_are_for_people() -> None:
    tasks = [task(None, name=BUILD), task(None, name="pairs.write")]
    assert [stage.title for stage in look(tasks).stages] == [
        "features 1.6.10 technical_idx",
        "features write",
    ]


def test_what_a_task_said_is_kept() -> None:
    gate = {"absent_inputs": ["eurusd: source has no volume"], "partitions": 2}
    found = look([task("success").saying({"rows": 5, "gate": gate}), task("success", place=1).saying(None)])
    assert found.stages[0].rows == 5
    assert found.gates == [gate]


def test_what_tasks_have_to_tell_comes_in_the_order_they_began() -> None:
    late = task("success", name="publish", place=-1, after=20).saying({"summary": " two lines\n of text \n"})
    early = task("success", name="report", place=-1, after=10).saying({"summary": "plan: 3 gaps"})
    silent = task("success", name="choose", place=-1).saying({"selected": 195})
    progress = look([late, silent, early])
    assert progress.summaries == ("plan: 3 gaps", "two lines\n of text")
    assert progress.stages == ()


def test_a_data_set_is_examined_and_exported_per_pair() -> None:
    tasks = [
        task("success", name=name, place=place, rows=10)._replace(dag="bqx_dataset")
        for name in ("export", "examine")
        for place in range(2)
    ]
    stages = look([*tasks, task("running", name="choose", place=-1)]).stages
    assert [(stage.title, stage.pairs, stage.rows) for stage in stages] == [
        ("dataset examine", 2, 20),
        ("dataset export", 2, 20),
    ]


def test_stages_come_in_the_order_of_the_plan() -> None:
    names = ["pairs.s2_1_base.build", "pairs.s1_6_10_b.build", "pairs.s1_6_9_a.build"]
    titles = [stage.title for stage in look([task(None, name=name) for name in names]).stages]
    assert titles == ["features 1.6.9 a", "features 1.6.10 b", "features 2.1 base"]


def test_before_it_is_expanded_a_stage_expects_every_pair() -> None:
    (stage,) = look([task(None, place=-1)], pairs=7).stages
    assert (stage.done, stage.pairs) == (0, 7)


@pytest.mark.parametrize("state", ["skipped", "success", "upstream_failed"])
def test_a_stage_that_ended_before_it_was_expanded_is_over(state: str) -> None:
    """A run with nothing to rename skips the pairs: nobody waits for 28 of them."""
    (stage,) = look([task(state, place=-1)]).stages
    assert (stage.pairs, stage.done + stage.failed) == (1, 1)
    shown = line(look([task(state, place=-1), task("running", name="pairs.write")]))
    assert "1/28" not in shown
    assert "1/2 stages done" in shown


def test_pairs_are_counted_by_outcome() -> None:
    states = ["success", "skipped", "failed", "upstream_failed", "running", "up_for_retry", None]
    (stage,) = look([task(state, place=place) for place, state in enumerate(states)]).stages
    assert (stage.done, stage.failed, stage.pairs) == (2, 2, 7)


def test_only_what_failed_itself_is_a_failure() -> None:
    progress = look(
        [
            task("failed"),
            task("upstream_failed", place=1),
            task("failed", name="coverage", place=-1),
            task("success", name="select", place=-1),
        ]
    )
    assert [found.name for found in progress.failures] == [BUILD, "coverage"]


def test_the_pipeline_is_blamed_only_if_nothing_else_is() -> None:
    outer = Task("bqx_pipeline", "run", "load", -1, "", "failed", 1, START, 1.0)
    assert look([outer]).failures == [outer]
    assert look([outer, task("failed")]).failures == [task("failed")]


def test_rows_per_second_count_from_the_first_start() -> None:
    tasks = [task("success", rows=3_000, seconds=20), task("running", place=1, after=5)]
    assert look(tasks, after=30).rate == pytest.approx(100)


def test_the_pace_stands_still_when_everything_is_over() -> None:
    tasks = [task("success", rows=3_000, seconds=20)]
    assert look(tasks, after=30).rate == look(tasks, after=3_000).rate == pytest.approx(150)


def test_time_left_follows_from_the_mean_and_what_runs_at_a_time() -> None:
    # In 20 s two workers finished 4 pairs of 10 s each: 6 pairs more take 30 s.
    done = [task("success", place=place, seconds=10, after=10 * (place // 2)) for place in range(4)]
    left = [task(None, place=place) for place in range(4, 10)]
    progress = look(done + left, after=20)
    assert progress.total_seconds_left == pytest.approx(30)


def test_a_stage_without_a_pace_borrows_that_of_the_others() -> None:
    done = [task("success", place=place, seconds=10, after=10 * place) for place in range(3)]
    later = [task(None, place=place, name="pairs.s2_1_base.build") for place in range(3)]
    progress = look(done + later, after=30)
    assert progress.total_seconds_left == pytest.approx(30)


def test_without_any_pace_no_time_is_promised() -> None:
    assert look([task("running"), task(None, place=1)]).total_seconds_left is None
    assert look([]).total_seconds_left is None


def test_from_an_answer_of_airflow() -> None:
    answer: dict[str, Any] = {
        "dag_id": "bqx_load",
        "dag_run_id": "r",
        "task_id": "pairs.write",
        "map_index": 3,
        "rendered_map_index": "eurusd",
        "state": "success",
        "try_number": 2,
        "start_date": "2024-07-01T12:00:00Z",
        "duration": 1.5,
    }
    assert Task.of(answer) == Task("bqx_load", "r", "pairs.write", 3, "eurusd", "success", 2, START, 1.5)
    waiting = Task.of(
        answer | {"start_date": None, "duration": None, "rendered_map_index": None, "state": None}
    )
    assert (waiting.started, waiting.seconds, waiting.pair) == (None, 0.0, "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3_600, "1 h 00 min"),
        (7_510, "2 h 05 min"),
    ],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert clock(seconds) == text
