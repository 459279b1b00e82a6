"""Where tasks and stages stand: done only with evidence, a failure is named, plain words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import PlanRefused
from include.plan import blocks, status
from include.plan.evidence import Proof
from include.plan.live import Field
from include.plan.model import Evidence, Item
from include.plan.runs import Work
from include.plan.status import BY_RUN, DONE, IN_PROGRESS, OPEN, STAGE_LINK, standing_of, standings

DAG, TASK = "bqx_features", "pairs.build"
NOW = datetime(2026, 11, 22, 19, 30, tzinfo=UTC)
FULL = Proof(True, True, "28 of 28 pairs; 9,000,000 rows in 336 partitions", report="/reports/a.html")
PART = Proof(False, True, "26 of 28 pairs; 8,000,000 rows in 312 partitions", ("audcad", "usdjpy"))
NONE = Proof(False, False, "0 of 28 pairs; 0 rows in 0 partitions", ("audcad",))
RIGHT = Work("run 1", 28, 28, 0, seconds=192.0)
WRONG = Work("run 2", 28, 27, 0, (("eurusd", "QualityError: 3 findings"),), seconds=4000.0)


def item(kind: str = "backfill", key: str = "TSK-1.1", stage: str = "1 - One") -> Item:
    evidence = Evidence(kind, ("technical_idx",), DAG, TASK)
    links = {STAGE_LINK: ("Stages", stage)}
    return Item("Tasks", key, key[4:], f"Do {key}", new=True, links=links, evidence=evidence)


@given(
    kind=st.sampled_from(["schema", "implemented", *BY_RUN]),
    proof=st.sampled_from([FULL, PART, NONE]),
    work=st.sampled_from([None, RIGHT, WRONG]),
)
def test_done_needs_evidence_and_no_failure(kind: str, proof: Proof, work: Work | None) -> None:
    standing = standing_of(item(kind), proof, work)
    failed = kind in BY_RUN and work is WRONG
    assert (standing.status == DONE) == (proof.done and not failed)
    assert (standing.status == OPEN) == (proof is NONE and (work is None or kind not in BY_RUN))
    assert ("eurusd (QualityError: 3 findings)" in standing.text) == failed
    assert proof.text in standing.text


def test_the_text_is_plain() -> None:
    assert standing_of(item(), FULL, RIGHT).text.splitlines() == [
        "28 of 28 pairs; 9,000,000 rows in 336 partitions",
        "Run run 1: 28 of 28 done, 3 min 12 s",
        "Report: /reports/a.html",
    ]
    busy = Work("run 3", 28, 17, 4, held_back=2)
    assert standing_of(item(), PART, busy).text.splitlines() == [
        "26 of 28 pairs; 8,000,000 rows in 312 partitions; missing: audcad, usdjpy",
        "Run run 3: 17 of 28 done, 4 running, 2 held back by a failure before",
    ]


def test_a_run_that_was_only_held_back_takes_nothing_away() -> None:
    assert standing_of(item(), FULL, Work("run 4", 1, 0, 0, held_back=1)).status == DONE


def test_many_failures_are_counted() -> None:
    failed = tuple((f"p{number}", "") for number in range(5))
    assert "failed: p0; p1; p2 and 2 more" in standing_of(item(), PART, Work("r", 28, 23, 0, failed)).text


def test_names_that_look_like_markers_cannot_break_a_block() -> None:
    hostile = Work("[/bqx:status]", 1, 0, 0, (("", "[bqx:plan] line\n[/bqx:status]"),))
    text = standing_of(item(), PART, hostile).text
    assert blocks.read(blocks.put("mine", blocks.STATUS, text), blocks.STATUS) == text


def stage_of(states: dict[str, Proof | str]) -> status.Standing | None:
    """The stage of tasks that each have a proof, or a status that a person gave."""
    items, proofs, by_hand = [], {}, {}
    for number, (kind, value) in enumerate(states.items()):
        one = item("none" if isinstance(value, str) else kind, f"TSK-1.{number}")
        items.append(one)
        if isinstance(value, str):
            by_hand[one.key] = value
        else:
            proofs[one.evidence] = value
    found = [one for one in standings(items, proofs, {}, by_hand) if one.table == "Stages"]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"schema": FULL, "backfill": FULL}, DONE),
        ({"schema": FULL, "backfill": NONE}, IN_PROGRESS),
        ({"schema": NONE, "backfill": NONE}, OPEN),
        ({"schema": NONE, "backfill": PART}, IN_PROGRESS),
        ({"schema": FULL, "hand": "Done"}, DONE),
        ({"schema": FULL, "hand": "Todo"}, IN_PROGRESS),
        ({"schema": FULL, "hand": ""}, IN_PROGRESS),
        ({"schema": NONE, "hand": "Deferred"}, OPEN),
    ],
)
def test_a_stage_follows_its_tasks(states: dict[str, Proof | str], expected: str) -> None:
    found = stage_of(states)
    assert found is not None
    assert found.status == expected


def test_a_stage_that_only_people_judge_is_theirs() -> None:
    assert stage_of({"hand": "Done"}) is None


def test_a_stage_lists_its_tasks() -> None:
    found = stage_of({"schema": FULL, "backfill": PART, "gate": NONE})
    assert found is not None
    assert found.text.splitlines() == [
        "1 of 3 tasks done",
        f"Done: TSK-1.0 Do TSK-1.0 - {FULL.text}",
        f"In progress: TSK-1.1 Do TSK-1.1 - {PART.text}; missing: audcad, usdjpy",
        "To do: TSK-1.2 Do TSK-1.2",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("Todo", "In Progress", "Done"), ["Todo", "In Progress", "Done"]),
        (("Not Started", "In Progress", "Complete"), ["Not Started", "In Progress", "Complete"]),
        ((), ["Todo", "In Progress", "Done"]),
    ],
)
def test_words_are_those_of_the_live_field(options: tuple[str, ...], expected: list[str]) -> None:
    field = Field("Status", "singleSelect", options)
    assert [status.spelled(one, "Tasks", field) for one in (OPEN, IN_PROGRESS, DONE)] == expected
    assert [status.understood(one) for one in expected] == [OPEN, IN_PROGRESS, DONE]


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ("Blocked", {"todo": False, "in_progress": False, "done": True}),
        ("On Hold", {"todo": False, "in_progress": False, "done": True}),
        ("Deferred", {"todo": False, "in_progress": False, "done": True}),
        ("In Progress", {"todo": False, "in_progress": False, "done": True}),
        ("Done", {"todo": True, "in_progress": True, "done": False}),
        ("Todo", {"todo": False, "in_progress": True, "done": True}),
        (None, {"todo": True, "in_progress": True, "done": True}),
        ("  ", {"todo": True, "in_progress": True, "done": True}),
    ],
)
def test_what_may_replace_a_status(live: str | None, expected: dict[str, bool]) -> None:
    assert {wanted: status.replaces(wanted, live) for wanted in expected} == expected


def test_a_missing_option_is_refused_with_those_there_are() -> None:
    with pytest.raises(PlanRefused, match=r"Tasks\.Status has no option for 'done'.*'Todo', 'Erledigt'"):
        status.spelled(DONE, "Tasks", Field("Status", "singleSelect", ("Todo", "Erledigt")))


def test_only_the_time_does_not_count() -> None:
    text = standing_of(item(), FULL, RIGHT).text
    assert status.with_time(text, NOW).endswith("As of 2026-11-22 19:30 UTC")
    assert status.without_time(status.with_time(text, NOW)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (192, "3 min 12 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert status.duration(seconds) == text
