"""The few calls to Airflow's REST API (v2) that the stack needs."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import httpx

from include.errors import BqxError
from local.access import USER, Access
from local.airflow import HOST

PAGE = 100  # Airflow's limit
PAUSE, TRIES = 1.0, 90  # seconds until a request is asked again, as long as a restart may take


class Airflow:
    """A client of the API server on this machine; logs in by itself.

    Args:
        port: where the API server listens.
        access: secrets of the state folder whose Airflow must answer there.
        transport: a stand-in for the network, for tests.
    """

    def __init__(self, port: int, access: Access, transport: httpx.BaseTransport | None = None) -> None:
        self.url, self._access = f"http://{HOST}:{port}", access
        self._started: dict[tuple[str, str], dict[str, Any]] = {}  # configuration by DAG and run
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

    def is_ours(self) -> bool:
        """Whether what answers there is the Airflow of this state folder: it alone knows the answer."""
        try:
            return self._proves_itself()
        except httpx.HTTPError:
            return False

    def _proves_itself(self) -> bool:
        challenge = secrets.token_hex(16)
        answer = self._http.get(f"/auth/proof/{challenge}", timeout=5)
        if answer.is_server_error:
            answer.raise_for_status()  # it starts or has too much to do, and says nothing of whose it is
        return answer.is_success and hmac.compare_digest(
            answer.content, self._access.proof(challenge).encode()
        )

    def token(self) -> str:
        """A token for other clients of the REST API."""
        self._log_in()
        return self._http.headers["Authorization"].removeprefix("Bearer ")

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
        """Start a run; returns its id, which is ours, so that it can be asked for twice without harm."""
        run = f"manual__{datetime.now(UTC).isoformat()}_{secrets.token_hex(4)}"
        return self._start(dag, run, conf)

    def _start(self, dag: str, run: str, conf: dict[str, Any]) -> str:
        body = {"dag_run_id": run, "logical_date": None, "conf": conf}
        answer = self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", tries=TRIES, json=body)
        if answer.status_code != httpx.codes.CONFLICT:  # else the answer to an earlier try was lost
            run = str(_checked(answer)["dag_run_id"])
        self._started[dag, run] = conf
        return run

    def runs(self, dag: str, states: tuple[str, ...]) -> list[dict[str, Any]]:
        """Runs of a DAG in any of these states, newest first."""
        parameters = {"state": list(states), "order_by": "-run_after"}
        return list(self._pages(f"/api/v2/dags/{dag}/dagRuns", "dag_runs", parameters))

    def run(self, dag: str, run: str) -> dict[str, Any]:
        """One run. One that was started here and that a crash of Airflow's database took is started again."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}"
        answer = self._ask("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND and (dag, run) in self._started:
            self._start(dag, run, self._started[dag, run])
            return self._call("GET", path)
        return _checked(answer)

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
        return _checked(self._ask(method, path, tries=1 if method == "POST" else TRIES, **arguments))

    def _ask(self, method: str, path: str, *, tries: int = TRIES, **arguments: Any) -> httpx.Response:
        """One request, tried again if it was lost."""
        for left in reversed(range(tries)):
            try:
                self._log_in()
                answer = self._http.request(method, path, **arguments)
                if not (answer.is_server_error and left):
                    return answer
            except httpx.HTTPError as error:
                if not left:
                    raise BqxError(f"Airflow does not answer at {self.url} ({error}).") from error
            time.sleep(PAUSE)
        raise AssertionError("unreachable")

    def _log_in(self) -> None:
        """Log in, once it is sure who will read the password."""
        if "Authorization" in self._http.headers:
            return
        if not self._proves_itself():
            raise BqxError(f"What answers at {self.url} is not the Airflow of {self._access.state.root}.")
        answer = self._http.post("/auth/token", json={"username": USER, "password": self._access.password})
        if not answer.is_success:
            raise BqxError(f"Airflow gives no token: {answer.status_code} {answer.text[:2000]}")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        return dict(answer.json())
    asked = f"{answer.request.method} {answer.request.url.path}"
    raise BqxError(f"Airflow refused {asked}: {answer.status_code} {answer.text[:2000]}")


def _path_of(task: dict[str, Any]) -> str:
    return f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"


def _last_error(events: list[dict[str, Any]]) -> str:
    for event in reversed(events):
        for detail in event.get("error_detail") or []:
            return f"{detail['exc_type']}: {detail['exc_value']}"
        if event.get("level") == "error" and event.get("event"):
            return str(event["event"]).strip().splitlines()[-1]
    return ""
