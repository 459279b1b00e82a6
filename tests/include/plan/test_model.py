"""The managed records: how many, which, and what is written on them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from include import settings
from include.plan.model import Item, load
from tests.include.plan.drafts import draft


@pytest.fixture(scope="module")
def items() -> dict[str, Item]:
    return {item.key: item for item in load().items}


def test_records_by_table_in_order() -> None:
    plan = load()
    tables = [item.table for item in plan.items]
    assert Counter(tables) == {"Plans": 1, "Phases": 7, "Stages": 20, "Tasks": 50}
    assert tables == sorted(tables, key=["Plans", "Phases", "Stages", "Tasks"].index)
    assert len({(item.table, item.key) for item in plan.items}) == 78
    assert Counter(item.table for item in plan.items if item.new) == {"Phases": 1, "Stages": 12, "Tasks": 50}


def test_stage_record(items: dict[str, Item]) -> None:
    item = items["1.6.10 - Technical IDX Build"]
    assert (item.number, item.title, item.new) == ("1.6.10", "Technical IDX Build", True)
    assert item.fields == {
        "Duration": "8 hours",
        "Stage Code": "BQX-1.6.10",
        "Assigned To": "DATA-001",
        "Estimated Cost": 5,
    }
    assert item.once == {"Status": "Todo"}
    assert item.links == {
        "Phase (Link)": ("Phases", "Phase 1.6: Feature Development"),
        "Plan (Link)": ("Plans", "MP-BQX-001: BQX ML Master Plan"),
    }
    assert item.blocks["Description"].endswith(
        "Depends on: 1.6.9\n"
        "features 15 (idx 15, bqx 0, shared 0); tables technical_idx_{pair}; partitions 336"
    )


def test_every_new_stage_carries_the_line_that_programs_read(items: dict[str, Item]) -> None:
    shape = r"features (\d+) \(idx (\d+), bqx (\d+), shared (\d+)\); tables .+; partitions (336|0)"
    counts = []
    for item in items.values():
        if item.table == "Stages" and item.new:
            last = re.fullmatch(shape, item.blocks["Description"].splitlines()[-1])
            assert last, item.key
            assert int(last[1]) == sum(int(last[place]) for place in (2, 3, 4))
            counts.append(int(last[1]))
    assert counts == [0, 15, 15, 24, 10, 10, 8, 20, 25, 0, 0, 0]


def test_updated_stages_keep_what_people_decided(items: dict[str, Item]) -> None:
    updated = [item for item in items.values() if item.table == "Stages" and not item.new]
    assert [item.number for item in updated] == ["1.3", "1.5.2", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3"]
    assert all(set(item.fields) <= {"Duration"} and not item.once for item in updated)
    durations = [item.fields.get("Duration") for item in updated]
    assert durations == [
        None, None, "5 hours", "6 hours", "4 hours", "15 hours", "60 hours, only if needed", "15-25 hours",
    ]  # fmt: skip
    assert "10,313,378" in updated[0].blocks["Description"]
    assert "features 352 (idx 72, bqx 72, shared 208); groups lag 180" in updated[3].blocks["Description"]


def test_task_record(items: dict[str, Item]) -> None:
    item = items["TSK-1.6.10.3"]
    assert (item.number, item.title) == ("1.6.10.3", "Execute backfill (336 partitions)")
    assert item.fields == {
        "Task Name": "Execute backfill (336 partitions)",
        "Priority": "High",
        "Assigned To": "DATA-001",
        "Estimated Hours": 4,
    }
    assert item.links["Stage (Link)"] == ("Stages", "1.6.10 - Technical IDX Build")
    assert item.evidence is not None
    assert (item.evidence.kind, item.evidence.families) == ("backfill", ("technical_idx",))
    assert item.evidence.dag == "bqx_features"
    assert item.evidence.airflow_task == "pairs.s1_6_10_technical_idx.build"


def test_priorities(items: dict[str, Item]) -> None:
    priorities = {key: item.fields["Priority"] for key, item in items.items() if item.table == "Tasks"}
    assert {priorities[f"TSK-1.6.9.{number}"] for number in (1, 2, 3)} == {"Critical"}
    assert [priorities[f"TSK-1.6.13.{number}"] for number in (1, 2, 3, 4)] == [
        "Medium",
        "High",
        "High",
        "Medium",
    ]
    assert {priorities[f"TSK-1.6.17.{number}"] for number in (1, 2, 3, 4, 5)} == {"High"}
    assert {value for key, value in priorities.items() if key.startswith(("TSK-5.1", "TSK-5.2"))} == {"High"}
    assert {value for key, value in priorities.items() if key.startswith("TSK-5.3")} == {"Medium"}


def test_evidence_of_every_stage_names_the_task_that_builds_it(items: dict[str, Item]) -> None:
    """Group and families as in the DAG that builds them."""
    groups = {stage.group: (f"pairs.{stage.group}.build", stage.families) for stage in settings.STAGES}
    groups[settings.LAST_STAGE.group] = (
        f"last.{settings.LAST_STAGE.group}.build",
        settings.LAST_STAGE.families,
    )
    for item in items.values():
        if item.evidence and item.evidence.dag == "bqx_features" and item.key != "TSK-1.6.17.5":
            name = item.evidence.airflow_task.split(".")[1]
            assert (item.evidence.airflow_task, item.evidence.families) == groups[name]
            assert name.startswith("s" + item.number.rpartition(".")[0].replace(".", "_"))
    kinds = Counter(item.evidence.kind for item in items.values() if item.evidence)
    assert kinds == {
        "schema": 8, "implemented": 9, "backfill": 8, "gate": 8, "renamed": 1, "counts": 1,
        "documented": 1, "trained": 1, "decided": 2,
            "measured": 1, "drawn": 2, "provided": 1, "fired": 1, "drilled": 4, "retrained": 2, "reported": 2,
            "kept": 1,
    }  # fmt: skip


def test_phase_records(items: dict[str, Item]) -> None:
    new = items["Phase 5: Production Operations"]
    assert new.new
    assert new.fields == {"Duration": "12 hours, then ongoing", "Phase Number": 5}
    assert new.once == {"Status": "Not Started"}
    assert items["Phase 1.6: Feature Development"].fields == {"Duration": "25-30 hours"}
    assert items["Phase 3: Model Development"].fields == {"Duration": "30-40 hours"}
    assert items["Phase 4: SageMaker Deployment"].fields == {}
    assert "P99" in items["Phase 4: SageMaker Deployment"].blocks["Description"]
    assert set(items["Phase 1: Data Foundation"].blocks) == {"Notes"}


def test_plan_record(items: dict[str, Item]) -> None:
    blocks = items["MP-BQX-001: BQX ML Master Plan"].blocks
    assert set(blocks) == {"Description", "Timeline", "Success Criteria"}
    assert "$535 -> $286 a month (47% less)" in blocks["Description"]
    assert "160 engineering hours" in blocks["Description"]
    assert "300 h -> 80-100 h (67% less or better); scheduled 81-98 h" in blocks["Timeline"]
    assert len(blocks["Success Criteria"].splitlines()) == 7


def test_links_lead_to_records_of_the_plan(items: dict[str, Item]) -> None:
    links = {"Plans": set(), "Phases": {"Plan (Link)"}, "Stages": {"Phase (Link)", "Plan (Link)"}}
    links["Tasks"] = {"Stage (Link)", "Plan (Link)"}
    for item in items.values():
        assert set(item.links) == links[item.table], item.key
        for table, key in item.links.values():
            assert items[key].table == table


def test_no_text_has_a_number_left_to_fill_in(items: dict[str, Item]) -> None:
    texts = [text for item in items.values() for text in item.blocks.values()]
    assert {name for text in texts for name in re.findall(r"\{\w*\}", text)} == {"{pair}"}
    assert all(text == text.strip() and text for text in texts)


def test_decisions() -> None:
    decisions = load().decisions
    created = {key for key, decision in decisions.items() if decision.action == "create"}
    assert created == {
        ("Phases", "Phase 5: Production Operations"),
        ("Stages", "5.1 - Monitoring & Dashboards"),
        ("Stages", "5.2 - Operational Runbook"),
    }
    assert all(decision.reason for decision in decisions.values())


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    assert load(draft(tmp_path)) == load()


def test_a_number_is_written_once(tmp_path: Path) -> None:
    """One number changed in plan.yaml changes every text that shows it."""
    folder = draft(tmp_path, ("plan.yaml", "partitions: 336", "partitions: 448"))
    texts = " ".join(str(item) for item in load(folder).items)
    assert "336" not in texts
    assert "Execute backfill (448 partitions)" in texts
