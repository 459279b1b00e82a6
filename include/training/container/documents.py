"""model.json and card.json: what a model is, for programs and for people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from include.training.container.code import code_hash
from include.training.container.inference import FORMAT, columns_hash
from include.training.container.manifest import Manifest
from include.training.container.sets import Interval
from include.training.container.settings import Horizon, Settings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Trained(NamedTuple):
    """One horizon of a model.

    Attributes:
        horizon: which.
        file: name of its file; those of a network share one.
        body: content of the file.
        rounds: of boosting, or epochs; 1 for a forest.
        half_width: of the interval in units of s; None if there were too few rows.
        calibration_rows: that it comes from.
    """

    horizon: Horizon
    file: str
    body: bytes
    rounds: int
    half_width: float | None
    calibration_rows: int


def model_document(
    settings: Settings,
    manifest: Manifest,
    trained: Sequence[Trained],
    versions: Mapping[str, str],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """model.json: all that inference needs besides the files of the horizons.

    Args:
        settings: of the job.
        manifest: of the data set.
        trained: the horizons.
        versions: of the libraries.
        about: what the kind of model says besides.
    """
    return {
        "format": FORMAT,
        "pair": settings.pair,
        "model": settings.model,
        "dataset_id": settings.dataset_id,
        "content_hash": manifest.content_hash,
        "manifest_hash": manifest.manifest_hash,
        "columns": list(manifest.columns),
        "columns_hash": columns_hash(manifest.columns),
        "scalers": {name: manifest.scalers[name] for name in manifest.columns if name in manifest.scalers},
        "target_window": settings.target_window,
        "horizons": [
            {
                "minutes": each.horizon.minutes,
                "window": each.horizon.window,
                "file": each.file,
                "sha256": hashlib.sha256(each.body).hexdigest(),
                "rounds": each.rounds,
                "half_width": each.half_width,
                "calibration_rows": each.calibration_rows,
            }
            for each in trained
        ],
        "code_hash": code_hash(settings.model),
        "hyperparameters": settings.to_dict(),
        "versions": dict(versions),
        **about,
    }


def card(
    model: dict[str, Any], sets: dict[str, tuple[Interval, int]], learned: int, stopping: str
) -> dict[str, Any]:
    """The model card.

    Args:
        model: model.json.
        sets: interval and rows of every set.
        learned: rows that the model saw.
        stopping: how the number of rounds or epochs was found.
    """
    kept = ("pair", "model", "dataset_id", "content_hash", "manifest_hash", "columns_hash", "code_hash")
    return {name: model[name] for name in kept} | {
        "columns": len(model["columns"]),
        "target": (
            "BQX of each horizon's window, h minutes ahead, learned as (outcome - q) / s with the no-skill "
            "forecast as offset"
        ),
        "horizons": [
            {name: each[name] for name in ("minutes", "window", "rounds", "half_width", "calibration_rows")}
            for each in model["horizons"]
        ],
        "sets": {
            name: {"from": _iso(interval.start), "to": _iso(interval.end), "rows": rows}
            for name, (interval, rows) in sets.items()
        },
        "rows_learned_from": learned,
        "stopping": stopping,
        "settings": model["hyperparameters"],
        "versions": model["versions"],
        "intended_use": (
            "Research on whether BQX of a currency pair can be forecast better than by the no-skill "
            "forecast. It is no advice to trade."
        ),
        "limits": [
            "R2 of raw BQX is partly mechanical for h < w: judge the model by its skill.",
            "Intervals hold if the days after calibration are like those of it; coverage falls when "
            "volatility changes faster than s.",
            "Rows without q, q of the shorter window or s have no forecast.",
            "Features are taken as they are; the limits in model.json show what training rows held.",
        ],
    }


def _iso(minute: int) -> str:
    return (_EPOCH + timedelta(minutes=minute)).isoformat()
