"""The old plan as it was found, with everything that is wrong with it. The same records in every run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from local.airtable.schema import LINKS, Record, Table, made_id
from local.airtable.tables import AUTONOMY, tables

Kind = Literal["collision", "duplicate", "orphan", "extra"]
Wart = tuple[Kind, str, str]

SOURCE = Path(__file__).with_name("old_plan.yaml")
GONE = made_id("rec", "deleted long ago")  # linked to, and not there
_BEGIN = datetime(2025, 10, 1, 8, tzinfo=UTC)
_STATUS = {"Done": "Done", "Doing": "In Progress", "Todo": "Todo"}
_PRIORITY = ("High", "Medium", "Low", "Critical")
_WORK = ("Prepare", "Carry out")

# What is wrong with the old plan.
COLLIDING = {
    "Phases": ("Phase 5: Advanced Windows",),
    "Stages": (
        "2.1 - Feature Table Audit",
        "2.2 - Lag Feature Generation",
        "2.3 - Feature Store Setup",
        "3.1 - TFT Architecture",
        "3.2 - TFT Training",
        "3.3 - Hyperparameter Search",
        "5.1 - Extend BQX Windows",
        "5.2 - Cross-Window Variance Features",
    ),
}
GONE_PHASE = "8.6 - Three Month Trial"  # holds the id of a phase that is not there
WRONG_PHASE = "7.6 - Risk Report"  # holds the id of a stage
GONE_STAGE = ("T6.3.1", "T7.2.2", "T8.1.2")  # tasks of stages that are not there
NO_STAGE = ("TSK-1.1.2", "TSK-4.2.1", "T9.3.1", "T10.4.2")  # tasks that nobody linked
TWICE = "T10.2.3"  # created once more by a second run
STRANGERS = ("TSK-1.6.9.4", "TSK-1.6.9.5")  # of the validation suite that 1.6.9 was to be once
_STRANGERS_HOME = "7.5 - Validation Suite"
_TWO_TASKS = 83  # stages with two tasks; the others have one


@cache
def _source() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(SOURCE.read_text())
    return found


def old_plan() -> list[Table]:
    """The 16 tables of the base, filled."""
    made = {table.name: table for table in tables()}
    plan = _Rows(made["Plans"]).add(_named(_source()["plan"]))
    phases = _phases(_Rows(made["Phases"]), plan)
    _stages(_Rows(made["Stages"]), plan, phases)
    _tasks(_Rows(made["Tasks"]), plan, made["Stages"])
    generic = {"Resource": "ML Engineer", "Hours": 300, "Notes": "Generic; skills to be decided."}
    _Rows(made["Resources"]).add(generic)
    _Rows(made["Agents"]).add({"Agent ID": "DATA-001", "Agent Name": "Data agent", "Role": "Features"})
    _Rows(made["Gangs"]).add({"Gang ID": "GANG-01", "Gang Name": "Feature gang"})
    _link_back(made)
    return list(made.values())


def warts() -> list[Wart]:
    """What is wrong with the old plan, as (kind, table, record id): a gap analysis has to find exactly these.

    Besides them it finds what is missing and outdated, which depends on the plan that is wanted.
    A collision names the record that is in the way, a duplicate all records with the key, an orphan the
    record without a parent, an extra the record that nobody wants.
    """
    made = {table.name: table for table in old_plan()}
    found: list[Wart] = []
    for table, keys in COLLIDING.items():
        found += [("collision", table, one) for key in keys for one in _ids(made[table], key)]
    for name in ("Phases", "Stages", "Tasks"):
        times = Counter(made[name].title(one) for one in made[name].records.values())
        twice = [key for key, number in times.items() if key and number > 1]
        found += [("duplicate", name, one) for key in twice for one in _ids(made[name], key)]
    phase = _key(made["Stages"], "Phase (Link)")
    known = made["Phases"].records
    stages = made["Stages"].records.values()
    found += [("orphan", "Stages", one.id) for one in stages if one.cells.get(phase) not in known]
    found += [("orphan", "Tasks", one) for key in GONE_STAGE + NO_STAGE for one in _ids(made["Tasks"], key)]
    found += [("extra", "Stages", one) for one in _ids(made["Stages"], "")]
    found += [("extra", "Tasks", one) for key in STRANGERS for one in _ids(made["Tasks"], key)]
    return found


class _Rows:
    """Adds records to a table, with ids and moments that are the same every time."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def add(self, values: Mapping[str, Any]) -> str:
        """A record of values by field name; returns its id."""
        ordinal = len(self.table.records)
        name = made_id("rec", f"{self.table.name} {ordinal}")
        created = _BEGIN + timedelta(minutes=7 * ordinal)
        cells = {
            _key(self.table, field): value for field, value in values.items() if value not in (None, "", [])
        }
        self.table.records[name] = Record(name, created.strftime("%Y-%m-%dT%H:%M:%S.000Z"), cells)
        return name


def _named(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {("Plan ID" if name == "id" else name): value for name, value in plan.items()}


def _phases(rows: _Rows, plan: str) -> list[str]:
    names = ("Phase ID", "Status", "Duration", "Estimated Budget", "Description", "Notes")
    found = []
    for one in _source()["phases"]:
        values = dict(zip(names, one["phase"], strict=True))
        number = re.findall(r"[\d.]+", values["Phase ID"])[0]
        values["Phase Number"] = float(number) if "." in number else int(number)
        found.append(rows.add(values | {"Plan (Link)": [plan]}))
    return found


def _stages(rows: _Rows, plan: str, phases: list[str]) -> None:
    source = _source()
    for phase, one in zip(phases, source["phases"], strict=True):
        for index, stage in enumerate(one["stages"]):
            linked = index < one["linked"]
            links = {"Phase (Link)": phase, "Plan (Link)": [plan]} if linked else {}
            rows.add(_stage(stage) | links)
    for stage in (*source["second_generation"], *source["nameless"]):
        rows.add(_stage(stage))
    text = _key(rows.table, "Phase (Link)")
    records = rows.table.records
    records[_ids(rows.table, GONE_PHASE)[0]].cells[text] = GONE
    records[_ids(rows.table, WRONG_PHASE)[0]].cells[text] = next(iter(records))


def _stage(row: list[Any]) -> dict[str, Any]:
    key, status, duration, cost, assigned = row
    number, title = _parts(key)
    told = _source()["descriptions"].get(key, f"{title or 'Something'}, as discussed.")
    has_code = key and key not in _source()["without_code"]
    done = status == "Done"
    return {
        "Stage ID": key,
        "Stage Code": f"BQX-{number}" if has_code else None,
        "Description": told,
        "Status": _STATUS[status],
        "Duration": duration,
        "Estimated Cost": cost,
        "Assigned To": assigned,
        "Autonomy Level": list(AUTONOMY)[len(title) % 3] if key else None,
        "Outcome": f"{title} is there." if done and key else None,
        "Notes": "Finished, see the log." if done and key else None,
    }


def _tasks(rows: _Rows, plan: str, stages: Table) -> None:
    homes: dict[str, str] = {}
    for record in stages.records.values():
        homes.setdefault(stages.title(record), record.id)  # the first one, where there are two
    homes.pop("", None)
    for index, (key, home) in enumerate(homes.items()):
        count = 2 if index < _TWO_TASKS else 1
        for ordinal in range(1, count + 1):
            task = _task_id(key, ordinal)
            rows.add(_task(task, key, ordinal) | _home(task, home, plan))
        if _task_id(key, 3) == TWICE:
            for _ in range(2):
                rows.add(_task(TWICE, key, 2) | {"Stage (Link)": [home]})
    for key in STRANGERS:
        told = {"Task ID": key, "Task Name": f"Run validation suite, part {key[-1]}"}
        rows.add(_task(key, _STRANGERS_HOME, 2) | told | {"Stage (Link)": [homes[_STRANGERS_HOME]]})


def _task_id(stage: str, ordinal: int) -> str:
    """Ids of later phases and of the second generation are of the older kind."""
    number, _ = _parts(stage)
    second = {row[0] for row in _source()["second_generation"]}
    old = stage in second or float(number.split(".")[0]) >= 5
    return f"{'T' if old else 'TSK-'}{number}.{ordinal}"


def _home(task: str, stage: str, plan: str) -> dict[str, Any]:
    home = [GONE] if task in GONE_STAGE else [] if task in NO_STAGE else [stage]
    return {"Stage (Link)": home} | ({"Plan (Link)": [plan]} if task.startswith("TSK") else {})


def _task(key: str, stage: str, ordinal: int) -> dict[str, Any]:
    size = len(stage)
    row = next(one for one in _all_stages() if one[0] == stage)
    title = _parts(stage)[1]
    return {
        "Task ID": key,
        "Task Name": f"{_WORK[ordinal - 1]}: {title}",
        "Description": f"{_WORK[ordinal - 1]} what belongs to {title}.",
        "Status": _STATUS[row[1]] if ordinal == 2 or row[1] != "Doing" else "Done",
        "Priority": _PRIORITY[size % 4],
        "Assigned To": row[4] if size % 3 else "Maria K.",
        "Estimated Hours": (0.5, 1, 1.5, 2, 2.5, 3, 4, 6)[size % 8],
        "Estimated Cost": size % 5 if size % 2 else None,
    }


def _all_stages() -> Iterator[list[Any]]:
    for one in _source()["phases"]:
        yield from one["stages"]
    yield from _source()["second_generation"]


def _parts(key: str) -> tuple[str, str]:
    """Number and title of a Stage ID."""
    match = re.fullmatch(r"(?:Stage )?([\d.]+)(?: - |: )(.*)", key)
    return (match[1], match[2]) if match else ("", "")


def _link_back(made: Mapping[str, Table]) -> None:
    """Fill the other sides of all links."""
    by_id = {table.id: table for table in made.values()}
    for table in (made["Phases"], made["Stages"], made["Tasks"]):
        for field in table.fields:
            if field.type != LINKS or field.name == "Tasks (Link)":
                continue
            target = by_id[field.options["linkedTableId"]]
            for record in table.records.values():
                for one in record.cells.get(field.id, ()):
                    if one in target.records:
                        cells = target.records[one].cells
                        cells.setdefault(field.options["inverseLinkFieldId"], []).append(record.id)


def _key(table: Table, name: str) -> str:
    field = table.find(name)
    assert field is not None, name
    return field.id


def _ids(table: Table, key: str) -> list[str]:
    return [one.id for one in table.records.values() if table.title(one) == key]
