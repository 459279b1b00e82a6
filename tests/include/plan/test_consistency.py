"""Check 8: links, keys and a second run, before anything is written and after."""

from __future__ import annotations

import pytest

from include.plan import consistency
from include.plan.gaps import analyse
from include.plan.live import Snapshot
from include.plan.model import Decision
from tests.include.plan import worlds

STAGE, TASK = "2.2 - Build 1", "TSK-2.2.1"


def off(snapshot: Snapshot, plan: worlds.Plan | None = None) -> dict[str, str]:
    checks = consistency.check(plan or worlds.plan(), snapshot)
    assert len(checks) == 4
    assert all(check.name.startswith("8 ") for check in checks)
    return {check.name: check.explanation for check in checks if not check.ok}


def test_a_base_that_is_as_wanted_passes() -> None:
    assert off(worlds.fulfilled(worlds.plan())) == {}


def test_the_projection_is_what_a_base_would_become() -> None:
    plan = worlds.plan()
    base = worlds.remove(worlds.remove(worlds.fulfilled(plan), "Tasks", TASK), "Stages", STAGE)
    stage = worlds.record(base, "Stages", "1.1 - Build 0")
    base = worlds.edit(
        base, "Stages", stage.id, {"Duration": "old", "Description": "Mine.", "Phase (Link)": None}
    )
    changes = analyse(plan, base).changes
    after, real = consistency.projected(base, changes), worlds.apply(base, changes)
    assert off(after) == {}
    for table in after.tables.values():
        keys = [table.key(record) for record in table.records]
        assert keys == [real.tables[table.name].key(record) for record in real.tables[table.name].records]
        texts = [record.fields.get("Description") for record in table.records]
        assert texts == [record.fields.get("Description") for record in real.tables[table.name].records]
    assert str(worlds.record(after, "Stages", "1.1 - Build 0").fields["Description"]).startswith("Mine.\n\n[")
    assert off(base) != {}


def test_a_missing_link_a_double_key_and_a_change_are_told() -> None:
    base = worlds.fulfilled(worlds.plan())
    base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", TASK).id, {"Stage (Link)": []})
    base = worlds.add(base, "Tasks", worlds.record(base, "Tasks", "TSK-1.1.1").fields)
    told = off(base)
    assert told == {
        "8 Tasks of the plan linked to exactly one of Stages": TASK,
        "8 Keys of the plan that are there more than once": "TSK-1.1.1 (2 times)",
        "8 Changes that a further run would write": f"update {TASK}",
    }


def test_a_decided_duplicate_does_not_count() -> None:
    plan = worlds.plan(decisions={("Tasks", TASK): Decision("ignore", "known")})
    base = worlds.fulfilled(plan)
    base = worlds.add(base, "Tasks", worlds.record(base, "Tasks", TASK).fields)
    assert off(base, plan) == {}
    assert off(base) != {}


def test_a_second_link_is_one_too_many() -> None:
    base = worlds.fulfilled(worlds.plan())
    both = [worlds.record(base, "Stages", key).id for key in (STAGE, "1.1 - Build 0")]
    base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", TASK).id, {"Stage (Link)": both})
    assert off(base)["8 Tasks of the plan linked to exactly one of Stages"] == TASK


IGNORE = Decision("ignore", "known")


def unclear(base: Snapshot, plan: worlds.Plan) -> None:
    """A base with something left alone: its checks hold, and the others are carried out."""
    base = worlds.remove(base, "Tasks", "TSK-1.1.1")
    changes = analyse(plan, base).changes
    assert [change.key for change in changes] == ["TSK-1.1.1"]
    assert off(consistency.projected(base, changes), plan) == {}
    assert off(worlds.apply(base, changes), plan) == {}


@pytest.mark.parametrize("decided", [False, True])
def test_a_task_id_used_for_something_else_stops_nothing(decided: bool) -> None:
    plan = worlds.plan(decisions={("Tasks", TASK): IGNORE} if decided else None)
    base = worlds.fulfilled(plan)
    theirs = {"Task Name": "Validate suite", "Description": "Theirs", "Stage (Link)": None}
    base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", TASK).id, theirs)
    assert bool(analyse(plan, base).blocking) is not decided, "the run tells of it at its end"
    unclear(base, plan)


def test_a_record_to_ignore_may_be_linked_to_anything() -> None:
    plan = worlds.plan(decisions={("Tasks", TASK): IGNORE, ("Stages", STAGE): IGNORE})
    base = worlds.fulfilled(plan)
    base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", TASK).id, {"Stage (Link)": None})
    base = worlds.edit(base, "Stages", worlds.record(base, "Stages", STAGE).id, {"Phase (Link)": None})
    unclear(base, plan)


@pytest.mark.parametrize("astray", [True, False])
def test_a_link_that_waits_for_its_parent_stops_nothing(astray: bool) -> None:
    plan = worlds.plan(decisions={("Stages", STAGE): IGNORE})
    base = worlds.fulfilled(plan)
    other = worlds.record(base, "Stages", "1.1 - Build 0").id
    base = worlds.add(base, "Stages", worlds.record(base, "Stages", STAGE).fields, "recTwin")
    task = worlds.record(base, "Tasks", TASK)
    base = worlds.edit(base, "Tasks", task.id, {"Stage (Link)": None if astray else [other]})
    kind = "orphan" if astray else "outdated"
    assert [(gap.kind, gap.key) for gap in analyse(plan, base).gaps if gap.table == "Tasks"] == [(kind, TASK)]
    unclear(base, plan)


def test_what_is_left_alone_does_not_hide_the_others() -> None:
    plan = worlds.plan(decisions={("Tasks", TASK): IGNORE})
    base = worlds.fulfilled(plan)
    for key in (TASK, "TSK-2.2.2"):
        base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", key).id, {"Stage (Link)": None})
    assert off(base, plan)["8 Tasks of the plan linked to exactly one of Stages"] == "TSK-2.2.2"
