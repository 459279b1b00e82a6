"""Airflow's scheduler with what every task imports already in memory.

The LocalExecutor forks its workers from the scheduler, and each task from a worker. Whatever the
scheduler has imported, no task has to import again: 168 trivial tasks took 30 s instead of 47 s
(2 cores). Project code is not among it, so a change of it needs no restart.
"""

from __future__ import annotations

import importlib
import inspect
import sys

MODULES = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.execution_time.supervisor",
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.operators.sagemaker",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.trigger_dagrun",
    "great_expectations",
    "numba",
    "numpy",
    "pandas",
    "psycopg",
    "pyarrow.parquet",
    "sklearn.ensemble",
)


def main() -> None:
    """Import, then become ``airflow scheduler`` with the arguments given."""
    for module in MODULES:
        importlib.import_module(module)
    # The first function that numba compiles or loads costs 0.8 s: it makes its tables of types.
    importlib.import_module("numba").njit(lambda: 0)()
    # The provider's operators read the call stack for their clients of AWS; the first time it takes a second.
    inspect.stack()
    # Looking up one decorator makes the SDK collect those of all providers.
    importlib.import_module("airflow.sdk").task.python  # noqa: B018
    sys.argv = ["airflow", "scheduler", *sys.argv[1:]]
    importlib.import_module("airflow.__main__").main()


if __name__ == "__main__":
    main()
