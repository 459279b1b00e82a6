"""Callbacks that write down what happened, without ever being in the way of it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseNotifier

PATIENCE = 2.0  # seconds a task waits for its event to be written, at most
LONGEST = 400  # characters of a message
OURS = "include.errors"  # messages of these errors are written for people and hold no secret
ENDED = frozenset(("success", "failed", "skipped", "up_for_retry"))


class TaskEvents(BaseNotifier):
    """Adds one event to the outbox ``bqx.events``.

    It never raises: an event that is lost is healed by the sync, which asks Airflow and the tables.

    Args:
        state: what the callback means: running, success, failed, up_for_retry or skipped.
    """

    def __init__(self, state: str) -> None:
        super().__init__()
        self.state = state

    def __call__(self, *args: Any) -> None:
        """Take the context; nothing here is a template."""
        self.notify(args[0])

    def notify(self, context: Any) -> None:
        """Write the event, or log why it was not written."""
        try:
            from bqx.connections import database_url
            from include import settings

            event = event_of(context, self.state)
            url = database_url(settings.CONNECTION)
            within(PATIENCE, lambda: _post(url, event))
        except Exception as error:
            self.log.warning("The event %s was not written: %s", self.state, type(error).__name__)


def task_callbacks() -> dict[str, Any]:
    """For ``default_args``: every change of a task becomes an event."""
    return {
        "on_execute_callback": TaskEvents("running"),
        "on_success_callback": TaskEvents("success"),
        "on_failure_callback": TaskEvents("failed"),
        "on_retry_callback": TaskEvents("up_for_retry"),
        "on_skipped_callback": TaskEvents("skipped"),
    }


def run_callbacks() -> dict[str, Any]:
    """For the arguments of a DAG: the end of a run becomes an event."""
    return {"on_success_callback": RunEvents("success"), "on_failure_callback": RunEvents("failed")}


class RunEvents(TaskEvents):
    """The same for a run as a whole: Airflow hands over its last task, which does not matter."""

    def notify(self, context: Any) -> None:
        """Write the event without the task."""
        super().notify({name: value for name, value in context.items() if name not in ("ti", "task")})


def event_of(context: Mapping[str, Any], state: str) -> dict[str, Any]:
    """What the context of a callback tells, as arguments of ``include.events.outbox.Event``."""
    ti, run = context.get("ti"), context.get("dag_run")
    return {
        "dag_id": context["dag"].dag_id if ti is None else ti.dag_id,
        "run_id": context["run_id"],
        "run_at": getattr(run, "run_after", None) or getattr(run, "logical_date", None),
        "state": state,
        **(_of_run(run, context) if ti is None else _of_task(ti, context, state)),
    }


def _of_run(run: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task_id": "",
        "started_at": getattr(run, "start_date", None),
        "ended_at": getattr(run, "end_date", None) or datetime.now(UTC),
        "note": str(context.get("reason") or "")[:LONGEST],
    }


def _of_task(ti: Any, context: Mapping[str, Any], state: str) -> dict[str, Any]:
    index = getattr(ti, "map_index", None)
    return {
        "task_id": ti.task_id,
        "map_index": -1 if index is None else index,
        "pair": pair_of(context),
        "try_number": ti.try_number or 0,
        "started_at": getattr(ti, "start_date", None),
        "ended_at": (getattr(ti, "end_date", None) or datetime.now(UTC)) if state in ENDED else None,
        "note": note_of(context.get("exception")),
    }


def pair_of(context: Mapping[str, Any]) -> str:
    """The pair a mapped task works on: its argument, else what the grid of Airflow shows."""
    shown = getattr(context.get("ti"), "rendered_map_index", None)
    found = (_argument(context.get("task"), "pair"), context.get("pair"), shown)
    return next((value for value in found if isinstance(value, str)), "")


def _argument(task: Any, name: str) -> Any:
    """What the function of a task is called with, by position or by name; None where it is not known."""
    try:
        signature = inspect.signature(task.python_callable)
        return signature.bind_partial(*task.op_args, **task.op_kwargs).arguments.get(name)
    except (AttributeError, TypeError, ValueError):
        return None


def note_of(error: BaseException | str | None) -> str:
    """Why it failed. Messages of foreign errors may hold a password or a host: only their kind is told."""
    if error is None:
        return ""
    if isinstance(error, str) or not type(error).__module__.startswith(OURS):
        kind = "an error" if isinstance(error, str) else type(error).__name__
        return f"{kind}, see the log of the task"
    return f"{type(error).__name__}: {error}"[:LONGEST]


def within(seconds: float, action: Callable[[], None]) -> None:
    """Do something, but go on after some seconds: names and networks have time-outs of their own.

    Raises:
        TimeoutError: it is not done yet; it may still be done later.
        Exception: what it raised itself.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True, name="bqx event")
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if thread.is_alive():
        raise TimeoutError


def _post(url: str, event: dict[str, Any]) -> None:
    from include.events.outbox import Event, post

    post(url, Event(**event))
