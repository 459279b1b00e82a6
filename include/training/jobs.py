"""The tasks of the DAG bqx_train around its jobs: which are wanted, which are done, what became of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from include.dataset.export import open_manifest
from include.dataset.manifest import Manifest
from include.dataset.retention import newest
from include.errors import NothingToDo
from include.objects import ObjectStore
from include.training import inputs, tuning
from include.training.requests import (
    CHECKPOINTS,
    DATASETS,
    INPUT,
    MODELS,
    Account,
    Job,
    folder_of,
    input_document,
    job_of,
    key_of,
    request_of,
)

log = logging.getLogger(__name__)

RESULT = "result.json"  # in the folder of a job: what its completed attempt left


def plan(
    bucket: ObjectStore,
    account: Account,
    params: Mapping[str, Any],
    announced: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Decide which models of a data set are to be trained, and lay ready what their jobs read.

    Args:
        bucket: the whole bucket.
        account: where the jobs run.
        params: those of the form.
        announced: as of `inputs.dataset_of`.

    Returns:
        ``dataset_id`` and ``content_hash``; ``jobs``, all that belong to the run, by pair, model, name and
        request_hash; ``requests``, those of the jobs that have no result yet; ``summary``, a sentence.

    Raises:
        MissingInput: there is no such data set, or it is to be tuned and was not.
        BadParameter: it has no rows of a pair.
        NothingToDo: bqx_pipeline made the data set, and trains it itself, with the params it was given.
    """
    manifest = inputs.dataset_of(bucket, params, announced)
    tuned = tuning.tuned_settings(bucket, manifest, params, account)
    pairs = params["pairs"] or sorted({part.pair for part in manifest.files})
    return _planned(bucket, account, {**params, "tuned": tuned}, manifest, pairs, params["models"])


def plan_networks(
    bucket: ObjectStore,
    account: Account,
    params: Mapping[str, Any],
    planned: Mapping[str, Any],
    pairs: Sequence[str],
) -> dict[str, Any]:
    """Decide which networks are to be trained, as `plan` does for the trees.

    Args:
        bucket: the whole bucket.
        account: where the jobs run.
        params: those of the form; ``networks`` says which.
        planned: from `plan`, of the same run: its data set is meant.
        pairs: those for which networks may be trained.

    Returns:
        As of `plan`.

    Raises:
        MissingInput: the image of the networks was not set.
    """
    manifest = inputs.dataset_of(bucket, {"dataset_id": planned["dataset_id"]})
    return _planned(bucket, account, params, manifest, pairs, params["networks"])


def select(planned: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The requests to send.

    Raises:
        NothingToDo: it is a dry run, or every model is there already.
    """
    if planned["dry_run"]:
        raise NothingToDo(f"Dry run: the plan is all. {planned['summary']}")
    if not planned["requests"]:
        raise NothingToDo(planned["summary"])
    return list(planned["requests"])


def record(bucket: ObjectStore, request: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, Any]:
    """Note what a completed job left, in the folder of its first attempt; remove its checkpoints.

    Args:
        bucket: the whole bucket.
        request: for the first attempt of the job.
        description: what DescribeTrainingJob says.

    Returns:
        What is noted: name of the attempt, keys of archive and output, seconds that ran and were billed.
    """
    base, attempt = str(request["TrainingJobName"]), str(description["TrainingJobName"])
    content_hash = str(request["HyperParameters"]["content_hash"])
    result = {
        "job": attempt,
        "model": key_of(content_hash, attempt, "output/model.tar.gz"),
        "output": key_of(content_hash, attempt, "output/output.tar.gz"),
        "seconds": description.get("TrainingTimeInSeconds"),
        "billable_seconds": description.get("BillableTimeInSeconds"),
    }
    bucket.put(key_of(content_hash, base, RESULT), json.dumps(result, indent=1).encode())
    bucket.delete([found.key for found in bucket.list(key_of(content_hash, base, CHECKPOINTS))])
    return result


def result_of(bucket: ObjectStore, content_hash: str, base: str) -> dict[str, Any] | None:
    """What `record` noted of a job; None if it has not completed."""
    body = bucket.get(key_of(content_hash, base, RESULT))
    return None if body is None else dict(json.loads(body))


class Trained(NamedTuple):
    """The models of the newest data set.

    Attributes:
        dataset_id: its name; empty if there is none.
        by_pair: models that have been trained, by pair.
    """

    dataset_id: str
    by_pair: dict[str, set[str]]


def trained_models(bucket: ObjectStore) -> Trained:
    """Which models of the newest data set have been trained, from two listings of the bucket."""
    manifest = newest_dataset(bucket)
    if manifest is None:
        return Trained("", {})
    folder = folder_of(manifest.content_hash)
    by_pair: dict[str, set[str]] = {}
    named = {short: model for model, short in MODELS.items()}
    for found in bucket.list(folder):
        job, _, name = found.key.removeprefix(folder).partition("/")
        if name == RESULT:
            _, pair, short, _ = job.split("-")
            by_pair.setdefault(pair, set()).add(named[short])
    return Trained(manifest.dataset_id, by_pair)


def newest_dataset(bucket: ObjectStore) -> Manifest | None:
    """The newest complete data set of a bucket; None if there is none."""
    datasets = bucket._replace(prefix=DATASETS)
    dataset_id = next(iter(newest(datasets)), None)
    return None if dataset_id is None else open_manifest(datasets, dataset_id)


def _planned(
    bucket: ObjectStore,
    account: Account,
    params: Mapping[str, Any],
    manifest: Manifest,
    pairs: Sequence[str],
    models: Sequence[str],
) -> dict[str, Any]:
    """What `plan` returns; what the missing jobs read is laid ready."""
    jobs = [job_of(manifest, pair, model, params, account) for pair in pairs for model in models]
    missing = [job for job in jobs if result_of(bucket, manifest.content_hash, job.name) is None]
    if not params["dry_run"]:
        for model in {job.model for job in missing}:
            inputs.put_code(bucket, model)
        for job in missing:
            bucket.put(job.key(INPUT), input_document(job, account.bucket))
    summary = _summary(manifest, jobs, missing)
    log.info(summary)
    return {
        "dataset_id": manifest.dataset_id,
        "content_hash": manifest.content_hash,
        "dry_run": params["dry_run"],
        "jobs": [_named(job) for job in jobs],
        "requests": [request_of(job, params, account) for job in missing],
        "summary": summary,
    }


def _summary(manifest: Manifest, jobs: Sequence[Job], missing: Sequence[Job]) -> str:
    if not missing:
        return f"All {len(jobs)} models of data set {manifest.dataset_id} exist already: nothing is trained."
    return f"{len(missing)} of {len(jobs)} models of data set {manifest.dataset_id} are to be trained."


def _named(job: Job) -> dict[str, str]:
    return {"pair": job.pair, "model": job.model, "name": job.name, "request_hash": job.request_hash}
