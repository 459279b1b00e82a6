"""What callbacks, Airflow's API and CloudWatch say, as signals. Nothing is asked here; no clock is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from include import settings
from include.alerts.airflow_api import run_link, task_link
from include.alerts.policy import (
    ALARM,
    COST,
    CRITICAL,
    DEADLINE,
    DRIFT,
    FAILURE,
    IMPORT_ERROR,
    LATENCY,
    SEVERITIES,
    STUCK,
    WARNING,
    Signal,
)

# Beginnings of keys. Whatever is open under one of STATES is over when a look does not find it any more.
RUN, LATE, SILENT, FILE, CLOUDWATCH = "run/", "deadline/", "stuck/", "import/", "alarm/"
AIRFLOW_STATES = (LATE, SILENT, FILE)

OURSELVES = "bqx_alert"  # its failures are the watchdog's business: it could not tell them
PARENT = "bqx_pipeline"  # fails because of a run that it started, which is told already
LONGEST_RUNNING = settings.DEFAULT_ARGS["execution_timeout"] + timedelta(minutes=15)
LONGEST_QUEUED = timedelta(minutes=30)
_KINDS = {"model-drift": DRIFT, "cost": COST, "high-latency": LATENCY}  # by the name of the runbook
_RUNBOOK = re.compile(r"\s*What to do: docs/(\S+)")
_PAGE = "alerts.md"

Plain = Mapping[str, Any]


def run_key(dag_id: str, run_id: str) -> str:
    """What failures are grouped by: runs of a schedule are one series, any other run stands alone."""
    return f"{RUN}{dag_id}/{'scheduled' if run_id.startswith('scheduled__') else run_id}"


def of_events(events: Iterable[Plain], base: str) -> list[Signal]:
    """Failures that callbacks wrote down.

    Args:
        events: rows of ``list_failures.sql``.
        base: address of Airflow's user interface; empty without links.
    """
    return [_failure(event, base) for event in events if event["dag_id"] != OURSELVES]


def of_ended_runs(runs: Iterable[Plain], base: str) -> list[Signal]:
    """Runs that failed, whether or not a callback said so, and runs that succeeded and so end an incident.

    Args:
        runs: as Airflow's API gives them.
        base: address of Airflow's user interface.
    """
    return [
        Signal(
            key=run_key(run["dag_id"], run["dag_run_id"]),
            kind=FAILURE,
            title=f"{run['dag_id']} failed",
            at=_moment(run["end_date"]),
            firing=run["state"] == "failed",
            link=run_link(base, run["dag_id"], run["dag_run_id"]),
            runbook=f"{_PAGE}#a-run-failed",
        )
        for run in runs
        if run["dag_id"] != OURSELVES
    ]


def of_failed_tasks(tasks: Iterable[Plain], at: datetime, base: str) -> list[Signal]:
    """Tasks of a failed run, for runs of which no callback said anything.

    Args:
        tasks: that failed, as Airflow's API gives them.
        at: end of the run, UTC.
        base: address of Airflow's user interface.
    """
    events = [
        {
            **{name: task[name] for name in ("dag_id", "task_id", "map_index", "try_number")},
            "run_id": task["dag_run_id"],
            "pair": "".join(_pairs(task.get("rendered_map_index"))),
            "failed_at": at,
            "note": "",
        }
        for task in tasks
    ]
    return of_events(events, base)


def of_unfinished_runs(runs: Iterable[Plain], at: datetime, base: str) -> list[Signal]:
    """Runs that have missed their deadline.

    Args:
        runs: that wait or go on, as Airflow's API gives them.
        at: now, UTC.
        base: address of Airflow's user interface.
    """
    found = []
    for run in runs:
        dag_id, run_id = run["dag_id"], run["dag_run_id"]
        allowed = settings.DEADLINES.get(dag_id, settings.DEADLINE)
        begun = _moment(run["start_date"] or run["run_after"])
        if at > begun + allowed:
            hours = allowed.total_seconds() / 3600
            found.append(
                Signal(
                    key=f"{LATE}{dag_id}/{run_id}",
                    kind=DEADLINE,
                    title=f"{dag_id} has not ended after {hours:g} h",
                    at=at,
                    line=f"run {run_id}, {run['state']} since {begun:%Y-%m-%d %H:%M} UTC",
                    link=run_link(base, dag_id, run_id),
                    runbook=f"{_PAGE}#a-run-missed-its-deadline",
                )
            )
    return found


def of_busy_tasks(tasks: Iterable[Plain], at: datetime, base: str) -> list[Signal]:
    """Tasks that run for longer than their time-out allows, or that no worker takes: nobody is behind them.

    Args:
        tasks: running and queued ones, as Airflow's API gives them.
        at: now, UTC.
        base: address of Airflow's user interface.
    """
    found = []
    for task in tasks:
        running = task["state"] == "running"
        since = task["start_date"] if running else task["queued_when"]
        if since and at > _moment(since) + (LONGEST_RUNNING if running else LONGEST_QUEUED):
            dag_id, run_id = task["dag_id"], task["dag_run_id"]
            place = (task["task_id"], task["map_index"], task["try_number"])
            found.append(
                Signal(
                    key=f"{SILENT}{dag_id}/{run_id}",
                    kind=STUCK,
                    title=f"{dag_id}: a task is stuck",
                    at=at,
                    line=f"{task['task_id']} is {task['state']} since {_moment(since):%Y-%m-%d %H:%M} UTC",
                    pairs=_pairs(task.get("rendered_map_index")),
                    link=task_link(base, dag_id, run_id, *place),
                    runbook=f"{_PAGE}#a-task-is-stuck",
                )
            )
    return found


def of_import_errors(errors: Iterable[Plain], at: datetime, base: str) -> list[Signal]:
    """DAG files that cannot be parsed: their DAGs do not run.

    Args:
        errors: as Airflow's API gives them.
        at: now, UTC.
        base: address of Airflow's user interface.
    """
    return [
        Signal(
            key=f"{FILE}{error.get('bundle_name') or ''}/{error['filename']}",
            kind=IMPORT_ERROR,
            title=f"{error['filename']} cannot be parsed",
            at=at,
            line=_kind_of_error(error["stack_trace"]),
            link=f"{base.rstrip('/')}/dags" if base else "",
            runbook=f"{_PAGE}#a-dag-file-cannot-be-parsed",
        )
        for error in errors
    ]


def of_alarms(alarms: Iterable[Plain], at: datetime, prefix: str) -> list[Signal]:
    """Alarms of CloudWatch that are on. Those of one value, warning and critical, are one incident.

    Args:
        alarms: MetricAlarms of DescribeAlarms. The end of the name is the severity, the description says
            what is wrong and names the runbook.
        at: now, UTC.
        prefix: what the names of ours begin with.
    """
    found = []
    for alarm in alarms:
        value, _, severity = alarm["AlarmName"].rpartition("-")
        if alarm["StateValue"] != "ALARM" or severity not in SEVERITIES or not value.startswith(prefix):
            continue
        described = alarm.get("AlarmDescription") or ""
        named = _RUNBOOK.search(described)
        title = _RUNBOOK.sub("", described).removeprefix(f"{severity}: ").rstrip(". ") or alarm["AlarmName"]
        runbook = named[1] if named else f"{_PAGE}#an-alarm-of-cloudwatch"
        found.append(
            Signal(
                key=f"{CLOUDWATCH}{value}",
                kind=_KINDS.get(runbook.removeprefix("runbooks/").removesuffix(".md"), ALARM),
                title=title,
                at=at,
                severity=severity,
                runbook=runbook,
            )
        )
    # The worse one first: what it says becomes the title.
    return sorted(found, key=lambda signal: signal.severity != CRITICAL)


def blind(source: str, problem: str, at: datetime) -> Signal:
    """That a source could not be asked: what it would have said is not known.

    Args:
        source: its name.
        problem: why; empty if it could be asked.
        at: now, UTC.
    """
    return Signal(
        key=f"watch/{source}",
        kind=ALARM,
        title=f"bqx_alert cannot read {source}",
        at=at,
        firing=bool(problem),
        severity=WARNING,
        settled=False,
        line=problem,
        runbook=f"{_PAGE}#bqx_alert-cannot-read-something",
    )


def _failure(event: Plain, base: str) -> Signal:
    dag_id, run_id, task_id = event["dag_id"], event["run_id"], event["task_id"]
    if task_id:
        link = task_link(base, dag_id, run_id, task_id, event["map_index"], event["try_number"])
        who = f"{task_id} of {event['pair']}" if event["pair"] else task_id
        line = f"{who}: {event['note'] or 'failed'}"
    else:
        link, line = run_link(base, dag_id, run_id), ""
        if event["note"] not in ("", "task_failure"):
            line = f"the run: {event['note']}"
    return Signal(
        key=run_key(dag_id, run_id),
        kind=FAILURE,
        title=f"{dag_id} failed",
        at=event["failed_at"],
        settled=not task_id,
        line=line,
        pairs=_pairs(event["pair"]),
        link=link,
        runbook=f"{_PAGE}#a-run-failed",
    )


def _pairs(shown: object) -> tuple[str, ...]:
    return (shown,) if isinstance(shown, str) and re.fullmatch("[a-z]{6}", shown) else ()


def _kind_of_error(trace: str) -> str:
    """The name of the error alone: a stack trace may show what a variable held."""
    last = trace.strip().splitlines()[-1] if trace.strip() else ""
    return last.partition(":")[0][:100]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
