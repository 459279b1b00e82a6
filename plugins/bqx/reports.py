"""Where reports are kept."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import Variable


def reports_folder(variable: str) -> str:
    """The folder named by an Airflow Variable, else ``bqx_reports`` in AIRFLOW_HOME.

    Every worker must see the same folder. Call it from a running task only.
    """
    home = os.environ.get("AIRFLOW_HOME", "~/airflow")
    return str(Variable.get(variable, default=None) or Path(home).expanduser() / "bqx_reports")
