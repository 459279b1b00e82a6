"""Airflow's settings keep everything inside the state folder and on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.airflow import HOST, ROOT, components, environment, settings
from local.state import State


@pytest.fixture
def ours(tmp_path: Path) -> dict[str, str]:
    state = State(tmp_path / "state")
    state.create()
    return settings(
        state,
        metadata_url="postgresql://u:p@h:1/airflow",
        bqx_url="postgresql://u:p@h:1/bqx",
        tracking_url="postgresql://u:p@h:1/mlflow",
        port=8_123,
    )


def test_every_path_is_in_the_state_folder_or_the_bundle(ours: dict[str, str], tmp_path: Path) -> None:
    paths = {name: value for name, value in ours.items() if value.startswith("/")}
    assert paths
    for name, path in paths.items():
        assert path.startswith((str(tmp_path / "state"), str(ROOT))), name
    assert not any(path.startswith("/tmp/airflow") for path in paths.values())
    assert ours["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"].startswith(str(tmp_path))


def test_it_listens_on_this_machine_only(ours: dict[str, str]) -> None:
    assert ours["AIRFLOW__API__HOST"] == HOST == "127.0.0.1"
    assert ours["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://{HOST}:8123/execution/"


def test_the_bundle_is_this_repository(ours: dict[str, str]) -> None:
    (bundle,) = json.loads(ours["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert bundle["kwargs"]["path"] == str(ROOT)
    assert (ROOT / "include" / "pairs.py").is_file()
    assert ours["PYTHONPATH"] == str(ROOT)


def test_the_callers_own_airflow_does_not_leak_in(ours: dict[str, str]) -> None:
    theirs = {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW_CONN_BQX_POSTGRES": "postgresql://production",
        "PYTHONPATH": "/elsewhere",
        "PYTHONHOME": "/elsewhere",
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL_S3": "https://production",
        "AIRTABLE_TOKEN": "production",
        "BQX_S3_BUCKET": "production",
        "MLFLOW_TRACKING_URI": "production",
        "HOME": "/home/me",
        "no_proxy": "intranet",
    }
    variables = environment(ours, theirs)
    assert variables["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert variables["AIRFLOW_CONN_BQX_POSTGRES"].endswith("/bqx")
    assert variables["PYTHONPATH"] == str(ROOT)
    assert "PYTHONHOME" not in variables
    assert "production" not in variables.values()
    assert variables["HOME"] == "/home/me"
    assert variables["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_secrets_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.create()
    first, second = (
        settings(state, metadata_url="a", bqx_url="b", tracking_url="c", port=1) for _ in range(2)
    )
    assert first == second


def test_four_components_and_what_watches_them() -> None:
    assert [component.name for component in components()] == [
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
        "watchdog",
    ]


def test_airflow_understands_the_settings(ours: dict[str, str]) -> None:
    script = """
from airflow.configuration import conf
print(conf.get("core", "executor"), conf.getint("core", "parallelism"))
"""
    variables = environment(ours, os.environ)
    done = subprocess.run(
        [sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-2:] == ["LocalExecutor", "16"]
