"""The run that the present task belongs to, and what happened in it before."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airflow.sdk import Asset, Param, Variable, get_current_context
from airflow.sdk.exceptions import ParamValidationError

FAILED = ("failed", "upstream_failed")


def run_id() -> str:
    """Id of the present run."""
    return str(get_current_context()["run_id"])


def as_of_mode() -> str:
    """What counts as now, as the Airflow Variable says: the wall clock unless told otherwise."""
    from include import settings
    from include.serving.clock import NOW

    return str(Variable.get(settings.AS_OF_VARIABLE, default=None) or NOW)


def budget() -> Any:
    """What may be spent a month, from the project plan."""
    from include.plan import cost, model

    return cost.budget(model.load().desired)


def load_params() -> dict[str, Any]:
    """Params of a load that nobody fills a form for, as the Airflow Variable says; empty if it is not set.

    Raises:
        BadParameter: it holds something else than params of ``bqx_load``.
    """
    from include import forms, settings
    from include.errors import BadParameter
    from include.pairs import PAIRS

    text = Variable.get(settings.LOAD_PARAMS_VARIABLE, default=None)
    known = {"pairs": forms.pairs_param(PAIRS), **forms.LOAD_PARAMS}
    try:
        params = json.loads(text) if text else {}
        if not isinstance(params, dict):
            raise TypeError("it is no object")
        if unknown := sorted(set(params) - set(known)):
            raise ValueError(f"bqx_load has no {', '.join(unknown)}")
        return {name: Param(**(known[name] | {"default": value})).resolve() for name, value in params.items()}
    except (ValueError, TypeError, ParamValidationError) as error:
        raise BadParameter(
            f"The Airflow Variable {settings.LOAD_PARAMS_VARIABLE} is {text!r}: {error}. It must be a JSON "
            f'object with params of bqx_load ({", ".join(sorted(known))}), such as {{"source": "s3://my-bucket/bars"}}.'
        ) from error


def load_source() -> dict[str, Any]:
    """The same, for a load that comes before something else.

    Raises:
        NothingToDo: the Variable is not set.
        BadParameter: as of `load_params`.
    """
    from include import settings
    from include.errors import NothingToDo

    if not (told := load_params()):
        raise NothingToDo(f"The Airflow Variable {settings.LOAD_PARAMS_VARIABLE} is not set: no load first.")
    return told


def asked_for(params: dict[str, Any]) -> dict[str, Any]:
    """Params of a run of ``bqx_load``: those of its form, or of the Variable if the schedule started it."""
    scheduled = get_current_context()["dag_run"].run_type.value == "scheduled"
    return params | load_params() if scheduled else params


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


def result_of(task_id: str) -> Any:
    """What a task of the present run has returned."""
    return get_current_context()["ti"].xcom_pull(task_ids=task_id)


def kind() -> str:
    """How the present run was started: scheduled, manual, asset_triggered, operator_triggered ..."""
    return str(get_current_context()["dag_run"].run_type.value)


def failed_tasks() -> list[str]:
    """Tasks of the present run that have failed themselves."""
    task = get_current_context()["ti"]
    states = task.get_task_states(dag_id=task.dag_id, run_ids=[task.run_id]).get(task.run_id, {})
    return sorted(name for name, state in states.items() if state == FAILED[0] and name != task.task_id)


def ended_well(task_id: str) -> bool:
    """Whether a task of the present run succeeded; a skipped one did not."""
    task = get_current_context()["ti"]
    states = task.get_task_states(dag_id=task.dag_id, run_ids=[task.run_id]).get(task.run_id, {})
    return states.get(task_id) == "success"


def at_work(dag_ids: Iterable[str]) -> list[str]:
    """Those DAGs that have a running run."""
    task = get_current_context()["ti"]
    return [dag_id for dag_id in dag_ids if task.get_dr_count(dag_id=dag_id, states=["running"])]


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
