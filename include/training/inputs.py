"""What every kind of job starts from: the data set of the run, and the archive of the job's code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.dataset.export import open_manifest
from include.dataset.manifest import Manifest
from include.dataset.retention import newest
from include.errors import MissingInput, NothingToDo
from include.objects import ObjectStore
from include.training import archive
from include.training.requests import DATASETS

PIPELINE = "operator_triggered"  # kind of a run that another DAG started


def dataset_of(
    bucket: ObjectStore, params: Mapping[str, Any], announced: Mapping[str, Any] | None = None
) -> Manifest:
    """The data set that a run learns from.

    Args:
        bucket: the whole bucket.
        params: those of the form.
        announced: what the data set that started this run says of itself: its ``dataset_id``, and whether it
            was made ``by`` another DAG.

    Raises:
        MissingInput: there is no such data set.
        NothingToDo: bqx_pipeline made the data set, and trains it itself, with the params it was given.
    """
    announced = announced or {}
    if announced.get("by") == PIPELINE:
        raise NothingToDo(f"bqx_pipeline made data set {announced['dataset_id']} and trains it itself.")
    datasets = bucket._replace(prefix=DATASETS)
    dataset_id = announced.get("dataset_id") or params["dataset_id"] or next(iter(newest(datasets)), None)
    if dataset_id is None:
        raise MissingInput(f"There is no data set in s3://{bucket.bucket}/datasets. Run bqx_dataset.")
    return open_manifest(datasets, dataset_id)


def under_way(planned: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What was planned, for the tasks that come after the jobs.

    Raises:
        NothingToDo: nothing was, or it is a dry run.
    """
    if planned is None or planned.get("dry_run"):
        raise NothingToDo("Nothing was to be done in this run.")
    return planned


def put_code(bucket: ObjectStore, model: str) -> None:
    """Lay the archive of a model ready."""
    bucket.put(archive.code_key(model), archive.pack(model))
