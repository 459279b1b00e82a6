"""When each stage happens: the graph of the plan on its workers, by the shortest schedule there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil
from typing import NamedTuple

from include.errors import PlanRefused
from include.plan.entries import NOTHING, Desired, Phase, Stage
from include.plan.reading import Span

HOUR = 3600  # seconds: schedules are made in whole ones, so that sums are exact
LONGEST_SEARCH = 100_000  # partial schedules looked at before the best found so far is taken


class Job(NamedTuple):
    """Something to be done without a break by one worker, in hours, after other jobs."""

    name: str
    hours: float
    after: tuple[str, ...] = ()


class Placed(NamedTuple):
    """A job on a worker, counted from 0; hours since the beginning."""

    name: str
    worker: int
    start: float
    hours: float

    @property
    def end(self) -> float:
        """When it is finished."""
        return self.start + self.hours


class Bar(NamedTuple):
    """One bar of the Gantt chart.

    Attributes:
        phase: number of its phase.
        name: number of its stage, empty for the phase as a whole.
        title: what it is.
        row: row inside the phase, from 0: the worker.
        start: hours since the beginning, everything before taking as long as it may.
        hours: how long it takes, at least and at most.
        kind: ``stage`` | ``phase`` | ``overhead``.
    """

    phase: str
    name: str
    title: str
    row: int
    start: float
    hours: Span
    kind: str


@dataclass(frozen=True)
class PhaseTime:
    """How long a phase takes.

    Attributes:
        work: hours of work, all stages added up.
        scheduled: hours on the clock, without overhead.
        wall: hours on the clock, with it.
        bars: its bars; starts count from the beginning of the phase.
    """

    phase: Phase
    work: Span
    scheduled: Span
    wall: Span
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """The phases one after the other."""

    phases: tuple[PhaseTime, ...]

    @cached_property
    def wall(self) -> Span:
        """Hours on the clock for all of it."""
        return total(phase.wall for phase in self.phases)

    @cached_property
    def work(self) -> Span:
        """Hours of work for all of it."""
        return total(phase.work for phase in self.phases)

    @cached_property
    def bars(self) -> tuple[Bar, ...]:
        """All bars, counted from the beginning."""
        bars, start = [], 0.0
        for phase in self.phases:
            bars += [bar._replace(start=start + bar.start) for bar in phase.bars]
            start += phase.wall.high
        return tuple(bars)


def total(spans: Iterable[Span]) -> Span:
    """The sum, least and most."""
    found = list(spans)
    return Span(sum(span.low for span in found), sum(span.high for span in found))


def timeline(desired: Desired) -> Timeline:
    """Schedule the plan: inside a phase on its workers, phases in the order of phases.yaml.

    Phases without hours (finished ones) are left out; so is conditional work, and work without an end.

    Raises:
        PlanRefused: stages wait for each other in a circle.
    """
    times = [time_of(desired, phase) for phase in desired.phases]
    return Timeline(tuple(time for time in times if time.wall.high))


def time_of(desired: Desired, phase: Phase, *, last_after: Sequence[str] | None = None) -> PhaseTime:
    """Schedule one phase.

    Args:
        desired: the plan.
        phase: one of its phases.
        last_after: what the last stage of the phase waits for, instead of what its entry says.

    Raises:
        PlanRefused: stages wait for each other in a circle.
    """
    if phase.own_hours:
        bar = Bar(phase.number, "", phase.title, 0, 0, phase.own_hours, "phase")
        return PhaseTime(phase, phase.own_hours, phase.own_hours, phase.own_hours, (bar,))
    stages = [stage for stage in desired.stages_of(phase) if not stage.ongoing]
    if last_after is not None:
        stages = [replace(stage, after=tuple(last_after)) if stage.number == phase.last else stage
                  for stage in stages]  # fmt: skip
    work = {stage.number: NOTHING if stage.conditional else work_of(desired, stage) for stage in stages}
    wall = {stage.number: NOTHING if stage.conditional else _clock(desired, phase, stage) for stage in stages}
    shortest = _place(stages, {number: span.low for number, span in wall.items()}, phase.workers)
    longest = _place(stages, {number: span.high for number, span in wall.items()}, phase.workers)
    scheduled = Span(_end(shortest), _end(longest))
    titles = {stage.number: stage.title for stage in stages}
    bars = [
        Bar(phase.number, job.name, titles[job.name], job.worker, job.start, wall[job.name], "stage")
        for job in longest
        if job.hours
    ]
    if phase.overhead.high:
        overhead = ("hand-overs, repeats", 0, scheduled.high, phase.overhead, "overhead")
        bars.append(Bar(phase.number, "", *overhead))
    return PhaseTime(phase, total(work.values()), scheduled, total((scheduled, phase.overhead)), tuple(bars))


def work_of(desired: Desired, stage: Stage) -> Span:
    """Hours of work of a stage: those of its tasks, or of its pieces of work."""
    if stage.update:
        return total(work.hours for work in stage.work)
    hours = sum(task.hours for task in desired.tasks_of(stage))
    return Span(hours, hours)


def without_idx(desired: Desired, phase: Phase) -> PhaseTime:
    """The phase, its last stage waiting only for the stages that make columns of the momentum."""
    after = [stage.number for stage in desired.stages_of(phase)
             if stage.features.get("bqx") and stage.number != phase.last]  # fmt: skip
    return time_of(desired, phase, last_after=after)


def place(jobs: Sequence[Job], workers: int) -> tuple[Placed, ...]:
    """The shortest schedule of jobs on equal workers, in the order of start.

    Exact: branch and bound over the order in which jobs start. In some shortest schedule every job
    starts as soon as a worker is free and what it waits for is finished, and no order is left out
    but those that a bound rules out. From about fifteen jobs on that may take too long; then the best
    of `LONGEST_SEARCH` partial schedules is taken.

    Raises:
        PlanRefused: jobs wait for each other in a circle.
    """
    return _best(tuple(jobs), workers) if jobs else ()


@lru_cache
def _best(jobs: tuple[Job, ...], workers: int) -> tuple[Placed, ...]:
    """The same graph is asked for again and again."""
    return _Search(jobs, workers).best()


class _Search:
    """Branch and bound; times in whole seconds."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.seconds = {job.name: round(job.hours * HOUR) for job in jobs}
        self.after = {job.name: [name for name in job.after if name in self.jobs] for job in jobs}
        self.tails = _tails(self.seconds, self.after)
        self.twins = {name: self._kind(name) for name in self.jobs}
        self.workers = workers
        self.shortest: int | None = None
        self.order: list[tuple[str, int, int]] = []
        self.seen: set[object] = set()
        self.looked_at = 0

    def _kind(self, name: str) -> object:
        """The same for jobs that can take each other's place: trying one of them is enough."""
        followers = frozenset(other for other, before in self.after.items() if name in before)
        return self.seconds[name], frozenset(self.after[name]), followers

    def best(self) -> tuple[Placed, ...]:
        """The shortest schedule."""
        self._extend([], {}, (0,) * self.workers)
        return tuple(
            Placed(name, worker, start / HOUR, self.jobs[name].hours) for name, worker, start in self.order
        )

    def _extend(self, order: list[tuple[str, int, int]], ends: dict[str, int], free: tuple[int, ...]) -> None:
        """Try every job that may start next, those with the most work behind them first."""
        if len(ends) == len(self.jobs):
            self.shortest, self.order = max(ends.values()), list(order)
            return
        last = order[-1][2] if order else 0
        tried: set[object] = set()
        for start, name in sorted(self._next(ends, min(free)), key=lambda next_: -self.tails[next_[1]]):
            if start < last or self.twins[name] in tried or self._hopeless(ends, free, name, start):
                continue
            tried.add(self.twins[name])
            worker = free.index(min(free))
            end = start + self.seconds[name]
            later = (*free[:worker], end, *free[worker + 1 :])
            state = (frozenset(ends) | {name}, tuple(sorted(later)), start, self._open(ends | {name: end}))
            if state not in self.seen:
                self.seen.add(state)
                self._extend([*order, (name, worker, start)], ends | {name: end}, later)

    def _next(self, ends: Mapping[str, int], free: int) -> list[tuple[int, str]]:
        """Jobs all of whose predecessors are placed, with their earliest start."""
        ready = [name for name in self.jobs if name not in ends and all(a in ends for a in self.after[name])]
        return [(max([free, *(ends[a] for a in self.after[name])]), name) for name in ready]

    def _open(self, ends: Mapping[str, int]) -> frozenset[tuple[str, int]]:
        """Ends that still matter: of jobs that others wait for which are not placed."""
        waited_for = {a for name in self.jobs if name not in ends for a in self.after[name]}
        return frozenset((name, end) for name, end in ends.items() if name in waited_for)

    def _hopeless(self, ends: Mapping[str, int], free: tuple[int, ...], name: str, start: int) -> bool:
        """Whether nothing shorter can come of it."""
        if self.shortest is None:
            return False
        self.looked_at += 1
        rest = sum(self.seconds[job] for job in self.jobs if job not in ends)
        idle = start - min(free)  # the worker waits: that time is lost
        by_load = ceil((sum(free) + idle + rest) / self.workers)
        by_tail = max(
            [start + self.tails[name]]
            + [start + self.tails[job] for job in self.jobs if job not in ends]
            + list(ends.values())
        )
        return max(by_load, by_tail) >= self.shortest or self.looked_at > LONGEST_SEARCH


def _tails(seconds: Mapping[str, int], after: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Seconds from the start of each job to the end of all that waits for it."""
    followers: dict[str, list[str]] = {name: [] for name in seconds}
    for name, before in after.items():
        for other in before:
            followers[other].append(name)
    tails: dict[str, int] = {}
    while len(tails) < len(seconds):
        known = [n for n in seconds if n not in tails and all(f in tails for f in followers[n])]
        if not known:
            circle = ", ".join(sorted(set(seconds) - set(tails)))
            raise PlanRefused(f"stages.yaml, updates.yaml ('after'): these wait for each other: {circle}.")
        tails |= {n: seconds[n] + max((tails[f] for f in followers[n]), default=0) for n in known}
    return tails


def _clock(desired: Desired, phase: Phase, stage: Stage) -> Span:
    """Hours on the clock of a stage: work that is done per pair runs for several pairs at once."""
    if not stage.update:
        return work_of(desired, stage)
    return total(_together(work.hours, work.pairs, phase.pairs_at_once) for work in stage.work)


def _together(hours: Span, pairs: int, at_once: int) -> Span:
    """Equal work for each pair, so many pairs at once: 28 pairs, 8 at once, take 4 rounds of 1/28."""
    share = ceil(pairs / at_once) / pairs if pairs else 1
    return Span(hours.low * share, hours.high * share)


def _place(stages: Sequence[Stage], hours: Mapping[str, float], workers: int) -> tuple[Placed, ...]:
    return place([Job(stage.number, hours[stage.number], stage.after) for stage in stages], workers)


def _end(placed: Sequence[Placed]) -> float:
    return max((job.end for job in placed), default=0)
