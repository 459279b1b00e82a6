"""Whether what the entries refer to exists: phases, stages, tables, numbers in texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

from include.errors import PlanRefused
from include.features.catalogue import FAMILIES
from include.plan.entries import Desired, Phase, Stage
from include.plan.reading import Entry

# What the checks of the plan compare with; further numbers may be added for use in texts.
NUMBERS = (
    "features", "features_idx", "features_bqx", "features_shared", "features_stored", "features_derived",
    "features_new", "features_selected", "pairs", "months", "partitions", "parents", "rows", "stages_new",
    "stages_updated", "tasks", "tasks_1_6", "hours", "hours_1_6", "cost_stages", "wall_before", "wall_low",
    "wall_high", "shorter", "cost_before", "cost_after", "cost_saved", "cost_budget", "cost_alert", "effort",
)  # fmt: skip
PLACEHOLDER = re.compile(r"\{(\w+)\}")
PAIR = "pair"  # stands for the currency pair in names of tables


def check(desired: Desired) -> None:
    """Refuse a plan that refers to something that is not there, or names something twice.

    Raises:
        PlanRefused: names file, line and entry.
    """
    if missing := [name for name in NUMBERS if name not in desired.numbers]:
        raise PlanRefused(f"plan.yaml: {missing[0]!r} is missing in 'numbers'.")
    stages = (*desired.stages, *desired.updates)
    _no_twins((phase.number, phase.entry) for phase in desired.phases)
    _no_twins((stage.number, stage.entry) for stage in stages)
    _no_twins((task.key, task.entry) for task in desired.tasks)
    _no_twins((" ".join(_about(entry)), entry) for entry in desired.decisions)
    for phase in desired.phases:
        _check_phase(desired, phase)
    for stage in stages:
        _check_stage(desired, stage)
    for task in desired.tasks:
        if not re.fullmatch(rf"TSK-{re.escape(task.stage)}\.[1-9]\d*", task.key):
            task.entry.refuse(f"Its Task ID has to begin with TSK-{task.stage}. and end with a number.")
        _check_tables(task.tables, task.entry)
        _check_text(desired, task.name, task.entry)
    _check_the_rest(desired)


def _check_phase(desired: Desired, phase: Phase) -> None:
    if not phase.key.startswith(f"Phase {phase.number}: "):
        phase.entry.refuse(f"'record' has to begin with 'Phase {phase.number}: '.")
    if not re.fullmatch(r"\d+(\.\d+)?", phase.number):
        phase.entry.refuse("'phase' has to be a number in quotes, like \"1.6\".")
    if phase.new != bool(phase.status):
        phase.entry.refuse("A new phase needs a 'status', and only a new one has any.")
    known = [stage.number for stage in desired.stages_of(phase)]
    for name in (phase.first, phase.last):
        if name and name not in known:
            phase.entry.refuse(f"'first' or 'last' names {name!r}, which is no stage of this phase.")
    for text in phase.texts.values():
        _check_text(desired, text, phase.entry)


def _check_stage(desired: Desired, stage: Stage) -> None:
    phases = [phase.number for phase in desired.phases]
    if stage.phase not in phases:
        stage.entry.refuse(f"There is no phase {stage.phase!r} in phases.yaml.")
    phase_of = {other.number: other.phase for other in (*desired.stages, *desired.updates)}
    for name in stage.after:
        before = phase_of.get(name, name.removeprefix("Phase "))
        if name == before or before not in phases:
            stage.entry.refuse(f"'after' names {name!r}: no stage or phase of the plan.")
        if phases.index(before) + (name not in phase_of) > phases.index(stage.phase):
            stage.entry.refuse(f"'after' names {name!r}, which is not finished before this phase begins.")
    _check_tables(stage.tables, stage.entry)
    _check_tables(stage.parts, stage.entry)
    _check_text(desired, stage.description, stage.entry)


def _check_the_rest(desired: Desired) -> None:
    phases = [phase.number for phase in desired.phases]
    for role in desired.roles:
        if unknown := [number for number in role.phases if number not in phases]:
            raise PlanRefused(f"resources.yaml ({role.name}): phases.yaml has no phase {unknown[0]!r}.")
    for text in (desired.description, *desired.metrics):
        _check_text(desired, text, None)
    created = {("Phases", phase.key) for phase in desired.phases if phase.new}
    created |= {("Stages", stage.key) for stage in desired.stages}
    created |= {("Tasks", task.key) for task in desired.tasks}
    for entry in desired.decisions:
        if entry.text("action") == "create" and _about(entry) not in created:
            entry.refuse(f"'create': {entry.text('record')!r} is no new record of the plan.")


def _check_tables(names: Iterable[str], entry: Entry) -> None:
    if unknown := [name for name in names if name not in FAMILIES]:
        entry.refuse(f"{unknown[0]!r} is no family of the catalogue. Known: {', '.join(FAMILIES)}.")


def _check_text(desired: Desired, text: str, entry: Entry | None) -> None:
    for name in _placeholders(text):
        if name not in desired.numbers and name != PAIR:
            _refuse(entry, f"A text uses {{{name}}}, which is no number of plan.yaml.")


def _placeholders(text: str) -> Iterator[str]:
    return (match[1] for match in PLACEHOLDER.finditer(text))


def _about(entry: Entry) -> tuple[str, str]:
    """Table and record of a decision."""
    return entry.text("table"), entry.text("record")


def _no_twins(named: Iterable[tuple[str, Entry]]) -> None:
    seen: set[str] = set()
    for name, entry in named:
        if name in seen:
            entry.refuse(f"{name!r} is there twice. Remove one of them.")
        seen.add(name)


def _refuse(entry: Entry | None, problem: str) -> NoReturn:
    if entry is None:
        raise PlanRefused(f"plan.yaml: {problem}")
    entry.refuse(problem)
