"""The task `track` of the DAG bqx_train: what MLflow is to hold of a run's models."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from include.dataset.export import open_manifest
from include.errors import MissingInput
from include.objects import ObjectStore
from include.reports import FOLDER, INDEX, Reports
from include.tracking import outbox
from include.tracking.mlflow_tracker import MlflowTracker
from include.tracking.run import TrackedRun
from include.training.choice.record import read
from include.training.jobs import result_of
from include.training.requests import DATASETS
from include.training.scoring import KIND
from include.training.truth.report import SCORES

__all__ = ["track"]

log = logging.getLogger(__name__)

Plain = Mapping[str, Any]
_BESIDE = ("r2", "da", "mae_scaled")  # scores that stand beside the same of the no-skill forecast
_TAGGED = ("pair", "model", "dataset_id", "content_hash")  # settings of the job that are tags


def track(
    bucket: ObjectStore,
    uri: str | None,
    planned: Plain,
    networks: Plain | None,
    choice: Plain,
    run_label: str,
) -> dict[str, Any]:
    """Record every model of a run: parameters, scores of the leaderboard, lineage, and what was chosen.

    A tracking server that does not answer stops nothing: the records wait in the bucket, and the next run, or
    a clear of the task, delivers them.

    Args:
        bucket: the whole bucket.
        uri: address of the tracking server, None for no tracking. It may hold a password.
        planned: from `include.training.jobs.plan`.
        networks: the same of the networks; None if none were planned.
        choice: what the task `choose` returned; ``records`` has the key of each pair's decision record.
        run_label: of the run; its leaderboard has the scores.

    Returns:
        ``tracked`` and ``waiting``, numbers of records; ``summary``, a sentence.

    Raises:
        MissingInput: the leaderboard is not there.
        QualityError: a decision record is gone or was changed.
    """
    if not uri:
        return _outcome(outbox.Delivery(0, 0, ""), "No model was tracked: there is no connection bqx_mlflow.")
    outbox.put(bucket, _runs(bucket, planned, networks, choice, run_label))
    delivery = outbox.deliver(bucket, lambda: MlflowTracker(uri, bucket))
    summary = f"{delivery.tracked} models were recorded in MLflow."
    if delivery.waiting:
        summary += (
            f" {delivery.waiting} records wait in {bucket.uri(outbox.FOLDER)} ({delivery.problem}). Nothing "
            "is lost: start the server or correct the connection bqx_mlflow, then clear the task record; the "
            "next run delivers them as well."
        )
        log.warning(summary)
    return _outcome(delivery, summary)


def _outcome(delivery: outbox.Delivery, summary: str) -> dict[str, Any]:
    return {"tracked": delivery.tracked, "waiting": delivery.waiting, "summary": summary}


def _runs(
    bucket: ObjectStore, planned: Plain, networks: Plain | None, choice: Plain, run_label: str
) -> Iterator[TrackedRun]:
    reports = Reports(bucket._replace(prefix=FOLDER))
    scores = _scores(reports, run_label)
    manifest = open_manifest(bucket._replace(prefix=DATASETS), planned["dataset_id"])
    lineage = {
        "dataset": manifest.dataset_id,
        "content_hash": manifest.content_hash,
        "catalogue_hash": manifest.catalogue_hash,
        "run": run_label,
        "report": reports.link(KIND, run_label, INDEX),
    }
    decisions = {pair: read(bucket, key) for pair, key in choice["records"].items()}
    reported = {(job["pair"], job["model"]): job for job in scores["jobs"]}
    for job in [*planned["jobs"], *(networks or {"jobs": ()})["jobs"]]:
        pair, model = job["pair"], job["model"]
        result = result_of(bucket, planned["content_hash"], job["name"])
        if result is None or (pair, model) not in reported:
            continue  # its task says why
        card = reported[pair, model]["card"]
        tags = lineage | _identity(bucket, job, result, card) | _verdicts(scores, pair, model)
        if pair in decisions:
            tags |= _decision(decisions[pair].key, decisions[pair].content, model)
        seconds = float(result["seconds"] or 0)
        yield TrackedRun(
            name=job["name"],
            params={name: str(value) for name, value in card["settings"].items() if name not in _TAGGED},
            metrics=_metrics(scores, pair, model) | _costs(result),
            tags={f"bqx.{name}": value for name, value in tags.items()},
            documents={"card.json": card},
            seconds=seconds,
        )


def _scores(reports: Reports, run_label: str) -> dict[str, Any]:
    body = reports.read(KIND, run_label, SCORES)
    if body is None:
        raise MissingInput(
            f"{reports.link(KIND, run_label, SCORES)} is not there. Clear the task report: it writes the "
            "leaderboard of this run again."
        )
    return dict(json.loads(body))


def _identity(bucket: ObjectStore, job: Plain, result: Plain, card: Plain) -> dict[str, str]:
    """Which model it is, from which bytes it was made, and where it lies."""
    hashes = {name: card[name] for name in ("manifest_hash", "columns_hash", "code_hash") if name in card}
    return hashes | {
        "pair": job["pair"],
        "model": job["model"],
        "job": result["job"],
        "request_hash": job["request_hash"],
        "archive": bucket.uri(result["model"]),
        "output": bucket.uri(result["output"]),
    }


def _decision(key: str, record: Plain, model: str) -> dict[str, str]:
    """Whether this model was chosen; an ensemble chooses several."""
    members = [archive["model"] for archive in record["archives"]]
    return {
        "decision": key,
        "choice": record["chosen"] or "none",
        "chosen": str(model in members).lower(),
        "deployable": str(record["deployable"]).lower(),
    }


def _costs(result: Plain) -> dict[str, float]:
    costs = {name: result.get(name) for name in ("seconds", "billable_seconds")}
    return {f"job/{name}": float(value) for name, value in costs.items() if value is not None}


def _verdicts(scores: Plain, pair: str, model: str) -> dict[str, str]:
    return {
        f"verdict.{name}.h{block['h']}": block["verdict"]
        for name, each in scores["sets"].items()
        for block in each["blocks"]
        if (block["pair"], block["model"]) == (pair, model)
    }


def _metrics(scores: Plain, pair: str, model: str) -> dict[str, float]:
    """``{set}/{score}_{h15 .. h75 or mean}``, as in the leaderboard; what is not defined is left out."""
    metrics: dict[str, float | None] = {}
    for name, each in scores["sets"].items():
        horizons = [(f"h{block['h']}", block, block["whole"]) for block in each["blocks"]]
        means = [("mean", row, row) for row in each["pairs"]]
        for suffix, owner, group in horizons + means:
            if (owner["pair"], owner["model"]) == (pair, model):
                metrics |= {f"{name}/{score}_{suffix}": value for score, value in _values(group).items()}
    return {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}


def _values(group: Plain) -> dict[str, float | None]:
    """The scores of one horizon, or their means over the horizons."""
    coverage = group["coverage"]
    values = {name: group[name]["model"] for name in _BESIDE}
    values |= {f"{name}_no_skill": group[name]["no_skill"] for name in _BESIDE}
    values |= {"skill": group["skill"]["value"]}
    values |= {f"skill_{end}": group["skill"][end] for end in ("low", "high")}
    return values | {"coverage": coverage["value"] if isinstance(coverage, dict) else coverage}
