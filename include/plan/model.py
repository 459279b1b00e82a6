"""The plan as it has to be: managed records, read from the YAML files of `desired/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from include.plan import parsing, references, schedule, texts
from include.plan.entries import Desired, Phase, Stage, Task

DESIRED = Path(__file__).parent / "desired"


@dataclass(frozen=True)
class Evidence:
    """What has to be there before a task is done.

    Attributes:
        kind: one of those that tasks.yaml explains.
        families: feature families it is about, or names of values, pages and reports.
        dag: the DAG that does the work, empty if none does.
        airflow_task: task id in that DAG, with its groups: ``pairs.s1_6_10_technical_idx.build``.
    """

    kind: str
    families: tuple[str, ...] = ()
    dag: str = ""
    airflow_task: str = ""


@dataclass(frozen=True)
class Item:
    """One managed record.

    Attributes:
        table: ``Plans`` | ``Phases`` | ``Stages`` | ``Tasks``.
        key: exact text of the primary field.
        number: its number for collisions: ``1.6.10``, ``5``, ``1.6.10.3``; empty for the plan.
        title: its name without the number; for tasks the Task Name.
        new: True = created when absent, False = has to be there.
        fields: managed plain fields by Airtable name.
        blocks: long text fields; the text is kept between markers, what people wrote around it stays.
        links: link field -> (table, key) of exactly one record.
        once: fields written only when the record is created.
        evidence: what has to be there before it is done, where the plan says so.
    """

    table: str
    key: str
    number: str
    title: str
    new: bool
    fields: Mapping[str, str | int | float] = field(default_factory=dict)
    blocks: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    once: Mapping[str, str | int | float] = field(default_factory=dict)
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Decision:
    """What a person decided about one record.

    Attributes:
        action: ``create`` = create the wanted record beside one of the same number;
            ``ignore`` = leave that record alone and do not fail because of it.
        reason: why, for the report.
    """

    action: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """All managed records, in the order Plans, Phases, Stages, Tasks.

    Attributes:
        items: the records.
        decisions: by (table, key). ``create``: key of the wanted record. ``ignore``: key of the record in
            the base that is left alone.
        desired: the entries of the files, from which all that is computed.
    """

    items: tuple[Item, ...]
    decisions: Mapping[tuple[str, str], Decision]
    desired: Desired


def load(folder: Path = DESIRED) -> Plan:
    """Read the plan.

    Raises:
        PlanRefused: a file is missing or something in it is wrong; names file, line and entry.
    """
    desired = parsing.read_all(folder)
    references.check(desired)
    schedule.timeline(desired)  # refuses stages that wait for each other
    phases = {phase.number: phase.key for phase in desired.phases}
    stages = {stage.number: stage.key for stage in desired.stages}
    items = (
        _plan(desired),
        *(_phase(desired, phase) for phase in desired.phases),
        *(_stage(desired, stage, phases[stage.phase]) for stage in (*desired.stages, *desired.updates)),
        *(_task(desired, task, stages[task.stage]) for task in desired.tasks),
    )
    decisions = {
        (entry.text("table"), entry.text("record")): Decision(entry.text("action"), entry.text("reason"))
        for entry in desired.decisions
    }
    return Plan(items, decisions, desired)


def _plan(desired: Desired) -> Item:
    """The plan record."""
    blocks = {
        "Description": texts.plan_text(desired),
        "Timeline": texts.timeline_text(desired),
        "Success Criteria": texts.metrics_text(desired),
    }
    return Item("Plans", desired.key, "", desired.key.partition(": ")[2], new=False, blocks=blocks)


def _phase(desired: Desired, phase: Phase) -> Item:
    """A phase record. Its Status is set once: afterwards it follows what really happened."""
    fields: dict[str, str | int | float] = {}
    if shown := texts.phase_duration(desired, phase):
        fields["Duration"] = shown
    if phase.new:
        fields["Phase Number"] = _plain(float(phase.number))
    time = schedule.time_of(desired, phase)
    blocks = {
        name: texts.phase_text(desired, time if name == "Description" and time.wall.high else None, text)
        for name, text in phase.texts.items()
    }
    return Item(
        table="Phases",
        key=phase.key,
        number=phase.number,
        title=phase.title,
        new=phase.new,
        fields=fields,
        blocks=blocks,
        links={"Plan (Link)": ("Plans", desired.key)},
        once={"Status": phase.status} if phase.new else {},
        evidence=_evidence(phase.done_when, phase.airflow),
    )


def _stage(desired: Desired, stage: Stage, phase: str) -> Item:
    """A stage record. Code, cost and person of a stage that is there already are none of our business."""
    fields: dict[str, str | int | float] = {}
    if shown := texts.duration(desired, stage):
        fields["Duration"] = shown
    if new := not stage.update:
        fields |= {"Stage Code": stage.code, "Assigned To": stage.assigned}
        fields["Estimated Cost"] = _plain(stage.cost)
    return Item(
        table="Stages",
        key=stage.key,
        number=stage.number,
        title=stage.title,
        new=new,
        fields=fields,
        blocks={"Description": texts.stage_text(desired, stage)},
        links={"Phase (Link)": ("Phases", phase), "Plan (Link)": ("Plans", desired.key)},
        once={"Status": "Todo"} if new else {},
        evidence=_evidence(stage.done_when, stage.airflow),
    )


def _evidence(done_when: str, airflow: tuple[str, str]) -> Evidence | None:
    """Of a phase or stage; most have none, their tasks have it."""
    return None if done_when == "none" else Evidence(done_when, (), *airflow)


def _task(desired: Desired, task: Task, stage: str) -> Item:
    """A task record."""
    name = texts.fill(task.name, desired.numbers)
    assigned = next(other.assigned for other in desired.stages if other.number == task.stage)
    return Item(
        table="Tasks",
        key=task.key,
        number=task.key.removeprefix("TSK-"),
        title=name,
        new=True,
        fields={
            "Task Name": name,
            "Priority": task.priority,
            "Assigned To": assigned,
            "Estimated Hours": _plain(task.hours),
        },
        blocks={"Description": texts.task_text(task)},
        links={"Stage (Link)": ("Stages", stage), "Plan (Link)": ("Plans", desired.key)},
        once={"Status": "Todo"},
        evidence=Evidence(task.done_when, task.names or task.tables, *task.airflow),
    )


def _plain(number: float) -> int | float:
    """Whole numbers without a decimal point."""
    return int(number) if number == int(number) else number
