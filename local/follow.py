"""Follow a run of `bqx_pipeline` and of the DAGs it triggers, and show where it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from include.errors import BqxError
from local.api import Airflow
from local.approval import Approver
from local.progress import DONE, FAILED, PIPELINE, Progress, Stage, Task, clock

LOOK_AT_LEAST = 2.0  # seconds between two looks
LOOK_AT_MOST = 8.0  # a run that is over, or waits for an answer, waits no longer than this for a look
SHARE = 20  # a look is followed by so many times its own length: on a busy machine it takes part of the cores
LINE = 5.0  # at most one plain line in this many seconds
PATIENCE = 1_800.0  # give up when nothing at all changes for so long
OVER = frozenset({"success", "failed"})


class Follower:
    """Keeps the task instances of a pipeline run up to date, asking only for what changed.

    Args:
        airflow: the API.
        run: id of the pipeline run.
        pairs: how many pairs it works on.
        approver: answers tasks that wait for a person.
    """

    def __init__(self, airflow: Airflow, run: str, pairs: int, approver: Approver) -> None:
        self._airflow, self._run, self._pairs, self._approver = airflow, run, pairs, approver
        self._children: dict[str, tuple[str, str]] = {}  # phase -> DAG and run it triggered
        self._tasks: dict[tuple[str, str, int], Task] = {}
        self._since: dict[str, str] = {}
        self._over: set[str] = set()  # runs that have ended and of which every task is known
        self.state = "queued"

    @property
    def runs(self) -> list[tuple[str, str]]:
        """DAG and run id of the pipeline and of what it triggered so far."""
        return [(PIPELINE, self._run), *self._children.values()]

    def look(self) -> Progress:
        """Ask Airflow and return where the run is now."""
        self.state = str(self._airflow.run(PIPELINE, self._run)["state"])
        if self.state in OVER and not self._children_are_over():  # the pipeline does not wait for all of them
            self.state = "running"
        for answer in self._airflow.tasks(PIPELINE, self._run):
            self._find_child(answer)
            self._keep(Task.of(answer))
        for dag, run in self._children.values():
            if run in self._over:
                continue
            asked, over = datetime.now(UTC) - timedelta(seconds=2), self._is_over(dag, run)
            for answer in self._airflow.tasks(dag, run, self._since.get(dag)):
                self._approver.look_at(answer)
                self._keep(self._with_words(answer))
            self._since[dag] = asked.isoformat()
            if over:
                self._over.add(run)
        return Progress.of(self._tasks.values(), self._pairs, datetime.now(UTC))

    def _children_are_over(self) -> bool:
        return all(self._airflow.run(dag, run)["state"] in OVER for dag, run in self._children.values())

    def _is_over(self, dag: str, run: str) -> bool:
        """Whether a run has ended; asked only where no task that is known has anything left to do."""
        states = [task.state for task in self._tasks.values() if task.dag == dag]
        at_work = not states or any(state not in DONE | FAILED for state in states)
        return not at_work and self._airflow.run(dag, run)["state"] in OVER

    def _find_child(self, answer: dict[str, object]) -> None:
        phase = str(answer["task_id"])
        if phase not in self._children and answer["state"] not in (None, "scheduled", "queued"):
            run = self._airflow.xcom(answer, "trigger_run_id")
            if run:
                self._children[phase] = (f"bqx_{phase}", run)

    def _with_words(self, answer: dict[str, object]) -> Task:
        """The task with what it left in its XCom, which is asked for once."""
        task = Task.of(answer)
        known = self._tasks.get((task.dag, task.name, task.place))
        if task.state != "success":
            return task
        if known and known.rows is not None and known.attempt == task.attempt:
            return task._replace(rows=known.rows, gate=known.gate, summary=known.summary)
        return task.saying(self._airflow.xcom(answer))

    def _keep(self, task: Task) -> None:
        self._tasks[task.dag, task.name, task.place] = task
        if task.place >= 0:
            self._tasks.pop((task.dag, task.name, -1), None)


def follow(follower: Follower, alive: Callable[[], None], console: Console) -> Progress:
    """Show a run until it is over: a live table on a terminal, plain lines elsewhere.

    Args:
        follower: the run.
        alive: raises if a part of the stack has died.
        console: where to write.

    Raises:
        BqxError: a component died, or nothing happened for half an hour.
    """
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for progress in _looks(follower, alive):
                live.update(table(progress), refresh=True)
    else:
        began = time.monotonic()
        last, when = "", -LINE
        for progress in _looks(follower, alive):
            text, now = line(progress), time.monotonic()
            if text != last and now - when >= LINE:
                console.print(f"{clock(now - began):>12}  {text}", highlight=False, soft_wrap=True)
                sys.stdout.flush()
                last, when = text, now
    return progress


def _looks(follower: Follower, alive: Callable[[], None]) -> Iterator[Progress]:
    fingerprint, changed = "", time.monotonic()
    while True:
        alive()
        began = time.monotonic()
        progress = _look(follower, alive)
        pause = min(max(LOOK_AT_LEAST, SHARE * (time.monotonic() - began)), LOOK_AT_MOST)
        yield progress
        if follower.state in OVER:
            return
        seen = repr(
            [(task.name, task.place, task.state) for stage in progress.stages for task in stage.tasks]
        )
        if seen != fingerprint:
            fingerprint, changed = seen, time.monotonic()
        elif time.monotonic() - changed > PATIENCE:
            raise BqxError(f"Nothing has changed for {clock(PATIENCE)}; look into the UI and the logs.")
        time.sleep(pause)


def _look(follower: Follower, alive: Callable[[], None]) -> Progress:
    try:
        return follower.look()
    except BqxError:
        alive()  # it knows the cause, if a part of the stack has died
        raise


def table(progress: Progress) -> Table:
    """All stages with pairs done of total, failures, rows, rows per second and time left."""
    view = Table("stage", expand=False)
    for heading in ("pairs", "failed", "rows", "rows/s", "time", "left"):
        view.add_column(heading, justify="right")
    for stage in progress.stages:
        view.add_row(*_cells(progress, stage))
    left = progress.total_seconds_left
    if progress.stages:
        estimate = f", about {clock(left)} left" if left else ""
        view.caption = f"{progress.rate:,.0f} rows/s overall{estimate}"
    return view


def line(progress: Progress) -> str:
    """One line: the stages at work with pairs done of total, then the totals."""
    if not progress.stages:
        return "waiting for the first stage"
    active = [stage for stage in progress.stages if 0 < stage.done + stage.failed < stage.pairs]
    finished = sum(stage.done + stage.failed >= stage.pairs for stage in progress.stages)
    failed, left = sum(stage.failed for stage in progress.stages), progress.total_seconds_left
    parts = [", ".join(f"{stage.title.split()[-1]} {stage.done}/{stage.pairs}" for stage in active)]
    parts.append(f"{finished}/{len(progress.stages)} stages done")
    parts.append(f"{failed} failed" if failed else "")
    parts.append(f"{progress.rate:,.0f} rows/s" if progress.rate else "")
    parts.append(f"about {clock(left)} left" if left else "")
    return "; ".join(filter(None, parts))


def _cells(progress: Progress, stage: Stage) -> tuple[str | Text, ...]:
    span, left = stage.span(progress.now), progress.seconds_left(stage)
    running = any(task.state not in DONE | FAILED and task.started for task in stage.tasks)
    colour = (
        "red" if stage.failed else "green" if stage.done == stage.pairs else "yellow" if running else "dim"
    )
    return (
        Text(stage.title, style=colour),
        f"{stage.done}/{stage.pairs}",
        str(stage.failed or ""),
        f"{stage.rows:,}" if stage.done else "",
        f"{stage.rows / span:,.0f}" if stage.rows and span else "",
        clock(span) if span else "",
        "" if left is None or left == 0 else clock(left),
    )
