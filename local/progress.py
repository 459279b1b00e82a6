"""What is done and what is left of a pipeline run, from the states of its tasks. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

DONE = frozenset({"success", "skipped"})
FAILED = frozenset({"failed", "upstream_failed"})
PIPELINE = "bqx_pipeline"  # triggers the others; what fails there failed in one of them
GROUPS = ("pairs.", "last.")  # the task groups that are mapped over the pairs
# Tasks that are mapped over pairs, or over pairs and models, without a group.
ALONE = ("count", "examine", "export", "train")


class Task(NamedTuple):
    """One task instance.

    Attributes:
        dag: id of its DAG.
        run: id of the run.
        name: task id, groups included.
        place: place in the mapping over pairs, -1 before it is expanded.
        pair: the pair it works on, empty if not known.
        state: Airflow's state, None if it was never scheduled.
        attempt: number of the attempt.
        started: when it started, or None.
        seconds: how long it ran, 0 if it has not ended.
        rows: rows it wrote, None if it has not said.
        gate: what the quality gate of its stage said, None if there was none.
        summary: what it has to tell at the end of the run, a few lines of plain text, mostly empty.
    """

    dag: str
    run: str
    name: str
    place: int
    pair: str
    state: str | None
    attempt: int
    started: datetime | None
    seconds: float
    rows: int | None = None
    gate: Mapping[str, Any] | None = None
    summary: str = ""

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Task:
        """From a task instance of Airflow's REST API."""
        started = answer["start_date"]
        return cls(
            dag=answer["dag_id"],
            run=answer["dag_run_id"],
            name=answer["task_id"],
            place=answer["map_index"],
            pair=answer["rendered_map_index"] or "",
            state=answer["state"],
            attempt=answer["try_number"],
            started=datetime.fromisoformat(started) if started else None,
            seconds=answer["duration"] or 0.0,
        )

    @property
    def is_per_pair(self) -> bool:
        """True for work that is done once per pair, or once per pair and model."""
        return self.dag != PIPELINE and (self.name.startswith(GROUPS) or self.name in ALONE)

    def saying(self, said: Any) -> Task:
        """The task with what it left in its XCom."""
        said = said if isinstance(said, dict) else {}
        summary = str(said.get("summary") or "").strip()
        return self._replace(rows=said.get("rows", 0), gate=said.get("gate"), summary=summary)


@dataclass
class Stage:
    """A step of a DAG that is done once per pair."""

    dag: str
    name: str
    tasks: list[Task] = field(default_factory=list)
    pairs: int = 0

    @property
    def title(self) -> str:
        """Name for people: ``pairs.s1_6_10_technical_idx.build`` is ``features 1.6.10 technical_idx``."""
        phase = self.dag.removeprefix("bqx_")
        match = re.fullmatch(r"s(\d+(?:_\d+)*)_(\D.*)", self.step)
        return f"{phase} {match[1].replace('_', '.')} {match[2]}" if match else f"{phase} {self.step}"

    @property
    def step(self) -> str:
        """Name without the mapped group around it and the task inside."""
        return self.name.split(".", 1)[-1].removesuffix(".build")

    @property
    def done(self) -> int:
        """Pairs that are finished."""
        return sum(task.state in DONE for task in self.tasks)

    @property
    def failed(self) -> int:
        """Pairs that failed, or were not tried because an earlier stage failed for them."""
        return sum(task.state in FAILED for task in self.tasks)

    @property
    def rows(self) -> int:
        """Rows written."""
        return sum(task.rows or 0 for task in self.tasks)

    @property
    def worked(self) -> float:
        """Seconds of work of the finished pairs, added up."""
        return sum(task.seconds for task in self.tasks if task.state in DONE)

    def span(self, now: datetime) -> float:
        """Seconds from the first start to the last end, or to now while pairs are left."""
        starts = [task.started for task in self.tasks if task.started]
        if not starts:
            return 0.0
        ends = [task.started.timestamp() + task.seconds for task in self.tasks if task.started]
        over = self.done + self.failed >= self.pairs
        return (max(ends) if over else now.timestamp()) - min(starts).timestamp()


@dataclass(frozen=True)
class Progress:
    """A look at a run at one moment."""

    stages: tuple[Stage, ...]
    other_failures: tuple[Task, ...]
    now: datetime
    summaries: tuple[str, ...] = ()

    @classmethod
    def of(cls, tasks: Iterable[Task], pairs: int, now: datetime) -> Progress:
        """Sort task instances into stages.

        Args:
            tasks: instances of all runs that belong to the pipeline, one DAG after the other.
            pairs: pairs expected of a stage that is not expanded yet.
            now: the moment they were looked at.
        """
        stages: dict[tuple[str, str], Stage] = {}
        dags: dict[str, int] = {}
        others, telling = [], []
        for task in tasks:
            telling += [task] if task.summary else []
            dags.setdefault(task.dag, len(dags))
            if task.is_per_pair:
                stage = stages.setdefault((task.dag, task.name), Stage(task.dag, task.name))
                stage.tasks.append(task)
            elif task.state in FAILED:
                others.append(task)
        for stage in stages.values():
            expanded = [task for task in stage.tasks if task.place >= 0]
            # What ended before it was expanded never will be: nothing was left to do, or something failed.
            over = all(task.state in DONE | FAILED for task in stage.tasks)
            stage.pairs = len(expanded) or (len(stage.tasks) if over else pairs)
        ordered = sorted(
            stages.values(), key=lambda stage: (dags[stage.dag], _natural(stage.name.split(".", 1)[-1]))
        )
        telling.sort(key=lambda task: task.started or now)
        return cls(tuple(ordered), tuple(others), now, tuple(task.summary for task in telling))

    @property
    def failures(self) -> list[Task]:
        """Tasks that failed themselves; those that failed because of them are left out."""
        tasks = [task for stage in self.stages for task in stage.tasks] + list(self.other_failures)
        failed = [task for task in tasks if task.state == "failed"]
        inner = [task for task in failed if task.dag != PIPELINE]
        return inner or failed

    @property
    def gates(self) -> list[Mapping[str, Any]]:
        """What the quality gates that found nothing said."""
        return [task.gate for stage in self.stages for task in stage.tasks if task.gate is not None]

    @property
    def rate(self) -> float:
        """Rows per second over all stages since the first start; 0 before any was written."""
        span = self._span()
        return sum(stage.rows for stage in self.stages) / span if span else 0.0

    def seconds_left(self, stage: Stage) -> float | None:
        """Seconds until a stage is done at the pace so far, None before there is one.

        Pairs left, times the mean work of a finished pair (of all stages while this one has none),
        divided by how much work was done at the same time so far.
        """
        left = stage.pairs - stage.done - stage.failed
        if left <= 0:
            return 0.0
        done = stage.done or sum(other.done for other in self.stages)
        worked = stage.worked if stage.done else sum(other.worked for other in self.stages)
        all_worked, span = sum(other.worked for other in self.stages), self._span()
        if not done or not worked or not span:
            return None
        return left * worked / done / max(all_worked / span, 0.1)

    @property
    def total_seconds_left(self) -> float | None:
        """Seconds until everything that is known of is done."""
        parts = [self.seconds_left(stage) for stage in self.stages]
        known = [part for part in parts if part is not None]
        return sum(known) if known and len(known) == len(parts) else None

    def _span(self) -> float:
        """Seconds in which at least one stage was at work."""
        starts = [t.started.timestamp() for stage in self.stages for t in stage.tasks if t.started]
        ends = [t.started.timestamp() + t.seconds for stage in self.stages for t in stage.tasks if t.started]
        if not starts:
            return 0.0
        over = all(stage.done + stage.failed >= stage.pairs for stage in self.stages)
        return (max(ends) if over else self.now.timestamp()) - min(starts)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 1.6.9 before 1.6.10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def clock(seconds: float) -> str:
    """A duration for people: ``48 s``, ``3 min 05 s``, ``1 h 12 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
