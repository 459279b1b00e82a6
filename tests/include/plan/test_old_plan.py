"""The real plan against the old one as it was found: exactly what is to be done, and every planted wart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.plan import arithmetic, consistency
from include.plan.gaps import analyse
from include.plan.live import Snapshot
from include.plan.model import Plan, load
from local.airtable.seed import warts
from tests import airtable
from tests.include.plan import worlds
from tests.include.plan.clients import NO_LIMIT, client

UPDATED_STAGES = {
    "1.3 - BQX Backfill",
    "1.5.2 - REG Backfill",
    "2.1 - Base Feature Extraction",
    "2.2 - Derived Feature Computation",
    "2.3 - Feature Selection & Dataset Creation",
    "3.1 - Baseline Models",
    "3.2 - Advanced Models",
    "3.3 - Model Selection",
}
NEW_STAGES = [f"1.6.{number}" for number in range(9, 18)] + ["5.1", "5.2", "5.3"]
TASKS_OF = dict(zip(NEW_STAGES, [3, *[4] * 7, 5, 5, 5, 4], strict=True))
UPDATED_PHASES = {"1", "1.5", "1.6", "2", "3", "4"}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    with airtable.served(Path(tmp_path_factory.mktemp("airtable")), rate=NO_LIMIT) as server:
        yield client(server).snapshot()


def test_exactly_these_records_are_created_and_updated(plan: Plan, old: Snapshot) -> None:
    changes = analyse(plan, old).changes
    made = {(one.action, one.table): [] for one in changes}
    for one in changes:
        made[one.action, one.table].append(one.key)
    assert made.pop(("create", "Phases")) == ["Phase 5: Production Operations"]
    assert [key.split(" - ")[0] for key in made.pop(("create", "Stages"))] == NEW_STAGES
    tasks = made.pop(("create", "Tasks"))
    assert Counter(key.removeprefix("TSK-").rpartition(".")[0] for key in tasks) == TASKS_OF
    assert len(set(tasks)) == 50
    assert made.pop(("update", "Plans")) == ["MP-BQX-001: BQX ML Master Plan"]
    phases = made.pop(("update", "Phases"))
    assert {key.split(":")[0].removeprefix("Phase ") for key in phases} == UPDATED_PHASES
    assert set(made.pop(("update", "Stages"))) == UPDATED_STAGES
    assert made == {}


def test_every_planted_wart_is_found_and_no_other(plan: Plan, old: Snapshot) -> None:
    found = Counter(
        (gap.kind, gap.table, record_id)
        for gap in analyse(plan, old).gaps
        if gap.kind not in ("missing", "outdated")
        for record_id in gap.record_ids
    )
    assert found == Counter(warts())
    assert {kind for kind, _, _ in found} == {"collision", "duplicate", "orphan", "extra"}


def test_gaps_that_are_closed_are_those_of_the_changes(plan: Plan, old: Snapshot) -> None:
    analysis = analyse(plan, old)
    assert [gap.key for gap in analysis.of("missing")] == [
        change.key for change in analysis.changes if change.action == "create"
    ]
    updated = {(change.table, change.key) for change in analysis.changes if change.action == "update"}
    assert {(gap.table, gap.key) for gap in analysis.of("outdated")} == updated
    assert analysis.blocking == ()


def test_once_carried_out_nothing_is_left_and_warts_are_as_they_were(plan: Plan, old: Snapshot) -> None:
    first = analyse(plan, old)
    after = worlds.apply(old, first.changes)
    second = analyse(plan, after)
    assert second.changes == ()
    warts_before = [gap for gap in first.gaps if gap.kind not in ("missing", "outdated")]
    assert [(g.kind, g.key, g.record_ids) for g in second.gaps] == [
        (g.kind, g.key, g.record_ids) for g in warts_before
    ]
    changed = {change.record_id for change in first.changes}
    now = {record.id: record for record in after.records()}
    assert all(now[record.id] == record for record in old.records() if record.id not in changed)
    checks = (*arithmetic.check(plan.desired), *consistency.check(plan, after))
    assert [check.name for check in checks if not check.ok] == []


def test_without_the_decisions_what_is_in_the_way_blocks(plan: Plan, old: Snapshot) -> None:
    undecided = Plan(plan.items, {}, plan.desired)
    analysis = analyse(undecided, old)
    assert {gap.key for gap in analysis.blocking} == {
        "Phase 5: Advanced Windows",
        "5.1 - Extend BQX Windows",
        "5.2 - Cross-Window Variance Features",
    }
    made = [change.key for change in analysis.changes if change.action == "create"]
    assert len(made) == 9 + 36  # phase 1.6 goes on, phase 5 waits
    assert not any(key.startswith(("5.", "TSK-5.", "Phase 5")) for key in made)
