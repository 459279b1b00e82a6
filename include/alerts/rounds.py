"""One round of the alerting: look, note, queue, deliver."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from include.alerts import policy, store, watch
from include.alerts.airflow_api import AirflowApi
from include.alerts.policy import Signal
from include.alerts.render import message
from include.errors import AirflowUnavailable, AlertsWaiting
from include.storage.connection import Connection, connect

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(minutes=15)  # of a message, until the round fails so that people see it in Airflow


@dataclass(frozen=True)
class Sources:
    """What a round looks at besides the events of callbacks.

    Attributes:
        airflow: Airflow's API; None if there is no connection to it.
        cloudwatch: boto3 client of CloudWatch; None if there is no AWS.
        alarms: beginning of the names of our alarms.
        base: address of Airflow's user interface, for links; empty for none.
        docs: address of the folder ``docs/``, for links; empty for none.
    """

    airflow: AirflowApi | None = None
    cloudwatch: Any = None
    alarms: str = ""
    base: str = ""
    docs: str = ""


def go_round(url: str, sources: Sources, channels: Sequence[store.Channel], at: datetime) -> dict[str, Any]:
    """Look at everything, bring the incidents up to date, send what waits.

    A source that does not answer, or a channel, keeps nothing else from being done.

    Args:
        url: libpq connection string of the database with the outbox.
        sources: what to look at.
        channels: ways to reach people.
        at: now, UTC.

    Returns:
        Plain values: told (subjects queued now), sent, waiting, problems.

    Raises:
        AlertsWaiting: everything was done, but messages wait for too long.
        psycopg.Error: the database is not there. What failed meanwhile is told once it is back.
    """
    with connect(url) as connection:
        store.ensure_tables(connection)
        _look(connection, sources, at)
        names = [channel.name for channel in channels]
        queued = store.queue(connection, names, at, partial(message, docs=sources.docs))
        store.set_round(connection, at)
        done = store.deliver(connection, channels, at)
    if queued and not channels:
        log.warning("Nobody is told: neither a topic nor addresses are set up, see docs/alerts.md.")
    if done.oldest is not None and at > done.oldest + LONGEST_WAIT:
        raise AlertsWaiting(
            f"Messages wait since {done.oldest:%Y-%m-%d %H:%M} UTC: {done.waiting} "
            f"({_shown(done.problems)}). Mend the channel; the next round sends them. See docs/alerts.md."
        )
    told = [each.subject for each in queued]
    return {"told": told, "sent": done.sent, "waiting": done.waiting, "problems": done.problems}


def _look(connection: Connection, sources: Sources, at: datetime) -> None:
    since = store.since(connection, at)
    signals = watch.of_events(store.failures(connection, since), sources.base)
    looked: list[str] = []
    if sources.airflow is not None:
        known = {one.key for one in signals if one.line}
        known |= {one.key for one in store.open_incidents(connection) if one.lines}
        found = _asked("Airflow", lambda: _of_airflow(sources, known, since, at), at)
        signals += found
        looked += watch.AIRFLOW_STATES if not found[-1].firing else ()
    if sources.cloudwatch is not None:
        found = _asked("CloudWatch", lambda: _of_cloudwatch(sources, at), at)
        signals += found
        looked += (watch.CLOUDWATCH,) if not found[-1].firing else ()
    parents = [one for one in signals if one.key.startswith(f"{watch.RUN}{watch.PARENT}/")]
    others = [one for one in signals if one not in parents]
    # A parent that fails is told only if none of the runs that it may have started is.
    child_failed = any(one.firing and one.kind == policy.FAILURE for one in others)
    store.note(connection, [*others, *(one for one in parents if not (one.firing and child_failed))])
    looked_at = [one for one in store.open_incidents(connection) if one.key.startswith(tuple(looked))]
    store.note(connection, policy.calmed(looked_at, signals, at))


def _asked(source: str, ask: Callable[[], list[Signal]], at: datetime) -> list[Signal]:
    """What a source says, and last whether it could be asked."""
    try:
        return [*ask(), watch.blind(source, "", at)]
    except AirflowUnavailable as error:  # its words are ours
        problem = str(error)
    except Exception as error:  # whatever it is, the rest of the round goes on
        problem = store.reason(error)
    log.warning("%s was not asked: %s", source, problem)
    return [watch.blind(source, problem, at)]


def _of_airflow(sources: Sources, known: set[str], since: datetime, at: datetime) -> list[Signal]:
    airflow, base = sources.airflow, sources.base
    assert airflow is not None
    signals = []
    for run in airflow.ended_runs(since):
        for signal in watch.of_ended_runs([run], base):
            if signal.firing and signal.key not in known:
                failed = airflow.failed_tasks(run["dag_id"], run["dag_run_id"])
                signals += watch.of_failed_tasks(failed, signal.at, base)
            signals.append(signal)
    return [
        *signals,
        *watch.of_unfinished_runs(airflow.unfinished_runs(), at, base),
        *watch.of_busy_tasks(airflow.busy_tasks(), at, base),
        *watch.of_import_errors(airflow.import_errors(), at, base),
    ]


def _of_cloudwatch(sources: Sources, at: datetime) -> list[Signal]:
    pages = sources.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=sources.alarms, StateValue="ALARM", AlarmTypes=["MetricAlarm"]
    )
    return watch.of_alarms((each for page in pages for each in page["MetricAlarms"]), at, sources.alarms)


def _shown(problems: dict[str, str]) -> str:
    return ", ".join(f"{name}: {problem}" for name, problem in problems.items()) or "held by another"
