"""From the outputs of the jobs of a run to its leaderboard."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.dataset.export import open_manifest, read_split
from include.errors import SuspiciousScore, TrainingFailed
from include.features.arrays import Floats
from include.objects import ObjectStore
from include.reports import INDEX, Reports
from include.training.outputs import Results, reduced_output, results_of
from include.training.requests import DATASETS
from include.training.truth import report as truth

__all__ = ["KIND", "report"]

log = logging.getLogger(__name__)

KIND = "training"  # of reports


def report(
    bucket: ObjectStore,
    reports: Reports,
    planned: Mapping[str, Any],
    networks: Mapping[str, Any] | None,
    run_label: str,
) -> dict[str, Any]:
    """Write the leaderboard of a run over the jobs that have completed.

    Args:
        bucket: the whole bucket.
        reports: where the pages go.
        planned: from `include.training.jobs.plan`.
        networks: from `include.training.jobs.plan_networks`; None without networks.
        run_label: of the run.

    Returns:
        ``report``, the link of the page; ``summary``, a few lines.

    Raises:
        TrainingFailed: none of the jobs has completed.
        SuspiciousScore: gate G0, a score is better than an honest one can be.
    """
    dataset_id = planned["dataset_id"]
    results = results_of(bucket, planned, networks)
    if not any(results.values()):
        raise TrainingFailed(
            f"None of the {len(results)} jobs of this run has completed. The log of each task train says why."
        )
    found = truth.report(
        _reduced(bucket, results),
        title=f"Models of data set {dataset_id}",
        version=open_manifest(bucket._replace(prefix=DATASETS), dataset_id).code_version,
        matrix=_matrix(bucket, dataset_id),
    )
    links = reports.write(KIND, run_label, found.files)
    log.info("%s Leaderboard: %s", found.summary, links[INDEX])
    if found.alarm:
        raise SuspiciousScore(
            f"Nothing goes on before somebody looked at this. {found.alarm}\nThe leaderboard: {links[INDEX]}"
        )
    return {"report": links[INDEX], "summary": f"{found.summary}\n  report {links[INDEX]}"}


def _reduced(bucket: ObjectStore, results: Results) -> Iterator[bytes]:
    """Job by job: the predictions of all of them together would not fit into memory."""
    for (pair, model), result in results.items():
        if result is not None:
            yield reduced_output(bucket, pair, model, result)


def _matrix(bucket: ObjectStore, dataset_id: str) -> Any:
    """What a leakage audit reads of the data set."""
    datasets = bucket._replace(prefix=DATASETS)
    manifest = open_manifest(datasets, dataset_id)

    def columns(pair: str, names: Sequence[str]) -> dict[str, Floats]:
        table = read_split(datasets, manifest, pair, "test", list(dict.fromkeys(names)))
        return {name: table[name].to_numpy() for name in table.column_names}

    return columns
