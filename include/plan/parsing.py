"""From the YAML files to typed entries, each value by itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from include.plan.entries import DOMAINS, NOTHING, Desired, Line, Phase, Role, Stage, Task, Use, Work
from include.plan.reading import Entry, Span, read

# Evidence of what runs: the names it is about are no tables.
OPERATING = ("measured", "drawn", "provided", "fired", "drilled", "retrained", "reported", "kept")
KINDS = (
    "schema",
    "implemented",
    "backfill",
    "gate",
    "renamed",
    "counts",
    "documented",
    "trained",
    "decided",
    *OPERATING,
    "none",
)
PRIORITIES = ("Critical", "High", "Medium", "Low")


def read_all(folder: Path) -> Desired:
    """Read every file of the folder, each value by itself; what refers to what is not looked at.

    Raises:
        PlanRefused: a file or a value is wrong; names file, line and entry.
    """
    plan = read(folder / "plan.yaml").only("plan", "numbers")
    record, numbers = plan.entry("plan").only("record", "description", "metrics"), plan.entry("numbers")
    people = read(folder / "resources.yaml").only("resources").entry("resources")
    people.only("weeks", "hours_per_week", "roles")
    stages = tuple(map(_stage, _listed(folder, "stages")))
    return Desired(
        key=record.text("record"),
        description=record.text("description"),
        metrics=record.texts("metrics"),
        numbers={name: numbers.number(name) for name in numbers.values},
        phases=tuple(map(_phase, _listed(folder, "phases"))),
        stages=stages,
        tasks=tuple(_tasks(read(folder / "tasks.yaml").only("tasks").entry("tasks"), stages)),
        updates=tuple(map(_update, _listed(folder, "updates"))),
        cost=tuple(map(_line, _listed(folder, "cost"))),
        weeks=people.number("weeks"),
        hours_per_week=people.number("hours_per_week"),
        roles=tuple(map(_role, people.entries("roles"))),
        decisions=tuple(map(_decision, _listed(folder, "decisions"))),
    )


def _listed(folder: Path, name: str) -> list[Entry]:
    """The list that a file consists of."""
    return read(folder / f"{name}.yaml").only(name).entries(name)


def _phase(entry: Entry) -> Phase:
    entry.only(
        "phase", "record", "new", "hours", "hours_are", "hours_before", "workers", "pairs_at_once",
        "overhead", "own_hours", "first", "last", "texts", "status", "done_when", "airflow",
    )  # fmt: skip
    texts = entry.entry("texts", optional=True)
    workers, pairs_at_once = entry.whole("workers", 1), entry.whole("pairs_at_once", 1)
    if not workers or not pairs_at_once:
        entry.refuse("'workers' and 'pairs_at_once' have to be 1 or more.")
    return Phase(
        number=entry.text("phase"),
        key=entry.text("record"),
        new=entry.yes("new"),
        hours=_span(entry, "hours"),
        hours_are=entry.choice("hours_are", ("wall", "work"), "wall"),
        hours_before=_span(entry, "hours_before"),
        workers=workers,
        pairs_at_once=pairs_at_once,
        overhead=_span(entry, "overhead") or NOTHING,
        own_hours=_span(entry, "own_hours"),
        first=entry.text("first", ""),
        last=entry.text("last", ""),
        status=entry.text("status", ""),
        texts={name: texts.text(name) for name in texts.values},
        done_when=entry.choice("done_when", KINDS, "none"),
        airflow=_airflow(entry),
        entry=entry,
    )


def _stage(entry: Entry) -> Stage:
    entry.only(
        "stage", "title", "code", "phase", "hours", "duration", "cost", "assigned", "after", "features",
        "tables", "new_tables", "airflow", "description",
    )  # fmt: skip
    return Stage(
        number=entry.text("stage"),
        title=entry.text("title"),
        phase=entry.text("phase"),
        update="",
        code=entry.text("code"),
        hours=entry.number("hours"),
        duration=entry.choice("duration", ("Ongoing",), ""),
        cost=entry.number("cost"),
        assigned=entry.text("assigned"),
        after=entry.texts("after"),
        features=_counts(entry, "features", DOMAINS),
        tables=entry.texts("tables"),
        parts={},
        new_tables=entry.yes("new_tables", False),
        done_when="none",
        airflow=_airflow(entry),
        work=(),
        conditional=False,
        description=entry.text("description"),
        entry=entry,
    )


def _update(entry: Entry) -> Stage:
    entry.only(
        "update", "stage", "phase", "after", "description", "features", "tables", "parts", "work",
        "conditional", "done_when", "airflow",
    )  # fmt: skip
    key = entry.text("stage")
    number, dash, title = key.partition(" - ")
    if not dash:
        entry.refuse(f"'stage' has to be number and name, like '2.1 - Base Feature Extraction', not {key!r}.")
    return Stage(
        number=number,
        title=title,
        phase=entry.text("phase"),
        update=entry.text("update"),
        code="",
        hours=0,
        duration="",
        cost=0,
        assigned="",
        after=entry.texts("after"),
        features=_counts(entry, "features", DOMAINS),
        tables=entry.texts("tables"),
        parts=_counts(entry, "parts", ()),
        new_tables=False,
        done_when=entry.choice("done_when", KINDS, "none"),
        airflow=_airflow(entry),
        work=tuple(map(_work, entry.entries("work", optional=True))),
        conditional=entry.yes("conditional", False),
        description=entry.text("description"),
        entry=entry,
    )


def _work(entry: Entry) -> Work:
    entry.only("name", "hours", "pairs")
    return Work(entry.text("name"), entry.span("hours"), entry.whole("pairs", 0))


def _tasks(by_stage: Entry, stages: Iterable[Stage]) -> Iterable[Task]:
    """The tasks of every stage; what a task leaves out is as its stage says."""
    known = {stage.number: stage for stage in stages}
    for number in by_stage.values:
        if number not in known:
            by_stage.refuse(f"There is no new stage {number!r}; see stages.yaml.")
        stage = known[number]
        for entry in by_stage.entries(number):
            entry.only("task", "name", "hours", "priority", "done_when", "airflow", "tables", "names")
            kind = entry.choice("done_when", KINDS)
            yield Task(
                key=entry.text("task"),
                name=entry.text("name"),
                stage=number,
                hours=entry.number("hours"),
                priority=entry.choice("priority", PRIORITIES),
                done_when=kind,
                airflow=_airflow(entry) if "airflow" in entry.values else stage.airflow,
                tables=entry.texts("tables") or stage.tables,
                names=entry.texts("names"),
                entry=entry,
            )


def _line(entry: Entry) -> Line:
    entry.only("line", "lever", "before", "after", "planned")
    planned = entry.get("planned", list, "[before, after]")
    if len(planned) != 2 or not all(type(amount) is int and amount >= 0 for amount in planned):
        entry.refuse("'planned' has to be two whole numbers: [before, after].")
    return Line(
        name=entry.text("line"),
        lever=entry.text("lever", ""),
        before=tuple(map(_use, entry.entries("before"))),
        after=tuple(map(_use, entry.entries("after"))),
        planned=(planned[0], planned[1]),
    )


def _use(entry: Entry) -> Use:
    entry.only("quantity", "unit", "price")
    return Use(entry.number("quantity"), entry.text("unit"), entry.number("price"))


def _role(entry: Entry) -> Role:
    entry.only("role", "hours", "phases", "skills")
    return Role(entry.text("role"), entry.number("hours"), entry.texts("phases"), entry.text("skills"))


def _decision(entry: Entry) -> Entry:
    entry.only("table", "record", "action", "reason")
    entry.choice("table", ("Phases", "Stages", "Tasks"))
    entry.choice("action", ("create", "ignore"))
    entry.text("record"), entry.text("reason")
    return entry


def _span(entry: Entry, name: str) -> Span | None:
    return entry.span(name) if name in entry.values else None


def _counts(entry: Entry, name: str, known: tuple[str, ...]) -> dict[str, int]:
    """Whole numbers by name."""
    found = entry.entry(name, optional=True)
    if known:
        found.only(*known)
    return {key: found.whole(key) for key in found.values}


def _airflow(entry: Entry) -> tuple[str, str]:
    """``bqx_features / pairs.x.build`` as DAG and task; both empty if it is left out."""
    text = entry.text("airflow", "")
    dag, slash, task = text.partition(" / ")
    if text and not (dag and slash and task):
        entry.refuse(f"'airflow' has to be 'dag / task', not {text!r}.")
    return dag, task
