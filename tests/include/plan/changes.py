"""A plan of many tasks for the tests of `apply`: what is wanted, and what differs from a base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.plan.airtable import Base, Write
from include.plan.apply import Applied, apply
from include.plan.calls import Patience
from include.plan.limiter import Limiter
from include.plan.live import Change, Snapshot
from local.airtable.server import BASE_ID, TOKEN, Server
from tests.include.plan.clients import KEY, Unlimited, client

Plan = Mapping[str, Mapping[str, Any]]


def plan_of(numbers: range, **more: Any) -> dict[str, dict[str, Any]]:
    """Wanted tasks by key."""
    return {
        f"TSK-9.9.{number}": {
            "Task Name": f"Task {number}",
            "Description": f"what to do in {number}",
            "Estimated Hours": number / 4,
            "Status": "Todo",
            **more,
        }
        for number in numbers
    }


def fill(server: Server, plan: Plan) -> None:
    """Let the stand-in hold tasks."""
    writes = [Write(None, key, dict(fields)) for key, fields in plan.items()]
    assert not [one.error for one in client(server).write("Tasks", writes, KEY) if one.error]


def differences(plan: Plan, snapshot: Snapshot) -> list[Change]:
    """What a run would change: tasks to create, then tasks to update."""
    held = snapshot.tables["Tasks"].by_key()
    changes = [
        Change("create", "Tasks", key, None, {KEY: key, **fields})
        for key, fields in plan.items()
        if key not in held
    ]
    for key in plan.keys() & held.keys():
        (record,) = held[key]
        other = {name: value for name, value in plan[key].items() if record.fields.get(name) != value}
        if other:
            changes.append(Change("update", "Tasks", key, record.id, other))
    return changes


def carry_out(base: Base, plan: Plan) -> Applied:
    """What a run does: read, compare, apply."""
    snapshot = base.snapshot(["Tasks"])
    return apply(base, differences(plan, snapshot), snapshot)


def patient(endpoint: str, limiter: Limiter | None = None) -> Base:
    """A base of the stand-in that is not given up soon."""
    patience = Patience(seconds=600.0, pause=0.05)
    return Base(TOKEN, BASE_ID, endpoint=endpoint, limiter=limiter or Unlimited(), patience=patience)


def work(endpoint: str, plan: Plan) -> None:
    """`carry_out` in a process of its own."""
    carry_out(patient(endpoint), plan)
