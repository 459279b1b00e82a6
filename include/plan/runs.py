"""What the runs did for one task of a DAG: Airflow's word, and where it says nothing the events.

Events may be lost, doubled or out of order: of several about one attempt the one that is further on counts,
and Airflow's state replaces all of them. They alone know times, pairs and why something failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from include.events.outbox import Event

FAILED, HELD_BACK = "failed", "upstream_failed"
RUNNING = frozenset(
    ("running", "up_for_retry", "up_for_reschedule", "deferred", "restarting", "awaiting_input")
)
AHEAD = frozenset(("", "none", "scheduled", "queued"))  # its turn has not come
LEFT_OUT = frozenset(("skipped", "removed"))
_ORDER = ("running", "up_for_retry", "skipped", "failed", "success")  # of events about one attempt

Task = tuple[str, str]  # DAG and task with its groups


class AirflowRun(TypedDict):
    """A run as Airflow tells it.

    Attributes:
        run_id: its id.
        run_at: when it was due, ISO text.
        tasks: state by task id; of a mapped task by task id, ``_`` and its place.
    """

    run_id: str
    run_at: str
    tasks: Mapping[str, str | None]


AirflowStates = Mapping[str, Sequence[AirflowRun]]  # newest run first, by DAG


@dataclass(frozen=True)
class Work:
    """What one run did for one task, all its mapped instances together.

    Attributes:
        run_id: the newest run that did not leave it out.
        total: instances.
        succeeded: how many of them are done.
        running: how many are at work.
        failed: what failed: pair, or place in the mapping, and why.
        held_back: instances that did not begin, because something before them failed.
        seconds: from the first begin to the last end; None while it is not over or nobody told.
    """

    run_id: str
    total: int
    succeeded: int
    running: int
    failed: tuple[tuple[str, str], ...] = ()
    held_back: int = 0
    seconds: float | None = None


@dataclass
class _Run:
    run_id: str
    run_at: str = ""
    states: dict[str, str] | None = None  # by task id and place, as Airflow says
    told: dict[tuple[str, int], Event] = field(default_factory=dict)
    failures: dict[tuple[str, int], Event] = field(default_factory=dict)

    def states_of(self, task_id: str) -> dict[int, str]:
        """State of each instance of a task, by its place; -1 for a task that is not mapped."""
        if self.states is None:
            return {place: event.state for (name, place), event in self.told.items() if name == task_id}
        found = {}
        for name, state in self.states.items():
            task, _, place = name.rpartition("_")
            if name == task_id:
                found[-1] = state
            elif task == task_id and place.isdecimal():
                found[int(place)] = state
        return found


def works(events: Iterable[Event], airflow: AirflowStates, tasks: Iterable[Task]) -> dict[Task, Work]:
    """The newest run of each task that did something for it.

    Args:
        events: in the order in which they came.
        airflow: the newest runs of each DAG; a DAG that Airflow says nothing about is judged by its events.
        tasks: the tasks to look for; those that no run did anything for are left out of the answer.
    """
    runs = _runs(events, airflow)
    found: dict[Task, Work] = {}
    for dag_id, task_id in tasks:
        for run in runs.get(dag_id, ()):
            states = run.states_of(task_id)
            if any(state not in AHEAD | LEFT_OUT for state in states.values()):
                found[dag_id, task_id] = _work(run, task_id, states)
                break
    return found


def _work(run: _Run, task_id: str, states: Mapping[int, str]) -> Work:
    counted = {place: state for place, state in states.items() if state not in LEFT_OUT}
    failed = [_failure(run, task_id, place) for place, state in sorted(counted.items()) if state == FAILED]
    told = [event for (name, place), event in run.told.items() if name == task_id and place in counted]
    over = all(state in ("success", FAILED, HELD_BACK) for state in counted.values())
    return Work(
        run.run_id,
        total=len(counted),
        succeeded=sum(state == "success" for state in counted.values()),
        running=sum(state in RUNNING for state in counted.values()),
        failed=tuple(failed),
        held_back=sum(state == HELD_BACK for state in counted.values()),
        seconds=_seconds(told) if over else None,
    )


def _failure(run: _Run, task_id: str, place: int) -> tuple[str, str]:
    event = run.failures.get((task_id, place)) or run.told.get((task_id, place))
    shown = "" if place < 0 else f"number {place + 1}"
    return (event.pair or shown, event.note) if event else (shown, "")


def _seconds(told: Iterable[Event]) -> float | None:
    begins = [event.started_at for event in told if event.started_at]
    ends = [event.ended_at for event in told if event.ended_at]
    return max((max(ends) - min(begins)).total_seconds(), 0.0) if begins and ends else None


def _runs(events: Iterable[Event], airflow: AirflowStates) -> dict[str, list[_Run]]:
    """Runs by DAG, newest first. Where Airflow answers, runs that it does not know are gone."""
    found: dict[str, dict[str, _Run]] = {
        dag_id: {run["run_id"]: _of_airflow(run) for run in runs} for dag_id, runs in airflow.items() if runs
    }
    asked = set(found)
    for event in events:
        runs = found.setdefault(event.dag_id, {})
        if event.run_id not in runs and event.dag_id in asked:
            continue
        _tell(runs.setdefault(event.run_id, _Run(event.run_id)), event)
    return {
        dag_id: sorted(runs.values(), key=lambda run: (run.run_at, run.run_id), reverse=True)
        for dag_id, runs in found.items()
    }


def _of_airflow(run: AirflowRun) -> _Run:
    states = {name: state or "" for name, state in run["tasks"].items()}
    return _Run(run["run_id"], _sortable(datetime.fromisoformat(run["run_at"])), states)


def _tell(run: _Run, event: Event) -> None:
    if run.states is None and event.run_at is not None:
        run.run_at = max(run.run_at, _sortable(event.run_at))
    place = event.task_id, event.map_index
    for known in (run.told, run.failures) if event.state == FAILED else (run.told,):
        if event.task_id and (place not in known or _rank(event) >= _rank(known[place])):
            known[place] = event


def _rank(event: Event) -> tuple[int, int]:
    return event.try_number, _ORDER.index(event.state) if event.state in _ORDER else -1


def _sortable(moment: datetime) -> str:
    return f"{moment.timestamp():020.6f}"
