"""Check 8: links, keys and a second run, before anything is written and after."""

from __future__ import annotations

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
