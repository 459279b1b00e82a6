"""From what is true to what the plan says: a status and a few plain lines for each task and stage.

Done needs evidence. A task whose last run failed is in progress, whatever else speaks for it, and the
failure is named. Pure: what was looked at comes in as values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from include.errors import PlanRefused
from include.plan.encode import listed
from include.plan.evidence import Proof, named
from include.plan.live import Field
from include.plan.model import Evidence, Item
from include.plan.runs import Task, Work

OPEN, IN_PROGRESS, DONE, DEFERRED = "todo", "in_progress", "done", "deferred"
# How the tables of a base spell them; the first that the live field has is written.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    OPEN: ("Todo", "Not Started"),
    IN_PROGRESS: ("In Progress",),
    DONE: ("Done", "Complete", "Completed", "Finished"),
    DEFERRED: ("Deferred",),
}
BY_RUN = ("backfill", "gate", "renamed", "counts", "documented")  # a failed run of these is a failure
STAGE_LINK = "Stage (Link)"
_AS_OF = "As of "
_NAMED = 3  # failures that a text names
_WORDS = {OPEN: "To do", IN_PROGRESS: "In progress", DONE: "Done", DEFERRED: "Deferred"}


@dataclass(frozen=True)
class Standing:
    """Where a record of the plan stands.

    Attributes:
        table: ``Tasks`` or ``Stages``.
        key: text of the primary field.
        status: todo, in_progress or done.
        text: evidence in plain lines, without the time at which it was looked at.
    """

    table: str
    key: str
    status: str
    text: str


def standings(
    items: Sequence[Item],
    proofs: Mapping[Evidence, Proof],
    works: Mapping[Task, Work],
    by_hand: Mapping[str, str],
) -> list[Standing]:
    """Tasks with evidence, then the stages they belong to.

    Args:
        items: the plan.
        proofs: what speaks for each kind of evidence.
        works: what runs did for each task of a DAG.
        by_hand: status of tasks that only a person can judge, by key.
    """
    tasks = {
        item.key: standing_of(item, proofs[item.evidence], works.get(task_of(item.evidence)))
        for item in items
        if item.evidence is not None and item.evidence in proofs
    }
    stages: dict[str, list[Item]] = {}
    for item in items:
        if item.table == "Tasks" and STAGE_LINK in item.links:
            stages.setdefault(item.links[STAGE_LINK][1], []).append(item)
    return [
        *tasks.values(),
        *(
            _stage(key, members, tasks, by_hand)
            for key, members in stages.items()
            if any(member.key in tasks for member in members)
        ),
    ]


def task_of(evidence: Evidence) -> Task:
    """The task of a DAG that does the work."""
    return evidence.dag, evidence.airflow_task


def standing_of(item: Item, proof: Proof, work: Work | None) -> Standing:
    """Where a task stands."""
    assert item.evidence is not None
    work = work if item.evidence.kind in BY_RUN else None
    if work and work.failed:
        status = IN_PROGRESS
    elif proof.done:
        status = DONE
    else:
        status = IN_PROGRESS if proof.begun or work else OPEN
    lines = [_sentence(proof)]
    if work:
        lines.append(_run(work))
    if proof.report:
        lines.append(f"Report: {proof.report}")
    return Standing(item.table, item.key, status, _safe("\n".join(lines)))


def with_time(text: str, now: datetime) -> str:
    """A text with the time at which it was true."""
    return f"{text}\n{_AS_OF}{now:%Y-%m-%d %H:%M} UTC"


def without_time(text: str) -> str:
    """What of a text is compared: that only time went by is no reason to write."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(_AS_OF))


def spelled(status: str, table: str, field: Field) -> str:
    """A status as the live field wants it.

    Raises:
        PlanRefused: the field has no such option.
    """
    spellings = SPELLINGS[status]
    if not field.options:
        return spellings[0]
    found = next((name for name in spellings if name in field.options), None)
    if found is None:
        raise PlanRefused(
            f"{table}.{field.name} has no option for {_WORDS[status].lower()!r}, none of {listed(spellings)}."
            f" It has {listed(field.options)}. Add one in Airtable; options are never created from here."
        )
    return found


def understood(value: object) -> str:
    """The status that a live value means, empty for anything else."""
    text = str(value or "").strip().casefold()
    return next((status for status, names in SPELLINGS.items() if text in map(str.casefold, names)), "")


def replaces(wanted: str, live: object) -> bool:
    """Whether a status is written over the live one. What a person set stays until there is evidence.

    A status that is not known here, such as ``Blocked``, says something too: only done replaces it.
    """
    known = understood(live)
    if known == DEFERRED or (not known and str(live or "").strip()):
        return wanted == DONE
    if wanted == OPEN:
        return known in (DONE, "")
    return wanted != known


def duration(seconds: float) -> str:
    """A time for people: ``3 min 12 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _stage(
    key: str, members: Iterable[Item], tasks: Mapping[str, Standing], by_hand: Mapping[str, str]
) -> Standing:
    states, lines = [], []
    for member in members:
        standing = tasks.get(member.key)
        state = standing.status if standing else understood(by_hand.get(member.key)) or OPEN
        states.append(state)
        facts = standing.text.splitlines()[0] if standing and state != OPEN else ""
        lines.append(f"{_WORDS[state]}: {member.key} {member.title}{f' - {facts}' if facts else ''}")
    done = sum(state == DONE for state in states)
    status = DONE if done == len(states) else IN_PROGRESS if set(states) - {OPEN, DEFERRED} else OPEN
    return Standing("Stages", key, status, _safe("\n".join([f"{done} of {len(states)} tasks done", *lines])))


def _sentence(proof: Proof) -> str:
    missing = "" if proof.done or not proof.missing or not proof.begun else named(proof.missing)
    return f"{proof.text}; missing: {missing}" if missing else proof.text


def _run(work: Work) -> str:
    parts = [f"{work.succeeded} of {work.total} done" if work.total > 1 or not work.succeeded else "done"]
    if work.running:
        parts.append(f"{work.running} running")
    if work.failed:
        told = [_failure(label, note) for label, note in work.failed[:_NAMED]]
        more = f" and {len(work.failed) - _NAMED} more" if len(work.failed) > _NAMED else ""
        parts.append(f"failed: {'; '.join(told)}{more}")
    if work.held_back:
        parts.append(f"{work.held_back} held back by a failure before")
    if work.seconds is not None:
        parts.append(duration(work.seconds))
    return f"Run {work.run_id}: {', '.join(parts)}"


def _failure(label: str, note: str) -> str:
    known = " ".join(note.split())
    return f"{label} ({known})" if label and known else label or known or "the task"


def _safe(text: str) -> str:
    """A text that cannot be taken for a marker of a block, whatever a run or an error is called."""
    return text.replace("[", "(").replace("]", ")")
