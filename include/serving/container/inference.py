"""Forecasts of one model version, in the container of the endpoint and in any other process.

This file is the script of AWS's XGBoost image: it calls `model_fn` once for an archive and `transform_fn` for
each request. `load` and `forecast` are the same for who needs no HTTP.

An archive holds ``serving.json`` and a folder for each member of the model, the unpacked archive of its
training job. Nothing is forecast from an archive with a file that is not the one that was deployed, nor from
a request that was made for another version, for other columns or with a value missing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from include.serving.container import wire
from include.serving.container.wire import Answer, Floats, Horizon, Refused, Rows, Values
from include.training.container.inference import (
    SMALLEST,
    Bundle,
    Forecast,
    columns_hash,
    load_bundle,
    predict,
    scaled,
)
from include.training.container.problem import JobProblem

FORMAT = 1  # of serving.json
ABOUT = "serving.json"


class Loaded(NamedTuple):
    """A model version that is ready.

    Attributes:
        pair, version: which.
        feature_hash: SHA-256 of its list of columns.
        columns: names of the features, in order.
        windows: of the target, by horizon in minutes.
        members: weight and model of each; the weights sum to 1.
    """

    pair: str
    version: str
    feature_hash: str
    columns: tuple[str, ...]
    windows: Mapping[int, int]
    members: tuple[tuple[float, Bundle], ...]


def load(folder: Path, nthread: int = 1) -> Loaded:
    """Load an unpacked archive.

    Args:
        folder: where serving.json lies.
        nthread: threads that a prediction may use.

    Raises:
        Refused: a file is missing or is not the one that was deployed.
    """
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        if about["format"] != FORMAT:
            raise _corrupt(f"{ABOUT} has format {about['format']}; this code reads format {FORMAT}.")
        _check_files(folder, about["files"])
        members = tuple(
            (float(each["weight"]), load_bundle(folder / each["folder"], nthread))
            for each in about["members"]
        )
        loaded = Loaded(
            about["pair"],
            about["version"],
            about["feature_hash"],
            tuple(about["columns"]),
            {int(minutes): int(about["windows"][minutes]) for minutes in sorted(about["windows"], key=int)},
            members,
        )
    except JobProblem as problem:
        raise _corrupt(str(problem)) from problem
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _corrupt(f"This is no complete archive ({type(error).__name__}: {error}).") from error
    _check_members(loaded)
    return loaded


def forecast(loaded: Loaded, rows: Rows) -> tuple[Horizon, ...]:
    """Forecast every horizon of some rows.

    Members are mixed as their scores were: the mean of their forecasts by weight, and that of their bounds.

    Returns:
        Ascending by horizon.

    Raises:
        Refused: a value that is needed is not known; names it.
    """
    _check_rows(loaded, rows)
    columns = dict(zip(loaded.columns, rows.features.T, strict=True))
    told = [(weight, predict(bundle, columns, rows.q, rows.s)) for weight, bundle in loaded.members]
    out = []
    for minutes, window in loaded.windows.items():
        raw = _mixed([(weight, forecasts[minutes]) for weight, forecasts in told])
        q, s = rows.q[window], rows.s[window]
        out.append(Horizon(minutes, window, raw, Values(*(scaled(values, q, s) for values in raw))))
    return tuple(out)


def answer(loaded: Loaded, request: wire.Request) -> Answer:
    """Answer a request.

    Raises:
        Refused: it was made for another model, or a value that is needed is not known.
    """
    if request.version != loaded.version:
        raise Refused(
            wire.VERSION, f"The request is for version {request.version}; this is {loaded.version}."
        )
    if request.feature_hash != loaded.feature_hash:
        raise Refused(
            wire.FEATURES,
            f"The request has columns of hash {request.feature_hash}; version {loaded.version} needs those "
            f"of hash {loaded.feature_hash}.",
        )
    horizons = forecast(loaded, request.rows)
    return Answer(loaded.pair, loaded.version, loaded.feature_hash, request.rows.ts, horizons)


def model_fn(model_dir: str) -> Loaded:
    """Load an archive for the container.

    Raises:
        RuntimeError: it cannot be used. The text is the body of a refusal: a model server answers with the
            text of an exception.
    """
    try:
        return load(Path(model_dir))
    except Refused as refused:
        raise RuntimeError(wire.error(refused).decode()) from refused


def transform_fn(
    model: Loaded, body: bytes | str, content_type: str, accept: str, context: Any
) -> tuple[bytes, str]:
    """Answer a request to the container.

    Args:
        model: from `model_fn`.
        body: of the request.
        content_type: of the body.
        accept: what the client takes; the answer is JSON whatever that is.
        context: of the model server; told the status of a refusal.

    Returns:
        The body of the answer and its content type.
    """
    try:
        if content_type.partition(";")[0].strip().lower() != wire.CONTENT_TYPE:
            raise Refused(wire.BAD, f"The content type is {content_type!r}; send {wire.CONTENT_TYPE}.")
        return wire.answer(answer(model, wire.read_request(body))), wire.CONTENT_TYPE
    except Refused as refused:
        context.set_response_status(code=refused.status, phrase=refused.code)
        return wire.error(refused), wire.CONTENT_TYPE


def _corrupt(message: str) -> Refused:
    return Refused(wire.CORRUPT, message, 500)


def _check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    for name, wanted in hashes.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != wanted:
            raise _corrupt(f"{name} is not the file that was deployed: its SHA-256 differs.")


def _check_members(loaded: Loaded) -> None:
    if columns_hash(loaded.columns) != loaded.feature_hash:
        raise _corrupt(f"{ABOUT} was changed: its list of columns does not fit its hash.")
    if not loaded.members or not math.isclose(sum(weight for weight, _ in loaded.members), 1, rel_tol=1e-9):
        raise _corrupt(f"{ABOUT} needs members whose weights sum to 1.")
    for _, bundle in loaded.members:
        about = bundle.about
        windows = {int(each["minutes"]): int(each["window"]) for each in about["horizons"]}
        if tuple(about["columns"]) != loaded.columns or windows != loaded.windows:
            raise _corrupt(f"The member {about['model']} has other columns or windows than {ABOUT} says.")


def _check_rows(loaded: Loaded, rows: Rows) -> None:
    if rows.features.shape[1] != len(loaded.columns):
        raise Refused(
            wire.BAD,
            f"Rows have {rows.features.shape[1]} features; version {loaded.version} needs "
            f"{len(loaded.columns)}.",
        )
    _check_known(rows, loaded.columns, rows.features)
    windows = sorted(set(loaded.windows.values()))
    shorter = {window - minutes for minutes, window in loaded.windows.items() if minutes < window}
    for what, known, needed in (
        ("q", rows.q, sorted({*windows, *shorter})),
        ("s", rows.s, windows),
    ):
        if absent := [window for window in needed if window not in known]:
            raise Refused(wire.MISSING, f"The request lacks {what} of window {absent[0]}.")
        names = [f"{what} of window {window}" for window in needed]
        _check_known(rows, names, np.column_stack([known[window] for window in needed]))
    for window in windows:
        if (flat := rows.s[window] <= SMALLEST).any():
            row = int(np.argmax(flat))
            raise Refused(
                wire.MISSING,
                f"s of window {window} is {rows.s[window][row]} at {wire.text_of(int(rows.ts[row]))}: there "
                "is no forecast without a scale.",
            )


def _check_known(rows: Rows, names: Sequence[str], values: Floats) -> None:
    unknown = ~np.isfinite(values)
    if unknown.any():
        row, place = (int(each) for each in np.unravel_index(np.argmax(unknown), values.shape))
        raise Refused(
            wire.MISSING,
            f"{names[place]} is not known at {wire.text_of(int(rows.ts[row]))}: there is no forecast without "
            f"it ({int(unknown.sum())} such values).",
        )


def _mixed(told: Sequence[tuple[float, Forecast]]) -> Values:
    names = ("prediction", "low", "high")
    if len(told) == 1:
        return Values(*(getattr(told[0][1], name) for name in names))
    return Values(*(sum(weight * getattr(each, name) for weight, each in told) for name in names))
