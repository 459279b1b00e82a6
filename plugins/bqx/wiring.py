"""What the DAGs have in common: their arguments, tasks that may have nothing to do, tasks per pair."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from bqx.notifier import run_callbacks, task_callbacks
from bqx.retries import no_retry_for


def dag_arguments(params: Mapping[str, Mapping[str, Any]], *, events: bool = False) -> dict[str, Any]:
    """Arguments of a DAG: one run at a time, its form, which errors are tried again, what becomes an event.

    Args:
        params: JSON schema of each param of the form, by name.
        events: its tasks stand in the project plan, so whatever happens to them becomes an event. Of other
            DAGs only failures do, for people are told of them.
    """
    from include import settings

    tasks = settings.DEFAULT_ARGS | {"retry_policy": no_retry_for(settings.FINAL_ERRORS)}
    return {
        "max_active_runs": 1,
        "params": {name: Param(**schema) for name, schema in params.items()},
        "default_args": tasks | _told(task_callbacks(), events=events),
        **_told(run_callbacks(), events=events),
    }


def _told(callbacks: dict[str, Any], *, events: bool) -> dict[str, Any]:
    return callbacks if events else {"on_failure_callback": callbacks["on_failure_callback"]}


def step(**operator: Any) -> Callable[[Callable[..., Any]], Any]:
    """A task. It is skipped where its function finds that there is nothing to do.

    Args:
        operator: further arguments of the operator.
    """
    # Airflow would else send each member of a result a second time, as an XCom of its own.
    arguments = {"multiple_outputs": False} | operator
    return lambda function: task(**arguments)(_skipping(function))


def per_pair(**operator: Any) -> Callable[[Callable[..., Any]], Any]:
    """A task that is mapped over pairs: it waits for a slot of the builds, and the grid shows its pair.

    Args:
        operator: further arguments of the operator. The function has a parameter ``pair``.
    """
    from include import settings

    def decorate(function: Callable[..., Any]) -> Any:
        @wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            pair = inspect.signature(function).bind(*args, **kwargs).arguments["pair"]
            get_current_context()["pair"] = pair  # type: ignore[typeddict-unknown-key]
            return function(*args, **kwargs)

        arguments = {"map_index_template": "{{ pair }}", "pool": settings.BUILD_POOL} | operator
        return step(**arguments)(named)

    return decorate


def _skipping(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def skipped(*args: Any, **kwargs: Any) -> Any:
        with _nothing_to_do():
            return function(*args, **kwargs)

    return skipped


@contextmanager
def _nothing_to_do() -> Iterator[None]:
    from include.errors import NothingToDo

    try:
        yield
    except NothingToDo as reason:
        raise AirflowSkipException(str(reason)) from None
