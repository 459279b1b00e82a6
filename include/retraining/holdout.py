"""The newest trading days that neither of two models saw in training, early stopping or choice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from include.dataset.export import open_manifest
from include.dataset.split import GAP
from include.errors import MissingInput
from include.monitoring.sessions import Window, whole_days
from include.names import to_minute
from include.objects import ObjectStore
from include.training.choice.record import DIGITS, Decision

__all__ = ["FOLDER", "holdout", "kept", "key_of", "seen_until"]

FOLDER = "retraining/comparisons"  # in the bucket


def key_of(pair: str, challenger: str, champion: str) -> str:
    """Key of the record of a comparison of two versions."""
    return f"{FOLDER}/{pair}/{challenger}-{champion}.json"


def kept(bucket: ObjectStore, pair: str, challenger: str) -> dict[str, object] | None:
    """The record of the comparison by which a version was chosen or refused; None if there was none."""
    for found in bucket.list(f"{FOLDER}/{pair}/{challenger}-"):
        return dict(json.loads(bucket.get(found.key) or b"{}"))
    return None


def seen_until(bucket: ObjectStore, decision: Decision) -> int | None:
    """Up to which minute a model has seen prices: the end of what chose it. None if nobody knows any more.

    Training, early stopping, intervals and the choice among models end with validation. A model that won a
    comparison was chosen by its hold-out too.

    Args:
        bucket: the whole bucket.
        decision: that chose the model.
    """
    pair = str(decision.content["pair"])
    compared = kept(bucket, pair, decision.hash[:DIGITS])
    if compared and compared.get("holdout"):
        return int(compared["holdout"]["end"])  # type: ignore[index]
    try:
        manifest = open_manifest(bucket._replace(prefix="datasets"), decision.content["dataset_id"])
    except MissingInput:
        return None
    return to_minute(datetime.fromisoformat(manifest.splits["val"]["to"]))


def holdout(end: int, seen: Iterable[int], days: int) -> Window | None:
    """The last whole trading days before the end of the data that begin after the gap of a split.

    Args:
        end: epoch minute just after the data.
        seen: from `seen_until`, of both models.
        days: at most so many.

    Returns:
        None if there is no such day.
    """
    first = max(seen) + GAP
    windows = (whole_days(end, number) for number in range(days, 0, -1))
    return next((window for window in windows if window.first >= first), None)
