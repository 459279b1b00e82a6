"""Airflow's connections lead to the tracking server and to the model registry; no password is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bqx import tracking
from bqx.tracking import model_registry, tracking_uri

from include.errors import MissingInput
from local import airflow, services
from local.state import State

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves


def connect(monkeypatch: pytest.MonkeyPatch, **connection: Any) -> str | None:
    monkeypatch.setenv("AIRFLOW_CONN_BQX_MLFLOW", json.dumps({"conn_type": "generic"} | connection))
    return tracking_uri()


def test_without_a_connection_there_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_BQX_MLFLOW", raising=False)
    assert tracking_uri() is None
    assert tracking.forget_runs() is None, "there is nothing to forget"


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ({"host": "mlflow.example"}, "https://mlflow.example"),
        ({"host": "http://mlflow.example", "port": 5000}, "http://mlflow.example:5000"),
        ({"host": "mlflow.example", "schema": "http", "port": 80}, "http://mlflow.example:80"),
        (
            {"host": "mlflow.example", "login": "bqx", "password": "a/b@c"},
            "https://bqx:a%2Fb%40c@mlflow.example",
        ),
        ({"extra": {"uri": "postgresql://u:p@h:1/mlflow"}}, "postgresql://u:p@h:1/mlflow"),
    ],
)
def test_a_connection_is_an_address(
    connection: dict[str, Any], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect(monkeypatch, **connection) == address


def test_a_connection_that_leads_nowhere_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingInput, match="connection bqx_mlflow has neither a host nor, as extra, a uri"):
        connect(monkeypatch, login="bqx")


def test_address_and_password_are_masked_in_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str | None] = []
    monkeypatch.setattr(tracking, "mask_secret", masked.append)
    address = connect(monkeypatch, extra={"uri": "postgresql://u:hunter2@h:1/mlflow"})
    assert masked == [address, "hunter2"]


def test_the_stack_leads_airflow_to_its_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    state = State(tmp_path / "state")
    state.create()
    url = "postgresql://bqx:p@127.0.0.1:5433/mlflow"
    known = airflow.settings(state, metadata_url="postgresql://m", bqx_url="b", tracking_url=url, port=1)
    monkeypatch.setenv("AIRFLOW_CONN_BQX_MLFLOW", known["AIRFLOW_CONN_BQX_MLFLOW"])
    assert tracking_uri() == url
    assert known["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_registry_is_that_of_the_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    state = State(tmp_path / "state")
    state.create()
    for name, value in services.settings(state, {"s3": 1, "aws": 2, "airtable": 3, "smtp": 4}).items():
        monkeypatch.setenv(name, value)
    assert model_registry().meta.endpoint_url == "http://127.0.0.1:2"
