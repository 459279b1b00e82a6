"""The texts of the records: what a person wrote, with the numbers of the plan filled in and added."""

from __future__ import annotations

from collections.abc import Mapping

from include.plan import schedule
from include.plan.entries import DOMAINS, Desired, Phase, Stage, Task
from include.plan.reading import Span
from include.plan.references import PLACEHOLDER

DONE_WHEN = {
    "schema": "the tables exist with the columns of the catalogue",
    "implemented": "the columns are in the catalogue and their tests passed with this code",
    "backfill": "every row of every pair and month is there",
    "gate": "the quality gate passed",
    "renamed": "the tables have their new names",
    "counts": "row counts before and after are equal",
    "trained": "both baselines of every pair have been trained on the newest data set",
    "decided": "every pair has a decision record about the newest data set",
    "documented": "the documentation of what was done is published",
    "measured": "the monitor publishes these values",
    "drawn": "this dashboard is in CloudWatch and drawn by the monitor",
    "provided": "every declared alarm is in CloudWatch, and bqx_alert reads them",
    "fired": "every alarm was fired by values of its metric",
    "drilled": "these runbooks were drilled as they are now",
    "retrained": "a run of bqx_retrain has ended with a decision",
    "reported": "there is a report of this kind",
    "kept": "there are objects in this folder of the bucket",
    "none": "a person says so",
}


def fill(text: str, numbers: Mapping[str, float]) -> str:
    """Put the numbers of the plan in place of their names; other words in braces stay."""
    return PLACEHOLDER.sub(lambda match: shown(numbers[match[1]]) if match[1] in numbers else match[0], text)


def shown(number: float) -> str:
    """A number for people: 10,313,378, 0.25, 55."""
    return f"{number:,.0f}" if number == int(number) else f"{round(number, 6):,}"


def hours(span: Span) -> str:
    """Hours in words: ``1 hour``, ``30-40 hours``."""
    return f"{span} hour" if span == (1, 1) else f"{span} hours"


def duration(desired: Desired, stage: Stage) -> str:
    """What the Duration of a stage shows; empty if the plan does not say."""
    if stage.duration or (stage.update and not stage.work):
        return stage.duration
    if not stage.update:
        return hours(Span(stage.hours, stage.hours))
    return hours(schedule.work_of(desired, stage)) + (", only if needed" if stage.conditional else "")


def phase_duration(desired: Desired, phase: Phase) -> str:
    """What the Duration of a phase shows; empty if the plan does not say."""
    if phase.hours is None:
        return ""
    ongoing = any(stage.ongoing for stage in desired.stages_of(phase))
    return hours(phase.hours) + (", then ongoing" if ongoing else "")


def stage_text(desired: Desired, stage: Stage) -> str:
    """Description of a stage: text, work, dependencies and the line that programs read."""
    lines = [fill(stage.description, desired.numbers), ""]
    lines += [f"- {work.name}: {work.hours} h" for work in stage.work]
    if stage.after or not stage.update:
        lines.append(f"Depends on: {', '.join(stage.after) or 'nothing'}")
    if not stage.update or stage.features or stage.tables:
        lines.append(machine_line(desired, stage))
    return "\n".join(lines).strip()


def machine_line(desired: Desired, stage: Stage) -> str:
    """``features 15 (idx 15, bqx 0, shared 0); tables technical_idx_{pair}; partitions 336``."""
    columns = ", ".join(f"{domain} {stage.features.get(domain, 0)}" for domain in DOMAINS)
    tables = ", ".join(f"{family}_{{pair}}" for family in stage.tables) or "none"
    partitions = shown(desired.numbers["partitions"] if stage.tables else 0)
    groups = ", ".join(f"{name} {count}" for name, count in stage.parts.items())
    parts = [f"features {sum(stage.features.values())} ({columns})", groups and f"groups {groups}"]
    return "; ".join(part for part in (*parts, f"tables {tables}", f"partitions {partitions}") if part)


def task_text(task: Task) -> str:
    """Description of a task: when it counts as done, and who does it."""
    names = task.names or task.tables
    about = f" ({', '.join(names)})" if names and task.done_when != "none" else ""
    lines = [f"Done when {DONE_WHEN[task.done_when]}{about}."]
    if any(task.airflow):
        lines.append(f"Work of the Airflow DAG {task.airflow[0]}, task {task.airflow[1]}.")
    return "\n".join(lines)


def plan_text(desired: Desired) -> str:
    """Description of the plan: summary, cost and people."""
    numbers = desired.numbers
    lines = [
        fill(desired.description, numbers),
        "",
        fill("Cost: ${cost_before} -> ${cost_after} a month ({cost_saved}% less).", numbers)
        + fill(" Budget ${cost_budget}, alert at ${cost_alert}; without the database.", numbers),
    ]
    for line in desired.cost:
        lever = f" ({line.lever})" if line.lever else ""
        lines.append(f"- {line.name}: ${line.planned[0]} -> ${line.planned[1]}{lever}")
    weeks = f"{desired.weeks:g} weeks for one person, {desired.weeks / 2:g} for two"
    lines += ["", fill("Resources: {effort} engineering hours, ", numbers) + weeks + "."]
    for role in desired.roles:
        phases = f"phase{'s' * (len(role.phases) > 1)} {', '.join(role.phases)}"
        lines.append(f"- {role.name}: {role.hours:g} h, {phases} ({role.skills})")
    return "\n".join(lines)


def metrics_text(desired: Desired) -> str:
    """Success criteria, one a line."""
    return "\n".join(f"- {fill(metric, desired.numbers)}" for metric in desired.metrics)


def timeline_text(desired: Desired) -> str:
    """Timeline of the plan, phase by phase."""
    times = schedule.timeline(desired)
    promised = "Wall time: {wall_before} h -> {wall_low}-{wall_high} h ({shorter}% less or better)"
    lines = [f"{fill(promised, desired.numbers)}; scheduled {whole(times.wall)} h."]
    lines += [f"- Phase {time.phase.number}: {phase_line(desired, time)}" for time in times.phases]
    later = [f"{stage.number} ({hours(schedule.work_of(desired, stage))} of work)"
             for stage in desired.updates if stage.conditional]  # fmt: skip
    return "\n".join(lines + ([f"Not counted, only if needed: {', '.join(later)}."] if later else []))


def whole(span: Span) -> str:
    """Hours without decimals; halves and more round up."""
    return str(Span(*(int(value + 0.5) for value in span)))


def phase_line(desired: Desired, time: schedule.PhaseTime) -> str:
    """The hours of a phase before and after, and why there are fewer."""
    phase = time.phase
    before = f"{phase.hours_before} h -> " if phase.hours_before else ""
    if phase.hours_are == "work" and phase.hours:
        parts = [f"{before}{phase.hours} h of work, {whole(time.wall)} h wall time"]
    else:
        parts = [f"{before}{whole(time.wall)} h wall time"]
    if phase.workers > 1:
        parts += [f"{phase.workers} workers on {time.work} h of work"]
    if phase.pairs_at_once > 1:
        parts += [f"{phase.pairs_at_once} pairs at once"]
    if phase.overhead.high:
        parts += [f"{whole(time.scheduled)} h scheduled and {phase.overhead} h for hand-overs and repeats"]
    if phase.last:
        sooner = whole(schedule.without_idx(desired, phase).scheduled)
        parts += [f"{sooner} h scheduled if {phase.last} waited only for the BQX stages"]
    return "; ".join(parts)


def phase_text(desired: Desired, time: schedule.PhaseTime | None, text: str) -> str:
    """Description of a phase: text and hours; a phase without hours has no time."""
    filled = fill(text, desired.numbers)
    return f"{filled}\n\nHours: {phase_line(desired, time)}" if time else filled
