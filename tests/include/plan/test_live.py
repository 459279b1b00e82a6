"""Snapshots and analyses survive their way through JSON."""

from __future__ import annotations

from include.plan.differences import Analysis
from include.plan.gaps import analyse
from include.plan.live import Record, Snapshot
from tests.include.plan import worlds


def test_a_snapshot_survives_json() -> None:
    base = worlds.fulfilled(worlds.plan())
    assert Snapshot.of(base.to_json()) == base
    assert Snapshot.of(base.to_json().encode()) == base


def test_an_analysis_survives_json() -> None:
    plan = worlds.plan()
    base = worlds.remove(worlds.fulfilled(plan), "Tasks", "TSK-2.2.1")
    stage = worlds.record(base, "Stages", "2.2 - Build 1")
    base = worlds.edit(
        base, "Stages", stage.id, {"Phase (Link)": "recGone", "Duration": None, "Description": "Words"}
    )
    analysis = analyse(plan, base)
    assert len(analysis.gaps) == 4
    assert len(analysis.changes) == 2
    assert all(change.links and change.blocks for change in analysis.changes)
    assert "Words" not in analysis.to_json(), "what people wrote is not carried along"
    assert Analysis.from_json(analysis.to_json()) == analysis


def test_records_by_key_keep_duplicates_and_empty_keys() -> None:
    base = worlds.add(worlds.empty(), "Stages", {"Stage ID": "1 - A"}, "rec1")
    base = worlds.add(base, "Stages", {"Stage ID": "1 - A"}, "rec2")
    base = worlds.add(base, "Stages", {"Duration": "x"}, "rec3")
    found = base.tables["Stages"].by_key()
    assert {key: [one.id for one in records] for key, records in found.items()} == {
        "1 - A": ["rec1", "rec2"],
        "": ["rec3"],
    }
    assert next(iter(base.records())) == Record("rec1", "Stages", {"Stage ID": "1 - A"})
