"""What the report shows of an analysis: names instead of ids, one entry per record, short texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from include.pages import counted
from include.plan.differences import KINDS, PARENTS, Analysis, Gap, Kind, number_of
from include.plan.live import TABLES, Change, Snapshot

CLIP = 160  # characters of a value that somebody else wrote
_SINGULAR = {"Plans": "plan", "Phases": "phase", "Stages": "stage", "Tasks": "task"}
MEANING: dict[Kind, str] = {
    "missing": "wanted and not there",
    "outdated": "there, with other content in a managed field",
    "collision": "another record has the same number, or the same Task ID and another meaning",
    "duplicate": "the same key more than once",
    "orphan": "a stage without a phase, a task without a stage",
    "extra": "an empty key, or a task of one of our stages that is not in the plan",
}


class Job(NamedTuple):
    """A task to create."""

    key: str
    name: str
    hours: float


class NewStage(NamedTuple):
    """A stage to create, or one that gets new tasks."""

    key: str
    new: bool
    duration: str
    cost: float | None
    assigned: str
    jobs: tuple[Job, ...]

    @property
    def hours(self) -> float:
        """Hours of its new tasks."""
        return sum(job.hours for job in self.jobs)


class Branch(NamedTuple):
    """A phase with the stages that are new in it."""

    key: str
    new: bool
    stages: tuple[NewStage, ...]


class Edit(NamedTuple):
    """One field of an update."""

    field: str
    before: str
    after: str
    block: bool


class Update(NamedTuple):
    """A record to update."""

    table: str
    key: str
    edits: tuple[Edit, ...]


class Left(NamedTuple):
    """A record that is left alone, and why."""

    kind: Kind
    table: str
    key: str
    field: str
    note: str
    blocking: bool
    ids: tuple[str, ...]


class View(NamedTuple):
    """Everything the report shows of an analysis."""

    branches: tuple[Branch, ...]
    other_creations: tuple[Change, ...]
    updates: tuple[Update, ...]
    left: tuple[Left, ...]
    matrix: tuple[tuple[Kind, str, tuple[int, ...]], ...]
    creations: str
    edits: str

    @property
    def blocking(self) -> tuple[Left, ...]:
        """What needs a decision."""
        return tuple(one for one in self.left if one.blocking)

    @property
    def records_left(self) -> int:
        """How many records are left alone; those that are not there do not count."""
        return len({one for left in self.left for one in left.ids})


def view_of(analysis: Analysis, snapshot: Snapshot) -> View:
    """The view of an analysis.

    Args:
        analysis: gaps and changes.
        snapshot: what they were found in.
    """
    names = {record.id: table.key(record) for table in snapshot.tables.values() for record in table.records}
    creates = [change for change in analysis.changes if change.action == "create"]
    updates = [change for change in analysis.changes if change.action == "update"]
    closed = {(change.table, change.key) for change in creates}
    closed_fields = {(change.table, change.key, name) for change in updates for name in _written(change)}
    left = [
        gap
        for gap in analysis.gaps
        if not (gap.kind == "missing" and (gap.table, gap.key) in closed)
        and (gap.table, gap.key, gap.field) not in closed_fields
    ]
    return View(
        branches=_branches(creates, snapshot),
        other_creations=tuple(change for change in creates if change.table == "Plans"),
        updates=tuple(_update(change, analysis.gaps, names) for change in updates),
        left=tuple(_left(gap) for gap in sorted(left, key=_place)),
        matrix=_matrix(analysis.gaps),
        creations=listing(creates),
        edits=listing(updates),
    )


def listing(changes: Iterable[Change]) -> str:
    """``1 phase, 12 stages, 50 tasks``; ``nothing`` where there are none."""
    counts = dict.fromkeys(TABLES, 0)
    for change in changes:
        counts[change.table] += 1
    return (
        ", ".join(counted(number, _SINGULAR[name]) for name, number in counts.items() if number) or "nothing"
    )


def clip(value: Any, length: int = CLIP) -> str:
    """A value on one line, cut where it is long."""
    text = " ".join(("" if value is None else str(value)).split())
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def _branches(creates: list[Change], snapshot: Snapshot) -> tuple[Branch, ...]:
    """Creations as a tree: phase, stage, task; parents that exist already are named."""
    new = {change.key: change for change in creates if change.table in ("Phases", "Stages")}
    jobs: dict[str, list[Job]] = {key: [] for key, change in new.items() if change.table == "Stages"}
    for change in creates:
        if change.table == "Tasks":
            name, hours = change.fields.get("Task Name", ""), change.fields.get("Estimated Hours", 0)
            jobs.setdefault(_parent(change), []).append(Job(change.key, clip(name), float(hours or 0)))
    stages: dict[str, list[NewStage]] = {key: [] for key, change in new.items() if change.table == "Phases"}
    for key, its in jobs.items():
        home = _parent(new[key]) if key in new else _home(key, snapshot)
        stages.setdefault(home, []).append(_stage(key, new.get(key), its))
    order = sorted(stages, key=lambda key: (key in new, key))
    return tuple(Branch(key, key in new, tuple(stages[key])) for key in order)


def _parent(change: Change) -> str:
    return change.links.get(PARENTS[change.table][0], ("", ""))[1]


def _home(stage: str, snapshot: Snapshot) -> str:
    """Phase of a stage that is there already."""
    name, table = PARENTS["Stages"]
    phases = {record.id: snapshot.tables[table].key(record) for record in snapshot.tables[table].records}
    for record in snapshot.tables["Stages"].by_key().get(stage, ()):
        value = record.fields.get(name) or ""
        return phases.get(value if isinstance(value, str) else value[0], "")
    return ""


def _stage(key: str, change: Change | None, jobs: list[Job]) -> NewStage:
    fields: Mapping[str, Any] = change.fields if change else {}
    return NewStage(
        key,
        change is not None,
        clip(fields.get("Duration")),
        fields.get("Estimated Cost"),
        clip(fields.get("Assigned To")),
        tuple(jobs),
    )


def _update(change: Change, gaps: Iterable[Gap], names: Mapping[str, str]) -> Update:
    mine = [gap for gap in gaps if gap.record_ids == (change.record_id,) and gap.field is not None]
    edits = [_edit(gap, change, names) for gap in mine if gap.field in _written(change)]
    return Update(change.table, change.key, tuple(edits))


def _written(change: Change) -> set[str]:
    """Names of the fields that a change writes."""
    return {*change.fields, *change.blocks, *change.links}


def _edit(gap: Gap, change: Change, names: Mapping[str, str]) -> Edit:
    field = gap.field or ""
    if field in change.links:
        found = ", ".join(names.get(one, "a record that is not there") for one in gap.found)
        return Edit(field, clip(found), clip(gap.wanted), block=False)
    managed = field in change.blocks
    before = "" if gap.found is None else str(gap.found)
    return Edit(field, before if managed else clip(before), str(gap.wanted), managed)


def _place(gap: Gap) -> tuple[Any, ...]:
    """Decisions first, then by kind, table and number."""
    numbers = (
        tuple(map(int, number_of(gap.table, gap.key).split("."))) if number_of(gap.table, gap.key) else ()
    )
    return not gap.blocking, KINDS.index(gap.kind), TABLES.index(gap.table), not gap.key, numbers, gap.key


def _left(gap: Gap) -> Left:
    note = gap.note
    if gap.kind == "collision":
        note = f"{_rival(gap)}: {note}"
    return Left(
        gap.kind,
        gap.table,
        clip(gap.key) or "(no key)",
        "" if gap.kind in ("orphan", "collision") else gap.field or "",
        note or "left alone",
        gap.blocking,
        gap.record_ids,
    )


def _rival(gap: Gap) -> str:
    if gap.field == "Task Name":
        return f"it is '{clip(gap.found)}', the plan means '{clip(gap.wanted)}'"
    return f"same number as '{clip(gap.wanted)}'"


def _matrix(gaps: Iterable[Gap]) -> tuple[tuple[Kind, str, tuple[int, ...]], ...]:
    """Records by kind of gap and table; several fields of a record count once."""
    records = {(gap.kind, gap.table, gap.key, gap.record_ids) for gap in gaps}
    return tuple(
        (kind, MEANING[kind], tuple(sum(one[:2] == (kind, table) for one in records) for table in TABLES))
        for kind in KINDS
    )
