"""The old plan that the stand-in begins with: its size, its warts, and that it is the same every time."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyairtable import Base

from local.airtable.seed import GONE, Wart, old_plan, warts
from local.airtable.server import BASE_ID
from tests.airtable import connect, served

DESIRED = Path(__file__).parents[2] / "include" / "plan" / "desired"
MANAGED = [f"1.6.{number}" for number in range(9, 18)] + ["5.1", "5.2", "5.3"]
UPDATED = (
    "1.3 - BQX Backfill", "1.5.2 - REG Backfill", "2.1 - Base Feature Extraction",
    "2.2 - Derived Feature Computation", "2.3 - Feature Selection & Dataset Creation",
    "3.1 - Baseline Models", "3.2 - Advanced Models", "3.3 - Model Selection",
)  # fmt: skip
PHASES = (
    "Phase 0: Infrastructure", "Phase 1: Data Foundation", "Phase 1.5: Index Architecture",
    "Phase 1.6: Feature Development", "Phase 2: Feature Engineering Pipeline",
    "Phase 3: Model Development", "Phase 4: SageMaker Deployment", "Phase 5: Advanced Windows",
)  # fmt: skip

Records = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    with served(tmp_path_factory.mktemp("airtable"), rate=10**6) as server:
        yield connect(server.endpoint).base(BASE_ID)


@pytest.fixture(scope="module")
def records(base: Base) -> Records:
    names = ("Plans", "Phases", "Stages", "Tasks", "Todos")
    return {name: [dict(one) for one in base.table(name).all()] for name in names}


def values(records: Records, table: str, field: str) -> list[Any]:
    return [one["fields"].get(field) for one in records[table]]


def test_it_is_the_same_every_time() -> None:
    assert [table.plain() for table in old_plan()] == [table.plain() for table in old_plan()]
    ids = [one for table in old_plan() for one in table.records]
    assert len(ids) == len(set(ids))
    assert GONE not in ids


def test_its_size_is_that_of_the_export(records: Records) -> None:
    sizes = {"Plans": 1, "Phases": 18, "Stages": 108, "Tasks": 182, "Todos": 0}
    assert {name: len(found) for name, found in records.items()} == sizes
    assert Counter(values(records, "Stages", "Status")) == {"Todo": 70, "Done": 29, "In Progress": 9}
    codes = Counter(values(records, "Stages", "Stage Code"))
    assert codes.pop(None) == 17
    assert sorted(code for code, times in codes.items() if times > 1) == [
        "BQX-1.5.1", "BQX-2.1", "BQX-2.2", "BQX-2.3", "BQX-3.1", "BQX-3.2", "BQX-3.3",
    ]  # fmt: skip
    assert max(codes.values()) == 2
    assert sum(one is None for one in values(records, "Stages", "Stage ID")) == 11
    assert sum(one is None for one in values(records, "Stages", "Phase (Link)")) == 49
    assert all(values(records, "Stages", "Description"))
    filled = sum(one is not None for one in values(records, "Stages", "Estimated Cost"))
    assert 0.47 <= filled / 108 <= 0.59
    assert {"1 day", "Ongoing (2 hours/week)", "10-15 seconds"} <= set(values(records, "Stages", "Duration"))


def test_the_records_to_be_updated_are_there_once_and_outdated(records: Records) -> None:
    stages = Counter(values(records, "Stages", "Stage ID"))
    assert [stages[key] for key in UPDATED] == [1] * 8
    phases = {one["fields"]["Phase ID"]: one["fields"] for one in records["Phases"]}
    assert set(PHASES) <= set(phases)
    assert phases["Phase 3: Model Development"]["Duration"] == "113 hours"
    assert phases["Phase 2: Feature Engineering Pipeline"]["Duration"] == "20 hours"
    assert phases["Phase 1.5: Index Architecture"]["Phase Number"] == 1.5
    plan = records["Plans"][0]["fields"]
    assert (plan["Timeline"], plan["Estimated Budget"]) == ("300 hours", 535)
    assert len(plan["Phases (Link)"]) == 18
    homes = {one["id"]: one["fields"]["Phase ID"] for one in records["Phases"]}
    linked = {one["fields"].get("Stage ID"): one["fields"].get("Phase (Link)") for one in records["Stages"]}
    for key in UPDATED:
        number = homes[linked[key]].removeprefix("Phase ").partition(":")[0]
        assert key.startswith(f"{number}."), key


def test_nothing_of_what_is_to_be_created_is_there(records: Records) -> None:
    stages, tasks = values(records, "Stages", "Stage ID"), values(records, "Tasks", "Task ID")
    wanted = yaml.safe_load((DESIRED / "tasks.yaml").read_text())["tasks"]
    new = {task["task"] for group in wanted.values() for task in group}
    assert len(new) == 50
    assert not new & set(tasks)
    ours = re.compile(rf"({'|'.join(map(re.escape, MANAGED))}) - ")
    present = sorted(key for key in stages if key and ours.match(key))
    assert present == ["5.1 - Extend BQX Windows", "5.2 - Cross-Window Variance Features"]


def found_by_reading(records: Records) -> set[Wart]:
    """What a reader of the four tables finds, who knows the numbers of the plan and the keys it updates."""
    parents = {"Stages": ("Phase (Link)", "Phases"), "Tasks": ("Stage (Link)", "Stages")}
    primary = {"Phases": "Phase ID", "Stages": "Stage ID", "Tasks": "Task ID"}
    taken = {"Phases": set(PHASES[:-1]), "Stages": set(UPDATED)}
    numbers = {
        "Phases": {"1", "1.5", "1.6", "2", "3", "4", "5"},
        "Stages": {*MANAGED, *(key.split(" - ")[0] for key in UPDATED)},
    }
    found: set[Wart] = set()
    for table, field in primary.items():
        by_key: dict[str, list[str]] = defaultdict(list)
        for one in records[table]:
            key = one["fields"].get(field, "")
            by_key[key].append(one["id"])
            number = re.match(r"(?:Phase |Stage |TSK-)?([\d.]*\d)", key)
            if table != "Tasks" and number and number[1] in numbers[table] and key not in taken[table]:
                found.add(("collision", table, one["id"]))
            if not key:
                found.add(("extra", table, one["id"]))
            if table == "Tasks" and number and key.startswith("TSK-"):
                stage = number[1].rpartition(".")[0]
                found |= {("extra", table, one["id"])} if stage in MANAGED else set()
            if table in parents:
                link, parent = parents[table]
                home = one["fields"].get(link) or [""]
                ids = {other["id"] for other in records[parent]}
                if not ids & {*([home] if isinstance(home, str) else home)}:
                    found.add(("orphan", table, one["id"]))
        for key, ids_of_key in by_key.items():
            if key and len(ids_of_key) > 1:
                found |= {("duplicate", table, one) for one in ids_of_key}
    return found


def test_its_warts_are_those_that_a_reader_finds(records: Records) -> None:
    told = warts()
    assert len(told) == len(set(told))
    assert set(told) == found_by_reading(records)
    assert Counter((kind, table) for kind, table, _ in told) == {
        ("collision", "Phases"): 1, ("collision", "Stages"): 8,
        ("duplicate", "Phases"): 2, ("duplicate", "Stages"): 4, ("duplicate", "Tasks"): 2,
        ("orphan", "Stages"): 51, ("orphan", "Tasks"): 7,
        ("extra", "Stages"): 11, ("extra", "Tasks"): 2,
    }  # fmt: skip


def test_both_sides_of_its_links_agree(records: Records) -> None:
    homes = {one["id"]: one["fields"].get("Stage (Link)", []) for one in records["Tasks"]}
    tasks = {one["id"]: one["fields"].get("Tasks (Link)", []) for one in records["Stages"]}
    assert {(task, one) for task, ids in homes.items() for one in ids if one != GONE} == {
        (task, stage) for stage, ids in tasks.items() for task in ids
    }


def test_what_people_wrote_is_odd_enough(records: Records) -> None:
    texts = "".join(filter(None, values(records, "Stages", "Description")))
    assert all(one in texts for one in ("<b>", "&", "%", "⚠", "é", "\n\n", "\t", '"'))


def test_every_value_is_one_that_its_field_accepts(base: Base) -> None:
    for table in ("Plans", "Phases", "Stages", "Tasks", "Resources", "Agents", "Gangs"):
        found = base.table(table).all()
        writable = [
            {
                name: value
                for name, value in one["fields"].items()
                if name != "Stage (Link)" or value != [GONE]
            }
            for one in found
        ]
        made = base.table(table).batch_create(writable)
        assert [one["fields"] for one in made] == writable
        base.table(table).batch_delete([one["id"] for one in made])
        assert base.table(table).all() == found
