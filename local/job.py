"""The main job: bring the stack up, run the whole pipeline on it, say how it went."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from include import settings
from include.errors import BqxError
from local import closing, disk, predict, report
from local.api import Airflow
from local.approval import Approver
from local.beside import Beside, Kernels, Market
from local.follow import Follower, follow
from local.legacy import build_legacy
from local.options import Glance, Options
from local.processes import INTERRUPTS
from local.progress import PIPELINE
from local.stack import DATABASE, Stack
from local.state import State
from tools import networks

PURPOSE_OF_BUILDS, PURPOSE_OF_TRAINING = (
    "Table builds at the same time",
    "Paid training jobs at the same time",
)
DEPLOY = "bqx_deploy"
ALERT = "bqx_alert"  # has a schedule too, and tells what goes wrong meanwhile
SYNC = "bqx_sync"  # has a schedule, and is asked for once more at the end
TRAINING_JOBS = 8  # at once, as on AWS
PARSING = 120.0  # seconds until Airflow must know the DAGs
BY_ASSET = "Asset"  # what Airflow calls the timetable of a DAG that new data start


def run(options: Options, seen: Glance, console: Console) -> int:
    """Do everything `make run` does.

    Args:
        options: what was asked for.
        seen: what a first look at its bars found.
        console: where to write.

    Returns:
        0 if every DAG run succeeded, 1 otherwise.

    Raises:
        BqxError: something is missing or did not start; the stack is stopped if this call started it.
        KeyboardInterrupt: the user ended it; likewise.
    """
    state = State(options.state)
    _tell(seen, console)
    state.create()
    with state.locked():
        console.print(disk.check(options), markup=False, soft_wrap=True)
        stack = Stack(state, say=lambda text: console.print(text, markup=False, soft_wrap=True))
        was_up = stack.is_up
        try:
            return _run(options, seen, stack, console)
        except KeyboardInterrupt:
            console.print("\nInterrupted.", soft_wrap=True)
            _leave(stack, console, was_up)
            raise
        except (BqxError, OSError):
            _leave(stack, console, was_up)
            raise
        except psycopg.Error as error:  # a lost connection: no traceback
            _leave(stack, console, was_up)
            raise BqxError(str(error)) from error


def _run(options: Options, seen: Glance, stack: Stack, console: Console) -> int:
    started, began = time.monotonic(), datetime.now(UTC)
    source = options.data or options.market(stack.state.market)
    with ExitStack() as beside:
        tasks = [beside.enter_context(task) for task in _tasks_beside(source, options, stack.state)]
        fresh = stack.start(options.port)
        stack.write_env()
        options = options.located(stack.place_of)
        if isinstance(options.data, str):
            seen = options.glance(stack.place_of)
            _tell(seen, console)
        if months := options.legacy_months(seen.first_day):
            build_legacy(stack.postgres.url(DATABASE), pairs=options.pairs, months=months)
        for task in tasks:
            task.wait()
    with stack.api() as airflow:
        _prepare(airflow, options, stack)
        conf = options.conf(source)
        run = _start_or_join(airflow, conf, began if fresh else None, console)
        approver = Approver(airflow, console, _rejected())
        follower = Follower(airflow, run, len(options.pairs), approver)
        console.print(f"UI: {stack.link}   logs: {stack.state.logs}", markup=False, soft_wrap=True)
        progress = follow(follower, stack.check_alive, console)
        states = {dag: str(airflow.run(dag, run)["state"]) for dag, run in follower.runs}
        told = []
        if states.get(DEPLOY) == "success":
            ended, watched = closing.watch(airflow, options.pairs, approver, stack.check_alive)
            states |= ended
            # The API has read the new routing table by now.
            told += [predict.summary(predict.exports(stack.state.env), options.pairs), watched]
        states[SYNC], standing = _sync(airflow, stack.check_alive)
        told.append(closing.mails(stack.state.root / "mail", stack.service_ports["mail"], began))
        standing = "\n".join(filter(None, (standing, *told)))
        seconds = time.monotonic() - started
        report.summary(console, options, progress, states, seconds, standing)
        report.failures(console, airflow, progress.failures)
    report.addresses(console, stack)
    return 0 if all(state == "success" for state in states.values()) else 1


def _tell(seen: Glance, console: Console) -> None:
    for name, why in seen.left_out.items():
        console.print(f"Not read: {name}: {why}", markup=False, soft_wrap=True)


def _rejected() -> dict[str, str]:
    """Questions that nothing on this machine could follow up."""
    if networks.FOLDER.exists():
        return {}
    return {"networks.approval": "make tft has not been run, so networks cannot be trained here"}


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
    # One that is parsed later would stay paused, and the pipeline would wait for it.
    expected = {path.stem for path in (stack.root / "dags").glob("*.py")}
    while missing := expected - {dag["dag_id"] for dag in airflow.dags()}:
        stack.check_alive()
        if time.monotonic() > deadline:
            errors = "\n".join(airflow.import_errors()) or "no import error was reported"
            names = ", ".join(sorted(missing))
            raise BqxError(f"Airflow does not know {names} after {PARSING:.0f} s: {errors}")
        time.sleep(0.5)
    for dag in airflow.dags():
        if dag["is_paused"] and _is_wanted(dag):
            airflow.unpause(dag["dag_id"])


def _is_wanted(dag: dict[str, Any]) -> bool:
    """DAGs that wait to be triggered, and those that follow them: the plan's status, alerts."""
    return dag["timetable_summary"] in (None, BY_ASSET) or dag["dag_id"] in (SYNC, ALERT)


def _sync(airflow: Airflow, alive: Callable[[], None]) -> tuple[str, str]:
    """Let the Airtable plan hear of everything that happened; how that ended, and where the plan stands."""
    state, said = closing.once(airflow, SYNC, {}, alive)
    return state, "\n".join(said)


def _start_or_join(airflow: Airflow, conf: dict[str, Any], started: datetime | None, console: Console) -> str:
    """The run to follow: a new one, or one of the same options that is at work already.

    `started` is when the stack was started, None if it was up: what was at work before has lost its workers.
    """
    if started is not None:
        _give_up(airflow, started)
    unfinished = airflow.runs(PIPELINE, closing.AT_WORK)
    for run in unfinished:
        if run["conf"] != conf:
            raise BqxError(
                f"A run with other options is at work ({run['dag_run_id']}). Wait until it is over, see "
                f"{airflow.url}, or end it with make stop."
            )
        console.print(f"Following the run that is at work already: {run['dag_run_id']}", soft_wrap=True)
        return str(run["dag_run_id"])
    return airflow.trigger(PIPELINE, conf)


def _give_up(airflow: Airflow, started: datetime) -> None:
    """Fail the runs whose workers ended with an earlier stack: new ones would wait behind them.

    A schedule may have begun a run since the stack was started; that one goes on.
    """
    for dag in airflow.dags():
        if _is_wanted(dag) or dag["dag_id"] in (closing.PREDICT, closing.MONITOR, closing.REVIEW):
            for run in airflow.runs(dag["dag_id"], closing.AT_WORK):
                if datetime.fromisoformat(run["queued_at"]) < started:
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
