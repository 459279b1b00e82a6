"""The run that the present task belongs to, and what happened in it before."""

from __future__ import annotations

from airflow.sdk import get_current_context

FAILED = ("failed", "upstream_failed")


def run_id() -> str:
    """Id of the present run."""
    return str(get_current_context()["run_id"])


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
