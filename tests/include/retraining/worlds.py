"""One pair with a planted signal, models that learned it or did not, and the data sets they learned from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import xgboost as xgb

from include.dataset.export import finish, write_document, write_part
from include.features.bars import Bars
from include.market.synthetic import simulate
from include.names import to_datetime, to_minute
from include.objects import ObjectStore
from include.serving import online
from include.storage.connection import connect
from include.training.choice.record import Decision
from tests.include.dataset.stores import manifest
from tests.include.dataset.test_profile import some_profile
from tests.serving import decide
from tests.versions import HORIZONS, Version, of_boosters

PAIR = "eurusd"
COLUMNS = (
    "reg_idx__w15_lin_slope", "reg_idx__w30_lin_slope", "reg_idx__w60_lin_slope", "technical_idx__rsi_14",
    "time__session_hour",
)  # fmt: skip
WINDOWS = {h: h for h in HORIZONS}
START = to_minute(datetime(2024, 7, 1, tzinfo=UTC))  # a Monday
DAY = 1440
SIGNAL = 0.9


def market(days: int, signal: float = SIGNAL, seed: int = 3) -> dict[str, Bars]:
    """Bars from Monday 2024-07-01 on."""
    return simulate(START, START + days * DAY, seed, signal, [PAIR])


def learn(url: str, days: int, kind: str = "signal") -> Version:
    """A model of the first days.

    Args:
        url: of the database with their bars.
        days: calendar days that it learns from.
        kind: ``signal`` learns what came, ``noise`` what came at other times, ``nothing`` hardly anything.
    """
    end = START + days * DAY
    with connect(url) as connection:
        rows = online.many(connection, [PAIR], START, end, COLUMNS, WINDOWS)[PAIR]
    rng = np.random.default_rng(days)
    boosters = {h: _booster(rows, h, kind, rng) for h in HORIZONS}
    return of_boosters(PAIR, COLUMNS, boosters)


def _booster(rows: online.Rows, h: int, kind: str, rng: np.random.Generator) -> Any:
    q, s = rows.q[h], rows.s[h]
    place = np.minimum(np.searchsorted(rows.ts, rows.ts + h), rows.ts.size - 1)
    came = np.where(rows.ts[place] == rows.ts + h, q[place], np.nan)
    known = np.isfinite(rows.features).all(axis=1) & np.isfinite(q + s + came) & (s > 1e-12)
    known &= np.arange(rows.ts.size) % 5 == 0  # labels overlap
    label, margin = ((came - q) / s)[known], (-q / s)[known]
    if kind == "noise":
        label = margin + rng.permutation(label - margin)
    data = xgb.DMatrix(rows.features[known].astype(np.float32), label, base_margin=margin,
                       feature_names=list(COLUMNS))  # fmt: skip
    rate = {"signal": 0.1, "noise": 0.5, "nothing": 1e-4}[kind]
    settings = {"max_depth": 3 if kind != "noise" else 8, "eta": rate, "base_score": 0.0, "nthread": 1}
    return xgb.train(settings, data, 60)


def export(bucket: ObjectStore, dataset_id: str, days: int, val_days: int = 1) -> None:
    """A data set whose validation ends after so many days; it has no more than a comparison asks for.

    Args:
        bucket: the whole bucket.
        dataset_id: its name.
        days: calendar days of training and validation.
        val_days: of these, days of validation.
    """
    datasets = bucket._replace(prefix="datasets")
    one = pa.table({"ts_utc": pa.array([START * 60_000_000], pa.int64()).cast(pa.timestamp("us", "UTC"))})
    files = [write_part(datasets, dataset_id, PAIR, "train", "2024-07", one)]
    profile = some_profile()
    whole = replace(profile, pair=PAIR, known=np.ones_like(profile.known))
    sink = io.BytesIO()
    np.savez(sink, **{f"{PAIR}/{name}": value for name, value in whole.arrays().items()})
    documents = {"profile": write_document(datasets, dataset_id, "profile.npz", sink.getvalue())}
    source = {"from": to_datetime(START).isoformat(), "to": to_datetime(START + 28 * DAY).isoformat()}
    told = manifest(dataset_id, files, splits=splits(days, val_days), documents=documents, source=source)
    finish(datasets, told)


def splits(days: int, val_days: int) -> Mapping[str, Any]:
    start, end = to_datetime(START), to_datetime(START) + timedelta(days=days)
    middle = end - timedelta(days=val_days)
    return {
        "train": {"from": start.isoformat(), "to": middle.isoformat(), "rows": 1},
        "val": {"from": middle.isoformat(), "to": end.isoformat(), "rows": 0},
    }


def decided(bucket: ObjectStore, dataset_id: str, known: Version, **changes: Any) -> Decision:
    """The decision of bqx_train for a model."""
    return decide(bucket, PAIR, known=known, dataset_id=dataset_id, **changes)


def planned(days: int, dataset_id: str, run: str = "scheduled__1", **changes: Any) -> dict[str, Any]:
    """What `include.retraining.steps.plan` returns for the data of the first days."""
    end = START + days * DAY
    return {
        "run": run, "kind": "scheduled", "pairs": [PAIR], "start": START, "end": end,
        "as_of": to_datetime(end).isoformat(), "dataset_id": dataset_id, "holdout_days": 20, "least_days": 5,
        "deploy": {"action": "deploy", "ask": False},
    } | changes  # fmt: skip
