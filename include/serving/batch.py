"""Predictions of every minute of a day, written to a table per pair.

The model is the champion of the routing table, the rows come from the bars a day at a time, and the forecast
is the endpoint's own code in this process: the numbers are those that the endpoint gives. A day is replaced
as a whole, so it may be predicted again at any time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from include.errors import BadParameter, NothingToDo, QualityError
from include.features.arrays import Flags, Floats
from include.names import EPOCH, Month, to_datetime, to_minute
from include.objects import ObjectStore
from include.serving import archives, clock, online, routing
from include.serving.container import inference, wire
from include.storage.connection import Connection, connect
from include.storage.copying import FloatArray, encode
from include.storage.partitions import Kept, lock_month, partition_of, replace_month
from include.storage.schema import ensure_tables
from include.storage.tables import PREDICTIONS, table_of
from include.training.container.inference import SMALLEST

__all__ = ["known", "load", "plan", "predict", "select"]

DAY = 1440  # minutes

Plain = dict[str, Any]


class _Part(NamedTuple):
    """Rows of a pair and which of them can be forecast: nothing that the model reads is NULL there."""

    rows: online.Rows
    known: Flags


def plan(url: str, bucket: ObjectStore, params: Mapping[str, Any], mode: str) -> Plain:
    """Decide which day is predicted, as of when and with which models.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        params: ``pairs``, and ``day`` as yyyy-mm-dd; None for the last full day.
        mode: see `include.serving.clock.as_of`.

    Returns:
        Plain values: ``day``, ``as_of``, ``models`` by pair, and pairs ``without_model``.

    Raises:
        BadParameter: the day has not begun.
        NothingToDo: no model of these pairs is deployed.
    """
    table = routing.read(bucket)
    models = {pair: table.pairs[pair].champion.to_dict() for pair in params["pairs"] if pair in table.pairs}
    if not models:
        raise NothingToDo("No model of these pairs is deployed: run bqx_deploy first.")
    with connect(url) as connection:
        moment = clock.as_of(connection, mode)
    day = date.fromisoformat(params["day"]) if params["day"] else _day_of(moment) - timedelta(days=1)
    if _first(day) >= moment:
        raise BadParameter(
            f"{day} has not begun at {to_datetime(moment):%Y-%m-%d %H:%M} UTC, the end of the data. Choose a "
            "day before that."
        )
    return {
        "day": day.isoformat(),
        "as_of": to_datetime(moment).isoformat(),
        "models": models,
        "without_model": [pair for pair in params["pairs"] if pair not in models],
    }


def select(planned: Plain, *, dry_run: bool) -> list[str]:
    """The pairs to predict; none in a dry run."""
    return [] if dry_run else list(planned["models"])


def predict(url: str, bucket: ObjectStore, planned: Plain, pair: str) -> Plain:
    """Predict the day of a pair and write it.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        planned: what `plan` returned.
        pair: one of its models.

    Returns:
        Plain values: pair, day, version, ``rows`` of the day, how many of them were ``forecast`` (the others
        lack an input and are NULL), seconds.

    Raises:
        MissingInput: the archive is gone, or a pair that the model reads has no bars.
        QualityError: the archive is not the one that was deployed.
    """
    started = time.monotonic()
    target = routing.Target.of(planned["models"][pair])
    day = date.fromisoformat(planned["day"])
    first, moment = _first(day), _minute(planned["as_of"])
    loaded = load(bucket, pair, target)
    end = min(first + DAY, moment)
    with connect(url) as connection:
        rows = online.many(connection, [pair], first, end, loaded.columns, loaded.windows)[pair]
        part = _Part(rows, known(rows))
        _write(connection, part, _forecast(loaded, part), target.version, day, moment)
    return {
        "pair": pair,
        "day": planned["day"],
        "version": target.version,
        "rows": len(rows.ts),
        "forecast": int(part.known.sum()),
        "seconds": round(time.monotonic() - started, 2),
    }


def load(bucket: ObjectStore, pair: str, target: routing.Target) -> inference.Loaded:
    """The model of an archive, every file of it compared with its hash."""
    with tempfile.TemporaryDirectory() as folder:
        for name, body in archives.opened(bucket, target.target).items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        try:
            loaded = inference.load(Path(folder))
        except wire.Refused as refused:
            raise QualityError(f"{bucket.uri(archives.key_of(target.target))}: {refused}") from refused
    wanted = (pair, target.version, target.feature_hash)
    if (found := (loaded.pair, loaded.version, loaded.feature_hash)) != wanted:
        raise QualityError(
            f"{bucket.uri(archives.key_of(target.target))} holds {found}, the routing table names {wanted}. "
            "Deploy that pair again."
        )
    return loaded


def known(rows: online.Rows) -> Flags:
    """Which rows can be forecast: nothing that the model reads is NULL there."""
    there = np.isfinite(np.column_stack([rows.features, *rows.q.values(), *rows.s.values()])).all(axis=1)
    moving = np.all([values > SMALLEST for values in rows.s.values()], axis=0)
    return np.asarray(there & moving)


def _forecast(loaded: inference.Loaded, part: _Part) -> dict[str, Floats]:
    """The columns of the table that the model gives, NULL where it can give none."""
    rows, known = part
    columns: dict[str, Floats] = {}
    if known.any():
        asked = wire.Rows(
            rows.ts[known],
            rows.features[known],
            {window: values[known] for window, values in rows.q.items()},
            {window: values[known] for window, values in rows.s.items()},
        )
        for horizon in inference.forecast(loaded, asked):
            windows = np.full(known.sum(), float(horizon.window))
            told = {"window": windows, **horizon.raw._asdict()}
            columns |= {f"h{horizon.minutes}_{name}": _spread(values, known) for name, values in told.items()}
    return columns


def _spread(values: Floats, known: Flags) -> Floats:
    out = np.full(known.size, np.nan)
    out[known] = values
    return out


def _write(
    connection: Connection,
    part: _Part,
    columns: Mapping[str, Floats],
    version: str,
    day: date,
    moment: int,
) -> None:
    """Replace the day in one transaction; a day without rows loses those that it had."""
    pair, ts = part.rows.pair, part.rows.ts
    target, month, first = table_of(PREDICTIONS, pair), Month.of_day(day), _first(day)
    told: dict[str, FloatArray | str | None] = dict.fromkeys(target.columns)
    told |= {"version": version, "as_of": np.full(len(ts), float(moment))}
    told |= columns
    ensure_tables(connection, [target])
    if not len(ts) and partition_of(connection, target.name, month) is None:
        return
    with connection.transaction():
        lock_month(connection, target.name, month)
        keep = Kept(first, first + DAY - 1)
        replace_month(connection, target, month, encode(ts, told, target.columns), keep=keep)


def _first(day: date) -> int:
    """The first minute of a UTC day."""
    return (day - EPOCH.date()).days * DAY


def _day_of(minute: int) -> date:
    return to_datetime(minute).date()


def _minute(text: str) -> int:
    return to_minute(datetime.fromisoformat(text))
