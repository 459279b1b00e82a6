"""An API server without Airflow: enough of the REST API to test what talks to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from local.access import Access
from local.api import Airflow
from local.state import State

LOGIN = "POST /auth/token"


class Known(Access):
    """Secrets without a folder."""

    password = "told to ours alone"

    def proof(self, challenge: str) -> str:
        return challenge[::-1]


class FakeAirflow:
    """Answers from plain dictionaries and remembers what it was asked.

    Attributes:
        answers: body, or a function that makes it, by "METHOD path".
        asked: every request, with its parameters.
        broken: how many of the next requests fail on the way.
    """

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.answers: dict[str, Any] = {LOGIN: {"access_token": "t"}} | (answers or {})
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.broken = 0
        self.access: Access = Known(State(Path("nowhere")))

    def client(self) -> Airflow:
        return Airflow(8080, self.access, transport=httpx.MockTransport(self._answer))

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        key = f"{request.method} {request.url.path}"
        body = json.loads(request.content) if request.content else None
        self.asked.append((key, dict(request.url.params), body))
        if request.url.path.startswith("/auth/proof/"):
            return httpx.Response(200, text=self.access.proof(request.url.path.rpartition("/")[2]))
        if self.broken and key != LOGIN:
            self.broken -= 1
            raise httpx.ConnectError("refused")
        if key not in self.answers:
            return httpx.Response(404, json={"detail": "not found"})
        answer = self.answers[key]
        if callable(answer):
            answer = answer(key)
        if isinstance(answer, list):  # one page after the other
            offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
            name = request.url.path.rpartition("/")[2]
            snake = {
                "dagRuns": "dag_runs",
                "taskInstances": "task_instances",
                "importErrors": "import_errors",
            }
            page = {snake.get(name, name): answer[offset : offset + limit], "total_entries": len(answer)}
            return httpx.Response(200, json=page)
        return httpx.Response(200, json=answer)


def instance(
    dag: str, run: str, name: str, state: str | None, place: int = -1, **more: Any
) -> dict[str, Any]:
    """A task instance as Airflow's API gives it."""
    started = None if state in (None, "scheduled", "queued") else "2024-07-01T12:00:00Z"
    return {
        "dag_id": dag,
        "dag_run_id": run,
        "task_id": name,
        "map_index": place,
        "rendered_map_index": f"pair{place}" if place >= 0 else None,
        "state": state,
        "try_number": 1,
        "start_date": started,
        "duration": 2.0 if state == "success" else None,
    } | more
