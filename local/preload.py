"""What Airflow's scheduler imports before it forks, so that no task has to: libraries and the project's code.

The LocalExecutor forks its workers from the scheduler, and each task from a worker. What the scheduler has in
memory, a task has at once.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from pathlib import Path

import include

LIBRARIES = (
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
PROJECT = (
    "include.dataset.steps",
    "include.events.outbox",
    "include.market.load",
    "include.migration.steps",
    "include.monitoring.steps",
    "include.plan.sync",
    "include.quality.steps",
    "include.serving.batch",
    "include.serving.deploy",
    "include.training.choosing",
    "include.training.scoring",
    "include.training.tracking",
)
SERVICES = ("s3", "sagemaker")  # of AWS, which tasks make clients of

Stamps = dict[str, tuple[int, int]]


def preload() -> None:
    """Import everything; project code that changes later is imported anew by the tasks that begin then."""
    for module in LIBRARIES:
        importlib.import_module(module)
    # The first function that numba compiles or loads costs 0.8 s: it makes its tables of types.
    importlib.import_module("numba").njit(lambda: 0)()
    # The provider's operators read the call stack for their clients of AWS; the first time it takes a second.
    inspect.stack()
    # Looking up one decorator makes the SDK collect those of all providers.
    importlib.import_module("airflow.sdk").task.python  # noqa: B018
    _keep_descriptions()
    folder = Path(include.__file__).parent
    before = stamps(folder)
    for module in PROJECT:
        importlib.import_module(module)
    os.register_at_fork(after_in_child=lambda: forget_changed(folder, before))


def stamps(folder: Path) -> Stamps:
    """Time of change and size of every file of a folder but Python's own; data and templates count too."""
    found: Stamps = {}
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        waiting.append(entry.path)
                else:
                    about = entry.stat()
                    found[entry.path] = about.st_mtime_ns, about.st_size
    return found


def forget_changed(folder: Path, before: Stamps) -> None:
    """Let the package of a folder be imported anew if any of its files is another one than before."""
    if stamps(folder) != before:
        for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
            del sys.modules[name]
        importlib.invalidate_caches()


def _keep_descriptions() -> None:
    """Let botocore keep its descriptions of services, which it would read anew for each client."""
    import boto3
    from botocore.loaders import JSONFileLoader, Loader

    class Kept(JSONFileLoader):  # type: ignore[misc]
        load_file = functools.cache(JSONFileLoader.load_file)

    kept = Kept()
    Loader.FILE_LOADER_CLASS = staticmethod(lambda: kept)
    for service in SERVICES:
        boto3.client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
