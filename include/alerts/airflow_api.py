"""What Airflow's REST API says of its runs. A task asks it like any other client, with read access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from include.errors import AirflowUnavailable

PAGE = 100  # Airflow's limit
MOST = 1_000  # entries of a list that are read
TIMEOUT = 10.0  # seconds without an answer
ENDED = ("success", "failed")
UNFINISHED = ("queued", "running")


class AirflowApi:
    """A client that logs in when it is asked for the first time.

    Args:
        url: of the API server, without ``/api/v2``.
        login, password: of a user who may read all DAGs; a password alone is a token, and without both an
            Airflow whose users are all admins gives one.
    """

    def __init__(self, url: str, login: str = "", password: str = "") -> None:
        self._url, self._login, self._password = url.rstrip("/"), login, password
        self._session = requests.Session()

    def ended_runs(self, since: datetime) -> list[dict[str, Any]]:
        """Runs of all DAGs that succeeded or failed since a moment, in the order of their end."""
        asked = {"state": ENDED, "end_date_gte": since.isoformat(), "order_by": "end_date"}
        return list(self._listed("dags/~/dagRuns", "dag_runs", asked))

    def unfinished_runs(self) -> list[dict[str, Any]]:
        """Runs of all DAGs that wait or go on, oldest first."""
        asked = {"state": UNFINISHED, "order_by": "run_after"}
        return list(self._listed("dags/~/dagRuns", "dag_runs", asked))

    def busy_tasks(self) -> list[dict[str, Any]]:
        """Task instances of all DAGs that run or have been given to the executor."""
        asked = {"state": UNFINISHED, "order_by": "id"}
        return list(self._listed("dags/~/dagRuns/~/taskInstances", "task_instances", asked))

    def failed_tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run that failed, without those that never began for it."""
        path = f"dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        return list(self._listed(path, "task_instances", {"state": "failed", "order_by": "id"}))

    def import_errors(self) -> list[dict[str, Any]]:
        """DAG files that cannot be parsed."""
        return list(self._listed("importErrors", "import_errors", {}))

    def _listed(self, path: str, name: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        seen = 0
        while seen < MOST:
            answer = self._get(path, {**asked, "limit": PAGE, "offset": seen})
            yield from answer[name]
            seen += len(answer[name])
            if not answer[name] or seen >= answer["total_entries"]:
                return

    def _get(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = f"Bearer {self._token()}"
        return self._asked("GET", f"/api/v2/{path}", params=asked)

    def _token(self) -> str:
        if self._password and not self._login:
            return self._password
        if not self._login:
            return str(self._asked("GET", "/auth/token")["access_token"])
        user = {"username": self._login, "password": self._password}
        return str(self._asked("POST", "/auth/token", json=user)["access_token"])

    def _asked(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(method, f"{self._url}{path}", timeout=TIMEOUT, **more)
        except requests.RequestException as error:
            raise AirflowUnavailable(f"Airflow's API does not answer ({type(error).__name__}).") from None
        if not answer.ok:
            raise AirflowUnavailable(
                f"Airflow's API refused {method} {path} with status {answer.status_code}: the user of the "
                "connection must be able to read all DAGs, their runs and import errors."
            )
        return dict(answer.json())


def run_link(base: str, dag_id: str, run_id: str) -> str:
    """Address of a run in Airflow's user interface; empty without a base."""
    return f"{base.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id)}" if base else ""


def task_link(base: str, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> str:
    """Address of the log of a task there."""
    if not base:
        return ""
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    attempt = f"?try_number={try_number}" if try_number > 0 else ""
    return f"{run_link(base, dag_id, run_id)}/tasks/{quote(task_id)}{mapped}{attempt}"
