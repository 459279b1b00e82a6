"""What `make run` asks for when the pipeline is over: forecasts, monitoring, a review, the plan's status."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include import settings
from local.api import Airflow
from local.approval import Approver
from local.mail.folder import caught
from local.services import address

PREDICT, MONITOR, REVIEW = "bqx_predict", "bqx_monitor", "bqx_review"  # have schedules, are asked for once
PATIENCE = 300.0  # seconds that a run may take
AT_WORK = ("queued", "running")
SHOWN = 5  # mails


def watch(
    airflow: Airflow,
    pairs: Sequence[str],
    approver: Approver,
    alive: Callable[[], None],
    patience: float = PATIENCE,
) -> tuple[dict[str, str], str]:
    """Forecast the last whole day, monitor what is served and review it; how that ended, and what it tells.

    It takes a minute for the majors; all pairs follow by the schedules, which are switched on here.

    Args:
        airflow: the API.
        pairs: of the run.
        approver: answers what the review proposes.
        alive: raises if a part of the stack has died.
        patience: seconds that each run may take.
    """
    watched = [pair for pair in pairs if pair in settings.MAJORS] or list(pairs[:4])
    states, told = {}, []
    for dag, conf in ((PREDICT, {"pairs": watched}), (MONITOR, {"pairs": watched}), (REVIEW, {})):
        airflow.unpause(dag)
        states[dag], said = once(airflow, dag, conf, alive, patience, approver)
        told += said
    return states, "\n".join([f"Watched: {', '.join(watched)}; the others by the schedule", *told])


def once(
    airflow: Airflow,
    dag: str,
    conf: dict[str, Any],
    alive: Callable[[], None],
    patience: float = PATIENCE,
    approver: Approver | None = None,
) -> tuple[str, list[str]]:
    """Run a DAG and wait for it: its state, and what its tasks have to tell.

    Args:
        airflow: the API.
        dag: its id.
        conf: of the run.
        alive: raises if a part of the stack has died.
        patience: seconds; then its state is what it is.
        approver: answers what the run asks a person; without it the run waits.
    """
    run = airflow.trigger(dag, conf)
    deadline = time.monotonic() + patience
    while (state := str(airflow.run(dag, run)["state"])) in AT_WORK:
        alive()
        if approver is not None:
            for task in airflow.tasks(dag, run):
                approver.look_at(task)
        if time.monotonic() > deadline:
            return state, []
        time.sleep(1.0)
    tasks = sorted(airflow.tasks(dag, run), key=lambda task: str(task["start_date"]))
    said = [airflow.xcom(task) for task in tasks if task["state"] == "success"]
    return state, [str(one["summary"]) for one in said if isinstance(one, dict) and one.get("summary")]


def mails(folder: Path, port: int, since: datetime) -> str:
    """The mails that were caught since a moment, with the address of each; empty if there are none.

    Args:
        folder: of the mail catcher.
        port: where it shows them.
        since: beginning of the run, UTC.
    """
    found = [mail for mail in caught(folder) if mail.came >= since.astimezone(UTC)]
    lines = [f"  {mail.subject}  {address(port)}/{mail.name}" for mail in found[:SHOWN]]
    more = [f"  and {len(found) - SHOWN} more, see {address(port)}"] if len(found) > SHOWN else []
    return "\n".join([f"Mails caught: {len(found)}", *lines, *more]) if found else ""
