"""The few calls to Airflow's REST API (v2) that the stack needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import httpx

from include.errors import BqxError
from local.airflow import HOST

PAGE = 100  # Airflow's limit
PAUSE = 1.0  # seconds before a lost request is tried again


class Airflow:
    """A client of the API server on this machine; logs in by itself.

    Args:
        port: where the API server listens.
        transport: a stand-in for the network, for tests.
    """

    def __init__(self, port: int, transport: httpx.BaseTransport | None = None) -> None:
        self.url = f"http://{HOST}:{port}"
        # A proxy of the environment has no business between two processes of one machine.
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False, transport=transport)

    def __enter__(self) -> Airflow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def health(self) -> dict[str, str]:
        """Status of each component by name; empty as long as nobody answers."""
        try:
            answer = self._http.get("/api/v2/monitor/health", timeout=5)
        except httpx.HTTPError:
            return {}
        return {name: part["status"] for name, part in answer.json().items()} if answer.is_success else {}

    def dags(self) -> list[dict[str, Any]]:
        """Every DAG that is parsed."""
        return list(self._pages("/api/v2/dags", "dags"))

    def import_errors(self) -> list[str]:
        """Why DAG files could not be parsed."""
        return [entry["stack_trace"] for entry in self._pages("/api/v2/importErrors", "import_errors")]

    def unpause(self, dag: str) -> None:
        """Let a DAG run."""
        self._call("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False})

    def set_pool(self, name: str, slots: int, description: str, *, deferred: bool = False) -> None:
        """Create a pool or change its size; `deferred` tasks hold a slot too."""
        body = {"slots": slots, "description": description, "include_deferred": deferred}
        if self._ask("GET", f"/api/v2/pools/{name}").status_code == httpx.codes.NOT_FOUND:
            self._call("POST", "/api/v2/pools", json=body | {"name": name})
        else:
            self._call("PATCH", f"/api/v2/pools/{name}", json=body | {"pool": name})

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run; returns its id."""
        answer = self._call("POST", f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})
        return str(answer["dag_run_id"])

    def runs(self, dag: str, states: tuple[str, ...]) -> list[dict[str, Any]]:
        """Runs of a DAG in any of these states, newest first."""
        parameters = {"state": list(states), "order_by": "-run_after"}
        return list(self._pages(f"/api/v2/dags/{dag}/dagRuns", "dag_runs", parameters))

    def run(self, dag: str, run: str) -> dict[str, Any]:
        """One run."""
        return self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")

    def fail(self, dag: str, run: str) -> None:
        """Mark a run as failed: its tasks are ended, nothing of it goes on."""
        self._call("PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}", json={"state": "failed"})

    def tasks(self, dag: str, run: str, since: str | None = None) -> list[dict[str, Any]]:
        """Task instances of a run, only those that changed since a time (ISO 8601) if given."""
        parameters = {"updated_at_gte": since} if since else {}
        return list(
            self._pages(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", "task_instances", parameters)
        )

    def xcom(self, task: dict[str, Any], key: str = "return_value") -> Any:
        """A value a task instance left, None if there is none."""
        answer = self._ask(
            "GET", f"{_path_of(task)}/xcomEntries/{key}", params={"map_index": task["map_index"]}
        )
        return answer.json()["value"] if answer.is_success else None

    def question(self, task: dict[str, Any]) -> dict[str, Any]:
        """What a task that waits for a person asks: subject, body, options."""
        return self._call("GET", f"{_path_of(task)}/{task['map_index']}/hitlDetails")

    def answer(self, task: dict[str, Any], option: str) -> None:
        """Answer a task that waits for a person."""
        path = f"{_path_of(task)}/{task['map_index']}/hitlDetails"
        self._call("PATCH", path, json={"chosen_options": [option], "params_input": {}})

    def last_words(self, task: dict[str, Any]) -> str:
        """The last line of the error in a task's log; empty if it left none."""
        answer = self._ask(
            "GET",
            f"{_path_of(task)}/logs/{task['try_number']}",
            params={"map_index": task["map_index"]},
            headers={"Accept": "application/json"},
        )
        return _last_error(answer.json().get("content", [])) if answer.is_success else ""

    def _pages(
        self, path: str, name: str, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        seen = 0
        while True:
            answer = self._call("GET", path, params={**(parameters or {}), "limit": PAGE, "offset": seen})
            yield from answer[name]
            seen += len(answer[name])
            if not answer[name] or seen >= answer["total_entries"]:
                return

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        answer = self._ask(method, path, **arguments)
        if not answer.is_success:
            raise BqxError(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:2000]}")
        return dict(answer.json())

    def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request, tried again if it was lost; not a POST, it may have arrived and started a run."""
        tries = 1 if method == "POST" else 3
        for left in reversed(range(tries)):
            try:
                self._log_in()
                return self._http.request(method, path, **arguments)
            except httpx.TransportError as error:
                if not left:
                    raise BqxError(f"Airflow does not answer at {self.url} ({error}).") from error
                time.sleep(PAUSE)
        raise AssertionError("unreachable")

    def _log_in(self) -> None:
        if "Authorization" not in self._http.headers:
            answer = self._http.get("/auth/token")
            if not answer.is_success:
                raise BqxError(f"Airflow gives no token: {answer.status_code} {answer.text[:2000]}")
            self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _path_of(task: dict[str, Any]) -> str:
    return f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"


def _last_error(events: list[dict[str, Any]]) -> str:
    for event in reversed(events):
        for detail in event.get("error_detail") or []:
            return f"{detail['exc_type']}: {detail['exc_value']}"
        if event.get("level") == "error" and event.get("event"):
            return str(event["event"]).strip().splitlines()[-1]
    return ""
