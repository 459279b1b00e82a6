"""Gaps of every kind planted in a base: all are found and no other; closing them closes all that may be."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.plan import blocks
from include.plan.gaps import KINDS, Gap, analyse
from include.plan.live import Record, Snapshot
from include.plan.model import Item, Plan
from tests.include.plan import worlds

Mark = tuple[str, str, str, str | None]  # kind, table, key or record id, field
STAGES, WITH_TASKS = 90, 45


def wanted() -> Plan:
    """Ninety stages in three phases; the tasks of half of them."""
    plan = worlds.plan(stages=STAGES, tasks=2)
    homes = [item.key for item in plan.items if item.table == "Stages"][:WITH_TASKS]
    kept = [i for i in plan.items if i.table != "Tasks" or i.links["Stage (Link)"][1] in homes]
    return worlds.of(kept)


PLAN = wanted()
BASE = worlds.fulfilled(PLAN)


class Garden:
    """A base in which gaps are planted, each in a record that no other gap is in."""

    def __init__(self, seed: int) -> None:
        self.base = BASE
        self.planted: set[Mark] = set()
        self.serial = 0
        stages = [item for item in PLAN.items if item.table == "Stages"]
        self.tasks = [item for item in PLAN.items if item.table == "Tasks"]
        self.homes, self.stages = stages[:WITH_TASKS], stages[WITH_TASKS:]
        draw = random.Random(seed)
        for items in (self.tasks, self.stages):
            draw.shuffle(items)

    def mark(self, kind: str, item: Item, field: str | None = None) -> None:
        self.planted.add((kind, item.table, item.key, field))

    def name(self) -> str:
        self.serial += 1
        return f"recStray{self.serial:04d}"

    def live(self, item: Item) -> Record:
        return worlds.record(self.base, item.table, item.key)

    def edit(self, item: Item, **fields: object) -> None:
        values = {name.replace("_", " ").replace("LINK", "(Link)"): value for name, value in fields.items()}
        self.base = worlds.edit(self.base, item.table, self.live(item).id, values)


def missing_task(garden: Garden) -> None:
    item = garden.tasks.pop()
    garden.base = worlds.remove(garden.base, "Tasks", item.key)
    garden.mark("missing", item)


def missing_stage(garden: Garden) -> None:
    item = garden.stages.pop()
    garden.base = worlds.remove(garden.base, "Stages", item.key)
    garden.mark("missing", item)


def stale_estimate(garden: Garden) -> None:
    item = garden.tasks.pop()
    garden.edit(item, Estimated_Hours=99)
    garden.mark("outdated", item, "Estimated Hours")


def stale_choice_and_text(garden: Garden) -> None:
    item = garden.tasks.pop()
    garden.edit(item, Priority="Low", Task_Name=None)
    garden.mark("outdated", item, "Priority")
    garden.mark("outdated", item, "Task Name")


def stale_block(garden: Garden) -> None:
    item = garden.stages.pop()
    garden.edit(item, Description=f"Keep me.\n{blocks.put('', blocks.PLAN, '109 raw + 148 lagged')}")
    garden.mark("outdated", item, "Description")


def damaged_block(garden: Garden) -> None:
    item = garden.stages.pop()
    garden.edit(item, Description="[bqx:plan] somebody cut the end")
    garden.mark("outdated", item, "Description")


def wrong_stage(garden: Garden) -> None:
    item = garden.tasks.pop()
    other = next(one for one in garden.homes if one.key != item.links["Stage (Link)"][1])
    garden.edit(item, Stage_LINK=[garden.live(other).id])
    garden.mark("outdated", item, "Stage (Link)")


def orphan_task(garden: Garden) -> None:
    item = garden.tasks.pop()
    garden.edit(item, Stage_LINK=[])
    garden.mark("orphan", item, "Stage (Link)")


def orphan_stage(garden: Garden) -> None:
    item = garden.stages.pop()
    garden.edit(item, Phase_LINK="recWentAway00001")
    garden.mark("orphan", item, "Phase (Link)")


def orphan_of_others(garden: Garden) -> None:
    key = f"Old work {garden.name()}"
    garden.base = worlds.add(garden.base, "Stages", {"Stage ID": key, "Phase (Link)": "rec0"}, garden.name())
    garden.planted.add(("orphan", "Stages", key, "Phase (Link)"))


def duplicate(garden: Garden) -> None:
    item = garden.stages.pop()
    garden.base = worlds.add(garden.base, "Stages", garden.live(item).fields, garden.name())
    garden.mark("duplicate", item)


def duplicate_of_others(garden: Garden) -> None:
    key = f"0.{garden.serial} - Old"
    home = garden.live(garden.homes[0]).fields["Phase (Link)"]
    for _ in range(2):
        garden.base = worlds.add(
            garden.base, "Stages", {"Stage ID": key, "Phase (Link)": home}, garden.name()
        )
    garden.planted.add(("duplicate", "Stages", key, None))


def other_generation(garden: Garden) -> None:
    item = garden.stages.pop()
    fields = {**garden.live(item).fields, "Stage ID": f"{item.number} - Older idea"}
    garden.base = worlds.add(garden.base, "Stages", fields, garden.name())
    garden.planted.add(("collision", "Stages", f"{item.number} - Older idea", None))


def taken_number(garden: Garden) -> None:
    item = garden.stages.pop()
    garden.edit(item, Stage_ID=f"Stage {item.number}: Older idea")
    garden.planted.add(("collision", "Stages", f"Stage {item.number}: Older idea", None))
    garden.mark("missing", item)


def other_meaning(garden: Garden) -> None:
    item = garden.tasks.pop()
    garden.edit(item, Task_Name="Part of a validation suite", Description="Theirs")
    garden.mark("collision", item, "Task Name")


def extra_task(garden: Garden) -> None:
    record_id, home = garden.name(), garden.homes[0]
    fields = {"Task ID": f"TSK-{home.number}.{100 + garden.serial}", "Stage (Link)": [garden.live(home).id]}
    garden.base = worlds.add(garden.base, "Tasks", fields, record_id)
    garden.planted.add(("extra", "Tasks", fields["Task ID"], None))


def empty_key(garden: Garden) -> None:
    record_id = garden.name()
    home = garden.live(garden.homes[1]).fields["Phase (Link)"]
    garden.base = worlds.add(garden.base, "Stages", {"Phase (Link)": home}, record_id)
    garden.planted.add(("extra", "Stages", record_id, None))


PLANTS: tuple[Callable[[Garden], None], ...] = (
    missing_task,
    missing_stage,
    stale_estimate,
    stale_choice_and_text,
    stale_block,
    damaged_block,
    wrong_stage,
    orphan_task,
    orphan_stage,
    orphan_of_others,
    duplicate,
    duplicate_of_others,
    other_generation,
    taken_number,
    other_meaning,
    extra_task,
    empty_key,
)


def mark_of(gap: Gap) -> Mark:
    return gap.kind, gap.table, gap.key or gap.record_ids[0], gap.field


def check(garden: Garden) -> None:
    """Found is what was planted, and writing the changes leaves exactly what only people can settle."""
    first = analyse(PLAN, garden.base)
    found = [mark_of(gap) for gap in first.gaps]
    assert len(found) == len(set(found))
    assert set(found) == garden.planted
    after = worlds.apply(garden.base, first.changes)
    nothing_is_lost(garden.base, after)
    second = analyse(PLAN, after)
    assert second.changes == ()
    changed = {(change.table, change.key) for change in first.changes}
    assert {mark_of(gap) for gap in second.gaps} == {
        mark_of(gap) for gap in first.gaps if (gap.table, gap.key) not in changed
    }


def nothing_is_lost(before: Snapshot, after: Snapshot) -> None:
    """Every record is still there, with the fields that are not managed as they were."""
    items = {(item.table, item.key): item for item in PLAN.items}
    now = {record.id: record for record in after.records()}
    for old in before.records():
        new = now[old.id]
        item = items.get((old.table, before.tables[old.table].key(old)))
        ours = {*item.fields, *item.blocks, *item.links} if item else set()
        assert {k: v for k, v in new.fields.items() if k not in ours} == {
            k: v for k, v in old.fields.items() if k not in ours
        }
        for name in item.blocks if item else ():
            text = str(old.fields.get(name, ""))
            if text.count("[bqx:plan") == text.count("[/bqx:plan") == 1:
                around = blocks.around(text, blocks.PLAN)
                assert blocks.around(new.fields[name], blocks.PLAN) == around
            else:
                assert new.fields[name] == old.fields[name]


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_planted_gaps_are_all_found_and_no_other(seed: int) -> None:
    garden, draw = Garden(seed), random.Random(seed)
    for plant in PLANTS:
        plant(garden)
    while len(garden.planted) < 100:
        draw.choice(PLANTS)(garden)
    assert {mark[0] for mark in garden.planted} == set(KINDS)
    check(garden)


@given(st.integers(0, 10_000), st.lists(st.sampled_from(PLANTS), max_size=20))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_mixture_of_gaps_is_found_exactly(seed: int, plants: list[Callable[[Garden], None]]) -> None:
    garden = Garden(seed)
    for plant in plants:
        plant(garden)
    check(garden)


@given(st.integers(0, 10_000), st.lists(st.sampled_from(PLANTS), max_size=12), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_run_that_was_killed_goes_on_without_writing_twice(
    seed: int, plants: list[Callable[[Garden], None]], data: st.DataObject
) -> None:
    garden = Garden(seed)
    for plant in plants:
        plant(garden)
    changes = analyse(PLAN, garden.base).changes
    some = changes[: data.draw(st.integers(0, len(changes)))]
    half = worlds.apply(garden.base, some)
    rest = analyse(PLAN, half).changes
    assert len(some) + len(rest) == len(changes)
    whole = worlds.apply(half, [replace(change) for change in rest])
    assert analyse(PLAN, whole).changes == ()


def test_the_order_of_records_does_not_matter() -> None:
    garden = Garden(7)
    for plant in PLANTS:
        plant(garden)
    turned = Snapshot({name: replace(t, records=t.records[::-1]) for name, t in garden.base.tables.items()})
    first, second = analyse(PLAN, garden.base), analyse(PLAN, turned)
    assert first.changes == second.changes
    assert {mark_of(gap) for gap in first.gaps} == {mark_of(gap) for gap in second.gaps}
