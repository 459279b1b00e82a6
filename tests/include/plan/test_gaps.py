"""The gap analysis: everything that is wrong is found, nothing else, and closing the gaps leaves none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.errors import PlanRefused
from include.plan import blocks
from include.plan.gaps import Gap, analyse, number_of, other_meaning
from include.plan.live import Block, Field, Snapshot
from include.plan.model import Decision, Plan
from tests.include.plan import worlds

STAGE, TASK = "2.2 - Build 1", "TSK-2.2.1"
IGNORE = Decision("ignore", "settled by hand")
CREATE = Decision("create", "another generation")


def kinds(gaps: tuple[Gap, ...]) -> list[tuple[str, str, str]]:
    return [(gap.kind, gap.table, gap.key) for gap in gaps]


def written(plan: Plan, base: Snapshot) -> list[tuple[str, str]]:
    return [(change.action, change.key) for change in analyse(plan, base).changes]


def deciding(table: str, key: str, decision: Decision) -> Plan:
    return worlds.plan(decisions={(table, key): decision})


def field_of(snapshot: Snapshot, table: str, key: str, name: str) -> Any:
    return worlds.record(snapshot, table, key).fields.get(name)


def test_a_base_that_is_as_wanted_has_no_gap() -> None:
    plan = worlds.plan()
    analysis = analyse(plan, worlds.fulfilled(plan))
    assert analysis.gaps == ()
    assert analysis.changes == ()


def test_what_is_missing_is_created_parents_first_then_updates() -> None:
    plan = worlds.plan(stages=2, tasks=2)
    base = worlds.fulfilled(plan)
    for key in ("1.1 - Build 0", "2.2 - Build 1"):
        base = worlds.remove(base, "Stages", key)
    for key in ("TSK-1.1.1", "TSK-1.1.2", "TSK-2.2.1", "TSK-2.2.2"):
        base = worlds.remove(base, "Tasks", key)
    phase = worlds.record(base, "Phases", "Phase 1: Part 1")
    base = worlds.edit(base, "Phases", phase.id, {"Duration": "old"})
    changes = analyse(plan, base).changes
    assert [(one.action, one.table) for one in changes] == [
        *[("create", "Stages")] * 2,
        *[("create", "Tasks")] * 4,
        ("update", "Phases"),
    ]
    assert changes[2].links == {"Stage (Link)": ("Stages", "1.1 - Build 0")}
    assert analyse(plan, worlds.apply(base, changes)).gaps == ()


def test_a_created_record_has_everything_and_its_status() -> None:
    plan = worlds.plan()
    base = worlds.remove(worlds.fulfilled(plan), "Tasks", TASK)
    (change,) = analyse(plan, base).changes
    assert change.fields == {
        "Task ID": TASK,
        "Task Name": "Step 1 of 2.2",
        "Estimated Hours": 0.25,
        "Priority": "High",
        "Status": "Todo",
    }
    assert change.blocks == {"Description": Block(blocks.PLAN, "Do step 1")}


def test_only_changed_fields_are_written_and_status_is_not_ours() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    found = worlds.record(base, "Tasks", TASK)
    base = worlds.edit(base, "Tasks", found.id, {"Estimated Hours": 7, "Status": "Done"})
    analysis = analyse(plan, base)
    assert analysis.gaps == (Gap("outdated", "Tasks", TASK, (found.id,), "Estimated Hours", 7, 0.25),)
    assert [change.fields for change in analysis.changes] == [{"Estimated Hours": 0.25}]


def test_text_of_people_around_a_block_survives_and_edits_in_it_do_not() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    found = worlds.record(base, "Stages", STAGE)
    text = found.fields["Description"].replace("features 15", "features 99") + "\r\n  Anna: call me  \n"
    base = worlds.edit(base, "Stages", found.id, {"Description": text, "Notes": "Mine"})
    analysis = analyse(plan, base)
    assert [(gap.found, gap.wanted) for gap in analysis.gaps] == [
        ("Stage 2.2\nfeatures 99", "Stage 2.2\nfeatures 15")
    ]
    (change,) = analysis.changes
    assert change.fields == {}, "a block is written, never a text as it was when somebody looked"
    assert change.blocks == {"Description": Block(blocks.PLAN, "Stage 2.2\nfeatures 15")}
    after = worlds.apply(base, analysis.changes)
    changed = field_of(after, "Stages", STAGE, "Description")
    assert blocks.around(changed, blocks.PLAN) == blocks.around(text, blocks.PLAN)
    assert field_of(after, "Stages", STAGE, "Notes") == "Mine"


def test_hours_in_a_duration_field_are_seconds_and_settle() -> None:
    base = worlds.fulfilled(worlds.plan())
    tasks = base.tables["Tasks"]
    retyped = {**tasks.fields, "Estimated Hours": Field("Estimated Hours", "duration")}
    base = Snapshot({**base.tables, "Tasks": replace(tasks, fields=retyped)})
    changes = [change for change in analyse(worlds.plan(), base).changes if change.table == "Tasks"]
    hours = {
        item.key: item.fields["Estimated Hours"] for item in worlds.plan().items if item.table == "Tasks"
    }
    assert {change.key: change.fields for change in changes} == {
        key: {"Estimated Hours": 3600 * value} for key, value in hours.items()
    }
    for change in changes:
        base = worlds.edit(base, "Tasks", str(change.record_id), dict(change.fields))
    assert analyse(worlds.plan(), base).changes == ()


def test_people_may_write_anything_outside() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    found = worlds.record(base, "Stages", STAGE)
    base = worlds.edit(base, "Stages", found.id, {"Description": f"A\n\n{found.fields['Description']}\tB"})
    assert analyse(plan, base).gaps == ()


def test_a_damaged_block_is_left_alone_the_other_fields_are_not() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    found = worlds.record(base, "Stages", STAGE)
    text = found.fields["Description"].replace("[/bqx:plan]", "")
    base = worlds.edit(base, "Stages", found.id, {"Description": text, "Duration": "1 day"})
    analysis = analyse(plan, base)
    assert [(gap.field, gap.blocking) for gap in analysis.gaps] == [
        ("Duration", False),
        ("Description", True),
    ]
    assert [dict(change.fields) for change in analysis.changes] == [{"Duration": "8 hours"}]
    assert "markers" in analysis.gaps[1].note


@pytest.mark.parametrize("decided", [False, True])
def test_a_wanted_key_that_is_there_twice_is_left_alone_with_its_children(decided: bool) -> None:
    plan = deciding("Stages", STAGE, IGNORE) if decided else worlds.plan()
    base = worlds.fulfilled(plan)
    base = worlds.remove(base, "Tasks", "TSK-2.2.2")
    twin = worlds.record(base, "Stages", STAGE)
    base = worlds.add(base, "Stages", {**twin.fields, "Duration": "other"}, "recTwin")
    analysis = analyse(plan, base)
    assert kinds(analysis.gaps) == [("duplicate", "Stages", STAGE), ("missing", "Tasks", "TSK-2.2.2")]
    assert analysis.gaps[0].record_ids == (twin.id, "recTwin")
    assert bool(analysis.blocking) is not decided
    assert analysis.changes == ()


def test_the_others_go_on_beside_a_record_that_is_left_alone() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    base = worlds.add(base, "Stages", worlds.record(base, "Stages", STAGE).fields, "recTwin")
    base = worlds.remove(base, "Tasks", "TSK-1.1.1")
    assert written(plan, base) == [("create", "TSK-1.1.1")]


def test_a_duplicate_that_the_plan_does_not_want_is_reported_only() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    home = {"Phase (Link)": worlds.record(base, "Phases", "Phase 1: Part 1").id}
    for record_id in ("recOld1", "recOld2"):
        base = worlds.add(base, "Stages", {"Stage ID": "0.7 - Old", **home}, record_id)
    analysis = analyse(plan, base)
    assert kinds(analysis.gaps) == [("duplicate", "Stages", "0.7 - Old")]
    assert not analysis.blocking
    assert analysis.changes == ()


@pytest.mark.parametrize(
    "key", ["2.2 - Other", "Stage 2.2: Build 1", "2.2 - Build 1 ", "02.2 - build 1", "2.2"]
)
def test_a_taken_number_stops_the_creation_until_a_decision(key: str) -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    old = worlds.record(base, "Stages", STAGE)
    base = worlds.edit(base, "Stages", old.id, {"Stage ID": key})
    for number in (1, 2, 3):
        base = worlds.remove(base, "Tasks", f"TSK-2.2.{number}")
    stopped = analyse(plan, base)
    assert kinds(stopped.gaps[:2]) == [("collision", "Stages", key), ("missing", "Stages", STAGE)]
    assert [gap.kind for gap in stopped.blocking] == ["collision"]
    assert stopped.changes == ()
    for table, decided in (("Stages", key), ("Stages", STAGE)):
        ignored = analyse(deciding(table, decided, IGNORE), base)
        assert (ignored.blocking, ignored.changes) == ((), ())
    created = analyse(deciding("Stages", STAGE, CREATE), base)
    assert created.blocking == ()
    assert [change.key for change in created.changes] == [STAGE, TASK, "TSK-2.2.2", "TSK-2.2.3"]
    assert "another generation" in created.gaps[0].note
    after = worlds.apply(base, created.changes)
    assert worlds.record(after, "Stages", key) == worlds.record(base, "Stages", key)
    again = analyse(plan, after)
    assert kinds(again.gaps) == [("collision", "Stages", key)]
    assert (again.blocking, again.changes) == ((), ())


def test_a_longer_number_is_another_number() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    home = {"Phase (Link)": worlds.record(base, "Phases", "Phase 1: Part 1").id}
    for key in ("2.20 - Other", "2.2.1 - Other", "12.2 - Other", "2 - Other", "2.2b - Other"):
        base = worlds.add(base, "Stages", {"Stage ID": key, **home})
    assert analyse(plan, base).gaps == ()


@pytest.mark.parametrize("decided", [False, True])
def test_a_task_id_with_another_meaning_is_left_alone(decided: bool) -> None:
    plan = deciding("Tasks", TASK, IGNORE) if decided else worlds.plan()
    base = worlds.fulfilled(plan)
    old = worlds.record(base, "Tasks", TASK)
    base = worlds.edit(base, "Tasks", old.id, {"Task Name": "Validate suite", "Description": "Theirs"})
    (gap,) = analyse(plan, base).gaps
    assert (gap.kind, gap.found, gap.wanted) == ("collision", "Validate suite", "Step 1 of 2.2")
    assert gap.blocking is not decided
    assert written(plan, base) == []


def test_a_task_that_carries_our_block_or_no_name_is_ours() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    for task, name in ((TASK, "Renamed by somebody"), ("TSK-2.2.2", None), ("TSK-2.2.3", "STEP 3 of 2.2")):
        old = worlds.record(base, "Tasks", task)
        text = old.fields["Description"] if task == TASK else "no block"
        base = worlds.edit(base, "Tasks", old.id, {"Task Name": name, "Description": text})
    analysis = analyse(plan, base)
    assert {gap.kind for gap in analysis.gaps} == {"outdated"}
    assert len(analysis.changes) == 3
    assert analyse(plan, worlds.apply(base, analysis.changes)).gaps == ()


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({"Task Name": "Renamed"}, ""),
        ({"Task Name": "Renamed", "Description": "[bqx:plan] cut"}, ""),
        ({"Task Name": " STEP 1 of 2.2 ", "Description": None}, ""),
        ({"Task Name": None, "Description": None}, ""),
        ({"Task Name": "Validate suite", "Description": "Theirs"}, "Validate suite"),
    ],
)
def test_whose_a_task_is(edits: dict[str, Any], expected: str) -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", TASK).id, edits)
    (item,) = [one for one in plan.items if one.key == TASK]
    assert other_meaning(item, worlds.record(base, "Tasks", TASK)) == expected


def test_a_task_with_a_damaged_block_is_ours_too() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    old = worlds.record(base, "Tasks", TASK)
    base = worlds.edit(base, "Tasks", old.id, {"Task Name": "Renamed", "Description": "[bqx:plan] cut"})
    analysis = analyse(plan, base)
    assert [(gap.kind, gap.field, gap.blocking) for gap in analysis.gaps] == [
        ("outdated", "Task Name", False),
        ("outdated", "Description", True),
    ]
    assert [dict(change.fields) for change in analysis.changes] == [{"Task Name": "Step 1 of 2.2"}]


@pytest.mark.parametrize(("decision", "blocking"), [(None, True), (IGNORE, False), (CREATE, False)])
def test_a_record_that_has_to_be_there_and_is_not(decision: Decision | None, blocking: bool) -> None:
    key = "Phase 2: Part 2"
    plan = deciding("Phases", key, decision) if decision else worlds.plan()
    base = worlds.remove(worlds.fulfilled(worlds.plan(stages=0)), "Phases", key)
    analysis = analyse(plan, base)
    assert kinds(analysis.gaps)[0] == ("missing", "Phases", key)
    assert bool(analysis.blocking) is blocking
    made = {change.key for change in analysis.changes}
    assert ({key, STAGE, TASK} <= made) if decision is CREATE else not ({key, STAGE, TASK} & made)
    assert "1.1 - Build 0" in made


def test_a_decision_to_ignore_leaves_the_record_alone_and_its_children_linked() -> None:
    plan = deciding("Stages", STAGE, IGNORE)
    base = worlds.remove(worlds.fulfilled(plan), "Tasks", TASK)
    base = worlds.edit(base, "Stages", worlds.record(base, "Stages", STAGE).id, {"Duration": "1 day"})
    analysis = analyse(plan, base)
    assert kinds(analysis.gaps) == [("outdated", "Stages", STAGE), ("missing", "Tasks", TASK)]
    assert "settled by hand" in analysis.gaps[0].note
    assert [change.key for change in analysis.changes] == [TASK]


@pytest.mark.parametrize("link", [None, "recGone", "recPl0000", []])
def test_orphans_of_others_are_reported_ours_are_linked(link: Any) -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    base = worlds.add(base, "Stages", {"Stage ID": "0.7 - Old", "Phase (Link)": link}, "recOld")
    ours = worlds.record(base, "Stages", STAGE)
    base = worlds.edit(base, "Stages", ours.id, {"Phase (Link)": link or None})
    analysis = analyse(plan, base)
    assert kinds(analysis.gaps) == [("orphan", "Stages", STAGE), ("orphan", "Stages", "0.7 - Old")]
    (change,) = analysis.changes
    assert (change.record_id, change.links) == (ours.id, {"Phase (Link)": ("Phases", "Phase 2: Part 2")})
    assert analysis.gaps[1].note.startswith("linked to")
    after = worlds.apply(base, analysis.changes)
    assert (
        field_of(after, "Stages", STAGE, "Phase (Link)")
        == worlds.record(base, "Phases", "Phase 2: Part 2").id
    )


def test_a_link_to_the_wrong_parent_and_one_of_several_are_mended() -> None:
    plan = worlds.plan()
    base = worlds.fulfilled(plan)
    right = worlds.record(base, "Stages", STAGE).id
    wrong = worlds.record(base, "Stages", "1.1 - Build 0").id
    for key, ids in ((TASK, [wrong]), ("TSK-2.2.2", [right, wrong])):
        base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", key).id, {"Stage (Link)": ids})
    analysis = analyse(plan, base)
    assert kinds(analysis.gaps) == [("outdated", "Tasks", TASK), ("outdated", "Tasks", "TSK-2.2.2")]
    after = worlds.apply(base, analysis.changes)
    assert field_of(after, "Tasks", "TSK-2.2.2", "Stage (Link)") == [right]


def test_extras_are_tasks_of_our_stages_and_records_without_a_key() -> None:
    plan = worlds.plan(decisions={("Stages", STAGE): CREATE})
    base = worlds.fulfilled(plan)
    ours = worlds.record(base, "Stages", STAGE).id
    phase = worlds.record(base, "Phases", "Phase 2: Part 2").id
    base = worlds.add(base, "Stages", {"Stage ID": "2.2 - Old meaning", "Phase (Link)": phase}, "recRival")
    base = worlds.add(base, "Stages", {"Stage ID": "9.9 - Theirs", "Phase (Link)": phase}, "recTheirs")
    for record_id, key, stage in (
        ("recA", "TSK-2.2.9", ours),
        ("recB", "T10.2.3", ours),
        ("recC", "TSK-2.2.8", "recTheirs"),
        ("recD", "TSK-2.2.7", "recRival"),  # the other generation's task
        ("recE", "TSK-9.9.1", "recTheirs"),
        ("recF", "", "recTheirs"),
        ("recG", "  ", "recTheirs"),
    ):
        base = worlds.add(base, "Tasks", {"Task ID": key, "Stage (Link)": [stage]}, record_id)
    analysis = analyse(plan, base)
    assert [gap.record_ids for gap in analysis.of("extra")] == [
        ("recA",),
        ("recB",),
        ("recC",),
        ("recF",),
        ("recG",),
    ]
    assert len(analysis.gaps) == 6
    assert analysis.changes == ()


def test_a_base_that_cannot_take_the_plan_is_refused_before_any_change() -> None:
    bare = worlds.empty()
    tasks = replace(bare.tables["Tasks"], fields={"Task ID": bare.tables["Tasks"].fields["Task ID"]})
    with pytest.raises(PlanRefused, match="Task Name"):
        analyse(worlds.plan(), Snapshot({**bare.tables, "Tasks": tasks}))


@pytest.mark.parametrize(
    ("table", "key", "number"),
    [
        ("Stages", "1.6.10 - Technical IDX Build", "1.6.10"),
        ("Stages", "Stage 1.5.1: Index", "1.5.1"),
        ("Stages", " 1.06 x", "1.6"),
        ("Stages", "1.6.x", ""),
        ("Stages", "Later", ""),
        ("Phases", "Phase 5: Advanced Windows", "5"),
        ("Phases", "Phase 1.5: Index", "1.5"),
        ("Tasks", "TSK-1.6.9.1", "1.6.9.1"),
        ("Tasks", "T10.2.3", ""),
        ("Plans", "1.2 - x", ""),
    ],
)
def test_numbers(table: str, key: str, number: str) -> None:
    assert number_of(table, key) == number
