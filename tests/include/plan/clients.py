"""What tests of the client share: a limiter that never waits, and bases that lose patience soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from include.plan.airtable import Base, Write
from include.plan.calls import Patience
from include.plan.limiter import Limiter
from local.airtable.server import BASE_ID, TOKEN, Server

KEY = "Task ID"
HASTY = Patience(seconds=2.0, pause=0.01, penalty=0.1, timeout=(5, 1))
NO_LIMIT = 10**6  # requests a second, for a stand-in whose limit is not what is tested


class Unlimited:
    """Lets everybody through.

    Attributes:
        turns: how many were given.
        penalties: seconds of each refusal.
    """

    def __init__(self) -> None:
        self.turns = 0
        self.penalties: list[float] = []

    @contextmanager
    def turn(self) -> Iterator[None]:
        self.turns += 1
        yield

    def penalty(self, seconds: float) -> None:
        self.penalties.append(seconds)


def client(server: Server, limiter: Limiter | None = None, token: str = TOKEN, **options: Any) -> Base:
    """A base of the stand-in."""
    options = {"endpoint": server.endpoint, "patience": HASTY} | options
    return Base(token, BASE_ID, limiter=limiter or Unlimited(), **options)


def new_task(number: int, **fields: Any) -> Write:
    """A task to create."""
    key = f"TSK-9.9.{number}"
    return Write(None, key, {KEY: key, "Task Name": f"Task {number}", **fields})


def tasks(server: Server) -> dict[str, list[dict[str, Any]]]:
    """What the stand-in holds: fields of the tasks, by key."""
    table = server.base.table("Tasks")
    held: dict[str, list[dict[str, Any]]] = {}
    for record in table.records.values():
        fields = server.base.shown(table, record)["fields"]
        held.setdefault(fields.get(KEY, ""), []).append(fields)
    return held
