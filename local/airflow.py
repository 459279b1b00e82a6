"""Airflow on one machine: its settings, all by environment, and the commands of its components."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from local.access import ROLE, USER, Access
from local.state import State

ROOT = Path(__file__).resolve().parents[1]  # the bundle
HOST = "127.0.0.1"
EXECUTOR_WORKERS = 16
SESSION = 30 * 86_400  # seconds that a browser and the token in `env` may use the API
# Of the caller's environment: another Airflow, another Python, accounts that are none of our business,
# another stack whose `env` was sourced.
FOREIGN = ("AIRFLOW", "PYTHON", "AWS_", "BOTO_", "AIRTABLE_", "BQX_", "MLFLOW_")


class Component(NamedTuple):
    """A long-running process of the stack.

    Attributes:
        name: of the process and its log.
        command: what is run.
        outside: whether it is no part of Airflow, but finds the stack as a person's shell does.
    """

    name: str
    command: tuple[str, ...]
    outside: bool = False


def components() -> tuple[Component, ...]:
    """The four components of Airflow, in the order they are started, and what watches them."""
    airflow = (sys.executable, "-m", "airflow")
    watchdog = (sys.executable, "-m", "include.alerts.watchdog")
    return (
        Component("api-server", (*airflow, "api-server", "--workers", "1")),
        Component("scheduler", (sys.executable, "-m", "local.scheduler", "--skip-serve-logs")),
        Component("dag-processor", (*airflow, "dag-processor")),
        Component("triggerer", (*airflow, "triggerer", "--skip-serve-logs")),
        Component("watchdog", (*watchdog, "--every", "30"), outside=True),
    )


def settings(
    state: State, *, metadata_url: str, bqx_url: str, tracking_url: str, port: int, root: Path = ROOT
) -> dict[str, str]:
    """Every variable the stack sets for its components.

    Args:
        state: where Airflow keeps its files and secrets.
        metadata_url: libpq URL of the metadata database.
        bqx_url: libpq URL of the database the DAGs work on.
        tracking_url: libpq URL of the database that MLflow keeps its runs in.
        port: port of the API server and UI.
        root: the bundle.
    """
    return _airflow_settings(state, metadata_url, port, root) | {
        "AIRFLOW_HOME": str(state.airflow),
        "AIRFLOW_CONN_BQX_POSTGRES": bqx_url,
        "AIRFLOW_CONN_BQX_AIRFLOW": json.dumps(
            {
                "conn_type": "http",
                "host": f"http://{HOST}:{port}",
                "login": USER,
                "password": Access(state).password,
            }
        ),
        "BQX_STATE": str(state.root),  # for local.auth
        "AIRFLOW_CONN_BQX_MLFLOW": json.dumps({"conn_type": "generic", "extra": {"uri": tracking_url}}),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(root),
        "GX_ANALYTICS_ENABLED": "false",
        "NUMBA_CACHE_DIR": str(state.numba),
        # Builds run side by side, one core each: libraries must not add threads of their own.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }


def environment(ours: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """Environment of a component: that of the caller without what is meant for others (`FOREIGN`).

    Args:
        ours: the result of `settings`.
        inherited: the caller's environment.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith(FOREIGN)}
    direct = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), HOST, "localhost")))
    # Airflow refuses an account without a name, such as that of a container started with a bare number.
    return {"USER": "bqx"} | kept | {"NO_PROXY": direct, "no_proxy": direct} | dict(ours)


def _airflow_settings(state: State, metadata_url: str, port: int, root: Path) -> dict[str, str]:
    bundle = {
        "name": "bqx",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(root), "refresh_interval": 10},
    }
    settings: dict[str, dict[str, object]] = {
        "core": {
            "executor": "LocalExecutor",
            # Far more than builds at a time: a worker whose task has ended may need seconds to notice,
            # see docs/decisions/0004-airflow-settings.md. The pool bqx_builds bounds the builds.
            "parallelism": EXECUTOR_WORKERS,
            "load_examples": False,
            "dags_folder": root / "dags",
            "plugins_folder": root / "plugins",
            "fernet_key": state.secret("fernet", 32),
            "auth_manager": "local.auth.AuthManager",
            "simple_auth_manager_users": f"{USER}:{ROLE}",
            "execution_api_server_url": f"http://{HOST}:{port}/execution/",
            "hostname_callable": "socket.gethostname",  # the default asks a name server
        },
        "api": {
            "host": HOST,
            "port": port,
            "base_url": f"http://{HOST}:{port}",
            "secret_key": state.secret("api"),
        },
        "api_auth": {"jwt_secret": state.secret("jwt"), "jwt_expiration_time": SESSION},
        "database": {"sql_alchemy_conn": metadata_url.replace("postgresql:", "postgresql+psycopg2:", 1)},
        "dag_processor": {
            "dag_bundle_config_list": json.dumps([bundle]),
            "dag_bundle_storage_path": state.airflow / "bundles",  # the default is shared by all users
            "refresh_interval": 10,
            "min_file_process_interval": 600,  # changed files are parsed at once; 60 took 8 % of two cores
        },
        "scheduler": {"scheduler_idle_sleep_time": 0.3},
        "workers": {"min_heartbeat_interval": 10},
        "usage_data_collection": {"enabled": False},
    }
    return {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, values in settings.items()
        for name, value in values.items()
    }
