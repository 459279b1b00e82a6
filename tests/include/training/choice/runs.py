"""Runs of bqx_train whose jobs have completed: simulated outputs and archives in a bucket."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd

from include.objects import ObjectStore
from include.training.jobs import RESULT
from include.training.requests import key_of
from tests.include.training.truth.jobs import Market, files, market, predictions

CONTENT = "c" * 64
SHORT = {"random_forest": "rf", "xgboost": "xgb", "tft": "tft", "multi_task": "mt"}
WEEKS: dict[str, Sequence[int]] = {"val": (1, 2, 3, 4), "calibration": (5,), "test": (6,)}
FEW: dict[str, Sequence[int]] = {"val": (1,), "calibration": (2,), "test": (3,)}


@cache
def bars(pair: str) -> Market:
    """Simulated bars of a pair, made once."""
    return market(pair, 7)


def planned(
    jobs: Mapping[str, Sequence[str]], dataset_id: str = "demo", content: str = CONTENT
) -> dict[str, Any]:
    """What `include.training.jobs.plan` returns for models by pair."""
    named = [(pair, model) for pair, models in jobs.items() for model in models]
    return {
        "dataset_id": dataset_id,
        "content_hash": content,
        "jobs": [
            {"pair": pair, "model": model, "name": f"bqx-{pair}-{SHORT[model]}-{content[:16]}"}
            for pair, model in named
        ],
    }


def complete(bucket: ObjectStore, run: Mapping[str, Any], pair: str, model: str, frame: pd.DataFrame) -> None:
    """Lay a completed job into the bucket."""
    name = next(job["name"] for job in run["jobs"] if (job["pair"], job["model"]) == (pair, model))
    content = run["content_hash"]
    result = {
        "job": name,
        "model": key_of(content, name, "output/model.tar.gz"),
        "output": key_of(content, name, "output/output.tar.gz"),
        "seconds": 60,
        "billable_seconds": 20,
    }
    left = files(frame)
    card = json.loads(left["card.json"]) | {"content_hash": content, "code_hash": f"code of {model}"}
    bucket.put(result["model"], f"archive of {pair} {model}".encode())
    bucket.put(result["output"], archive(left | {"card.json": json.dumps(card).encode()}))
    bucket.put(key_of(content, name, RESULT), json.dumps(result).encode())


@cache
def forecasts(pair: str, seed: int, skill: float = 0.0, few: bool = False) -> pd.DataFrame:
    """Predictions of a model that foresees a share of what no skill leaves."""
    weeks = FEW if few else WEEKS
    return predictions(bars(pair), weeks, seed=seed, skill=skill, noise=0.05)


def modest(frame: pd.DataFrame) -> pd.DataFrame:
    """The same forecasts, but on test no more than the no-skill forecast: gate G0 finds nothing."""
    test = frame["set"] == "test"
    half = (frame["high"] - frame["low"]) / 2
    plain = frame["no_skill"]
    return frame.assign(
        prediction=frame["prediction"].mask(test, plain),
        low=frame["low"].mask(test, plain - half),
        high=frame["high"].mask(test, plain + half),
    )


def archive(members: Mapping[str, bytes]) -> bytes:
    """A tar.gz of files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return stream.getvalue()
