"""Texts of records: numbers for people, hours in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.plan import texts
from include.plan.model import load
from include.plan.reading import Span


@pytest.mark.parametrize(
    ("number", "text"), [(10313378, "10,313,378"), (0.25, "0.25"), (55.0, "55"), (0, "0")]
)
def test_numbers(number: float, text: str) -> None:
    assert texts.shown(number) == text


@pytest.mark.parametrize(
    ("span", "text"), [(Span(1, 1), "1 hour"), (Span(0.5, 0.5), "0.5 hours"), (Span(25, 30), "25-30 hours")]
)
def test_hours(span: Span, text: str) -> None:
    assert texts.hours(span) == text


def test_whole_hours_round_halves_up() -> None:
    assert texts.whole(Span(9.43, 15.99)) == "9-16"
    assert texts.whole(Span(2.5, 2.5)) == "3"


def test_fill_leaves_other_braces() -> None:
    assert texts.fill("reg_{pair} has {rows} rows", {"rows": 1234}) == "reg_{pair} has 1,234 rows"


def test_durations() -> None:
    desired = load().desired
    stages = {stage.number: stage for stage in (*desired.stages, *desired.updates)}
    found = {
        number: texts.duration(desired, stages[number]) for number in ("1.6.9", "5.3", "1.3", "3.2", "3.3")
    }
    assert found == {
        "1.6.9": "1 hour",
        "5.3": "Ongoing",
        "1.3": "",
        "3.2": "60 hours, only if needed",
        "3.3": "15-25 hours",
    }


def test_what_a_task_is_done_by_is_named_and_nothing_is_where_a_person_says_so() -> None:
    task = next(task for task in load().desired.tasks if task.key == "TSK-5.2.1")
    assert texts.task_text(task) == "Done when these runbooks were drilled as they are now (high-latency)."
    assert texts.task_text(replace(task, done_when="none")) == "Done when a person says so."


def test_every_kind_of_evidence_has_words() -> None:
    tasks = load().desired.tasks
    for kind in texts.DONE_WHEN:
        assert texts.task_text(replace(tasks[0], done_when=kind)).startswith("Done when ")
    assert {task.done_when for task in tasks} <= set(texts.DONE_WHEN)


def test_timeline_says_why_phases_are_shorter() -> None:
    lines = texts.timeline_text(load().desired).splitlines()
    assert lines[1].startswith("- Phase 1.6: 80-100 h -> 25-30 h wall time; 4 workers on 55 h of work; 23 h")
    assert "19 h scheduled if 1.6.17 waited only for the BQX stages" in lines[1]
    assert lines[3] == "- Phase 3: 113 h -> 30-40 h of work, 9-16 h wall time; 8 pairs at once"
    assert lines[-1] == "Not counted, only if needed: 3.2 (60 hours of work)."
