"""The run that the present task belongs to, and what happened in it before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.sdk import Asset, get_current_context

FAILED = ("failed", "upstream_failed")


def run_id() -> str:
    """Id of the present run."""
    return str(get_current_context()["run_id"])


def announce(asset: Asset, **facts: str) -> None:
    """Say something of an asset that the present task made, to the runs which that starts.

    Args:
        asset: one of the task's outlets.
        facts: what to say. How the present run was started is said besides, under ``by``.
    """
    context = get_current_context()
    context["outlet_events"][asset].extra.update(facts | {"by": str(context["dag_run"].run_type.value)})


def announced() -> dict[str, Any]:
    """What was said of the newest asset that started the present run; nothing if a person or a DAG did."""
    events = [event for each in get_current_context()["triggering_asset_events"].values() for event in each]
    return dict(max(events, key=lambda event: event.timestamp).extra or {}) if events else {}


def failed_in_group(group: str, mapped_over: list[str]) -> dict[str, list[str]]:
    """What failed in a mapped group of the present run.

    Args:
        group: id of the group.
        mapped_over: the list it is mapped over.

    Returns:
        Ids of the failed tasks, by the element of the list; elements without a failure are left out.
    """
    task = get_current_context()["ti"]
    answer = task.get_task_states(dag_id=task.dag_id, task_group_id=group, run_ids=[task.run_id])
    failed: dict[str, list[str]] = {}
    for name, state in answer.get(task.run_id, {}).items():
        task_id, _, place = name.rpartition("_")  # the place in the mapping is appended to the id
        if state in FAILED and place.isdecimal():
            failed.setdefault(mapped_over[int(place)], []).append(task_id)
    return {value: sorted(tasks) for value, tasks in failed.items()}


def recent_runs(url: str, dag_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The newest `outbox.RECENT` runs of each DAG and the state of every task in them, as Airflow knows them.

    Airflow tells a task which runs there are, but not in which order: when a run was due is taken from
    its events. A run without any event, all of them lost, is asked for once and then has one.

    Args:
        url: libpq connection string of the database with the outbox.
        dag_ids: the DAGs; one that does not exist has no runs.

    Returns:
        Newest run first, by DAG; see ``include.plan.runs.AirflowRun``.
    """
    from include.events import outbox

    task = get_current_context()["ti"]
    known = outbox.known_runs(url)
    found: dict[str, list[dict[str, Any]]] = {}
    for dag_id in dag_ids:
        # Tasks that are not mapped are enough to see the runs: one question for all of them.
        there = task.get_task_states(dag_id=dag_id, map_index=-1)
        due = {run: known.get(dag_id, {}).get(run) or _introduced(url, dag_id, run) for run in there}
        newest = sorted(due, key=lambda run: (due[run], run), reverse=True)[: outbox.RECENT]
        states = task.get_task_states(dag_id=dag_id, run_ids=newest) if newest else {}
        found[dag_id] = [
            {"run_id": run, "run_at": due[run], "tasks": dict(states.get(run, {}))} for run in newest
        ]
    return found


def _introduced(url: str, dag_id: str, run: str) -> str:
    """When a run was due that no event told of; from now on one does."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetDagRun

    from include.events import outbox

    answer = task_runner.SUPERVISOR_COMMS.send(GetDagRun(dag_id=dag_id, run_id=run))
    outbox.post(url, outbox.Event(dag_id, run, "", answer.state.value, run_at=answer.run_after))
    return answer.run_after.isoformat()
