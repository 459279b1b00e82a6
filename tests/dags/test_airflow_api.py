"""Airflow's own API server answers what `AirflowApi` asks, with the fields that signals are made of."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from include.alerts import watch
from include.alerts.airflow_api import AirflowApi
from local.postgres import is_free
from tests.dags.test_events import carried_out

pytestmark = pytest.mark.filterwarnings("default")  # a run goes through all of Airflow

PATIENCE = 120.0  # seconds until the server answers, on a busy machine
SERVER = """
import sys
import uvicorn
from airflow.api_fastapi.app import create_app
uvicorn.run(create_app(apps="core"), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


@pytest.fixture
def api(airflow_database) -> Iterator[AirflowApi]:
    port = next(port for port in range(22_800, 22_900) if is_free(port))
    environment = os.environ | {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], env=environment) as server:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        try:
            while True:
                try:
                    requests.get(f"{url}/api/v2/monitor/health", timeout=5)
                    break
                except requests.ConnectionError:
                    assert server.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
            yield AirflowApi(url)
        finally:
            server.terminate()


def test_a_failed_run_is_read_from_airflow(api: AirflowApi) -> None:
    from airflow.models.errors import ParseImportError
    from airflow.sdk import dag, task
    from airflow.utils.session import create_session

    begun = datetime.now(UTC)

    @dag(schedule=None)
    def told():
        @task(map_index_template="{{ task.op_kwargs['pair'] }}")
        def build(pair: str) -> None:
            if pair == "gbpusd":
                raise ValueError

        build.expand(pair=["eurusd", "gbpusd"])

    carried_out(told())
    with create_session() as session:
        session.add(
            ParseImportError(filename="x.py", bundle_name="b", stacktrace="SyntaxError: x", timestamp=begun)
        )
    (run,) = [each for each in api.ended_runs(begun) if each["dag_id"] == "told"]
    (signal,) = watch.of_ended_runs([run], "")
    assert signal.firing
    assert signal.at > begun
    (failed,) = watch.of_failed_tasks(api.failed_tasks("told", run["dag_run_id"]), signal.at, "http://ui")
    assert (failed.pairs, failed.line) == (("gbpusd",), "build of gbpusd: failed")
    (error,) = watch.of_import_errors(api.import_errors(), begun, "")
    assert (error.line, error.key) == ("SyntaxError", "import/b/x.py")
    assert api.ended_runs(datetime.now(UTC) + timedelta(minutes=1)) == []
    assert watch.of_unfinished_runs(api.unfinished_runs(), begun, "") == []
    assert watch.of_busy_tasks(api.busy_tasks(), begun, "") == []
