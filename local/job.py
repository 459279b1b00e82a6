"""The main job: bring the stack up, run the whole pipeline on it, say how it went."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from include import settings
from include.errors import BqxError
from local import disk, report
from local.api import Airflow
from local.approval import Approver
from local.beside import Beside, Kernels, Market
from local.follow import Follower, follow
from local.legacy import build_legacy
from local.options import SEED, Options
from local.processes import INTERRUPTS
from local.progress import PIPELINE
from local.stack import DATABASE, Stack
from local.state import State
from tools import networks

PURPOSE_OF_BUILDS, PURPOSE_OF_TRAINING = (
    "Table builds at the same time",
    "Paid training jobs at the same time",
)
SYNC, SYNC_TASK = "bqx_sync", "sync"  # has a schedule, and is asked for once more at the end
TRAINING_JOBS = 8  # at once, as on AWS
PARSING = 120.0  # seconds until Airflow must know the DAGs
SYNCING = 300.0  # seconds it may take
BY_ASSET = "Asset"  # what Airflow calls the timetable of a DAG that new data start
STATES_AT_WORK = ("queued", "running")


def run(options: Options, console: Console) -> int:
    """Do everything `make run` does.

    Returns:
        0 if every DAG run succeeded, 1 otherwise.

    Raises:
        BqxError: something is missing or did not start; the stack is stopped if this call started it.
        KeyboardInterrupt: the user ended it; likewise.
    """
    state = State(options.state)
    console.print(_headline(options), soft_wrap=True)
    state.create()
    with state.locked():
        console.print(disk.check(options), soft_wrap=True)
        stack = Stack(state, say=lambda text: console.print(text, soft_wrap=True))
        was_up = stack.is_up
        try:
            return _run(options, stack, console)
        except KeyboardInterrupt:
            console.print("\nInterrupted.", soft_wrap=True)
            _leave(stack, console, was_up)
            raise
        except (BqxError, OSError, psycopg.Error):
            _leave(stack, console, was_up)
            raise


def _run(options: Options, stack: Stack, console: Console) -> int:
    started = time.monotonic()
    source = options.data or options.market(stack.state.market)
    with ExitStack() as beside:
        tasks = [beside.enter_context(task) for task in _tasks_beside(source, options, stack.state)]
        fresh = stack.start(options.port)
        stack.state.write_env(stack.exports())
        options = options.located(stack.place_of)
        build_legacy(stack.postgres.url(DATABASE), pairs=options.pairs, months=options.legacy_months)
        for task in tasks:
            task.wait()
    with stack.api() as airflow:
        _prepare(airflow, options, stack)
        conf = options.conf(source)
        run = _start_or_join(airflow, conf, fresh, console)
        follower = Follower(airflow, run, len(options.pairs), Approver(airflow, console, _rejected()))
        console.print(f"UI: {airflow.url}   logs: {stack.state.logs}", soft_wrap=True)
        progress = follow(follower, stack.check_alive, console)
        states = {dag: str(airflow.run(dag, run)["state"]) for dag, run in follower.runs}
        states[SYNC], standing = _sync(airflow, stack.check_alive)
        seconds = time.monotonic() - started
        report.summary(console, options, progress, states, seconds, standing)
        report.failures(console, airflow, progress.failures)
    report.addresses(console, stack)
    return 0 if all(state == "success" for state in states.values()) else 1


def _rejected() -> dict[str, str]:
    """Questions that nothing on this machine could follow up."""
    if networks.FOLDER.exists():
        return {}
    return {"networks.approval": "make tft has not been run, so networks cannot be trained here"}


def _headline(options: Options) -> str:
    bars = str(options.data) if options.data else f"simulated market, seed {SEED}"
    return f"[bold]BQX ML[/]  {options.sizes}\nBars: {bars}, crosses {options.crosses}"


def _tasks_beside(source: Path | str, options: Options, state: State) -> list[Beside]:
    """What has to be made for this run and can be made while Airflow starts."""
    tasks: list[Beside] = []
    if isinstance(source, Path) and not source.exists():
        tasks.append(Market(options, state))
    if not any(state.numba.iterdir()):
        tasks.append(Kernels(state))
    return tasks


def _prepare(airflow: Airflow, options: Options, stack: Stack) -> None:
    """Set the pool's size, wait until the DAGs are parsed, and let those without a schedule run."""
    airflow.set_pool(settings.BUILD_POOL, options.workers, PURPOSE_OF_BUILDS)
    airflow.set_pool(settings.TRAINING_POOL, TRAINING_JOBS, PURPOSE_OF_TRAINING, deferred=True)
    deadline = time.monotonic() + PARSING
    while not any(dag["dag_id"] == PIPELINE for dag in airflow.dags()):
        stack.check_alive()
        if time.monotonic() > deadline:
            errors = "\n".join(airflow.import_errors()) or "no import error was reported"
            raise BqxError(f"Airflow does not know {PIPELINE} after {PARSING:.0f} s: {errors}")
        time.sleep(0.5)
    for dag in airflow.dags():
        if dag["is_paused"] and _is_wanted(dag):
            airflow.unpause(dag["dag_id"])


def _is_wanted(dag: dict[str, Any]) -> bool:
    """DAGs that wait to be triggered, and the one that keeps the plan's status true while they run."""
    return dag["timetable_summary"] in (None, BY_ASSET) or dag["dag_id"] == SYNC


def _sync(airflow: Airflow, alive: Callable[[], None]) -> tuple[str, str]:
    """Let the Airtable plan hear of everything that happened; how that ended, and where the plan stands."""
    run = airflow.trigger(SYNC, {})
    deadline = time.monotonic() + SYNCING
    while (state := str(airflow.run(SYNC, run)["state"])) in STATES_AT_WORK:
        alive()
        if time.monotonic() > deadline:
            return state, ""
        time.sleep(1.0)
    said = [airflow.xcom(task) for task in airflow.tasks(SYNC, run) if task["task_id"] == SYNC_TASK]
    return state, "".join(one["summary"] for one in said if one)


def _start_or_join(airflow: Airflow, conf: dict[str, Any], fresh: bool, console: Console) -> str:
    """The run to follow: a new one, or one of the same options that is at work already."""
    if fresh:
        _give_up(airflow)
    unfinished = airflow.runs(PIPELINE, STATES_AT_WORK)
    for run in unfinished:
        if run["conf"] != conf:
            raise BqxError(
                f"A run with other options is at work ({run['dag_run_id']}). Wait until it is over, see "
                f"{airflow.url}, or end it with make stop."
            )
        console.print(f"Following the run that is at work already: {run['dag_run_id']}", soft_wrap=True)
        return str(run["dag_run_id"])
    return airflow.trigger(PIPELINE, conf)


def _give_up(airflow: Airflow) -> None:
    """Fail the runs whose workers ended with an earlier stack: new ones would wait behind them."""
    for dag in airflow.dags():
        if _is_wanted(dag):
            for run in airflow.runs(dag["dag_id"], STATES_AT_WORK):
                airflow.fail(dag["dag_id"], run["dag_run_id"])


def _leave(stack: Stack, console: Console, was_up: bool) -> None:
    if was_up:
        rest = f"Airflow goes on at http://127.0.0.1:{stack.port}." if stack.is_up else "The rest goes on."
        console.print(f"{rest} End it with make stop.", soft_wrap=True)
        return
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
    console.print("Stopping what was started …")
    stack.stop()
    console.print("Stopped. What was built stays; the same make run goes on from there.", soft_wrap=True)
