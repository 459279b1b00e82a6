"""MLflow as the tracking server: an HTTP address, or the database of a store."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any

from include.errors import MissingInput
from include.objects import ObjectStore
from include.tracking.run import TrackedRun

EXPERIMENT = "bqx"
KEY = "bqx.key"  # the tag by which a run is found again
ARTEFACTS = "tracking/artefacts"  # in the bucket
FINISHED = "FINISHED"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # with the password
    # MLflow would try for four minutes, each time for two; what waits is delivered by the next run anyway.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
}


class MlflowTracker:
    """Delivers records to MLflow. Importing it takes seconds, so it is made when something waits.

    Runs are in one experiment, whose artefacts lie in our bucket: the client of the bucket writes them, and
    MLflow needs no credentials for it here.

    Args:
        uri: ``http(s)://...``, or the address of a database as SQLAlchemy takes it. It may hold a password.
        bucket: the whole bucket.

    Raises:
        MissingInput: MLflow is not installed.
        Exception: the server cannot be reached; no message holds the password.
    """

    def __init__(self, uri: str, bucket: ObjectStore) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if not uri.startswith(("http://", "https://")):
            _try_database(uri)
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingInput(
                "MLflow is not installed: install the extra `tracking` (mlflow-skinny), or remove the "
                "connection bqx_mlflow."
            ) from error
        self._bucket = bucket
        self._client: Any = MlflowClient(tracking_uri=uri)
        self._experiment = self._ensure_experiment()

    def deliver(self, run: TrackedRun, recorded: datetime) -> None:
        """Write what the run lacks; see `include.tracking.run.Tracker`."""
        moment = round(recorded.timestamp() * 1000)
        existing = self._ensure_run(run, moment - round(run.seconds * 1000))
        self._complete(existing, run, moment)
        if existing.info.status != FINISHED:
            for name, document in run.documents.items():
                self._keep(existing, name, document)
            self._client.set_terminated(existing.info.run_id, FINISHED, end_time=moment)

    def forget(self, before: datetime, jobs: frozenset[str], dry_run: bool) -> int:
        """Delete runs that ended before a moment, but those of some jobs; returns how many.

        MLflow keeps what is deleted until somebody calls ``mlflow gc``.

        Args:
            before: UTC.
            jobs: names of training jobs whose runs stay.
            dry_run: count them only.
        """
        moment = round(before.timestamp() * 1000)
        found, token = [], None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"attributes.end_time < {moment}", page_token=token
            )
            found += [run.info.run_id for run in page if run.data.tags.get(KEY, "") not in jobs]
            token = page.token
            if not token:
                break
        for run_id in () if dry_run else found:
            self._client.delete_run(run_id)
        return len(found)

    def _ensure_run(self, run: TrackedRun, started: int) -> Any:
        """The run of this name. If two tasks created it at once, both keep the same and delete the other."""
        runs = self._search(run.name)
        if not runs:
            tags = {KEY: run.name} | run.tags
            self._client.create_run(self._experiment, start_time=started, tags=tags, run_name=run.name)
            runs = self._search(run.name)
        kept, *others = sorted(runs, key=lambda each: str(each.info.run_id))
        for other in others:
            self._client.delete_run(other.info.run_id)
        return kept

    def _search(self, name: str) -> list[Any]:
        return list(self._client.search_runs([self._experiment], f"tags.`{KEY}` = '{name}'"))

    def _complete(self, existing: Any, run: TrackedRun, moment: int) -> None:
        """One call with whatever differs, none if nothing does."""
        from mlflow.entities import Metric, Param, RunTag

        data = existing.data
        params = [Param(name, value) for name, value in run.params.items() if name not in data.params]
        metrics = [
            Metric(name, value, moment, 0)
            for name, value in run.metrics.items()
            if data.metrics.get(name) != value
        ]
        tags = [RunTag(name, value) for name, value in run.tags.items() if data.tags.get(name) != value]
        if params or metrics or tags:
            self._client.log_batch(existing.info.run_id, metrics, params, tags)

    def _keep(self, existing: Any, name: str, document: Any) -> None:
        folder = self._bucket.uri("")
        if existing.info.artifact_uri.startswith(folder):
            key = f"{existing.info.artifact_uri.removeprefix(folder)}/{name}"
            self._bucket.put(key, json.dumps(document, indent=1).encode())
        else:  # somebody made the experiment with another place for artefacts
            self._client.log_dict(existing.info.run_id, dict(document), name)

    def _ensure_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            try:
                place = self._bucket.uri(ARTEFACTS)
                return str(self._client.create_experiment(EXPERIMENT, artifact_location=place))
            except MlflowException:  # another task was faster
                experiment = self._client.get_experiment_by_name(EXPERIMENT)
                if experiment is None:
                    raise
        return str(experiment.experiment_id)


def _try_database(uri: str) -> None:
    """Fail at once where MLflow would try for minutes: nobody answers, or nobody lets us in."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError

    try:
        engine = create_engine(uri)
    except (ArgumentError, ValueError):  # its message is the whole address, with the password
        raise MissingInput("The address of the tracking store is no http(s):// and no database.") from None
    try:
        engine.connect().close()
    finally:
        engine.dispose()
