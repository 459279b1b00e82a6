"""From features to a forecast of BQX, in training and in serving: the offset, the model, the way back.

A model learns the scaled delta (actual - q) / s. The no-skill forecast of `docs/training.md` enters it as an
offset, (no_skill - q) / s, which no model stores: every prediction computes it again from q of the window w,
q of the window w - h, and s; without them there is none.

All arrays have one value per row. q and s are in BQX units; NaN is NULL.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.training.container.models import Model, Seen, kind_of
from include.training.container.problem import JobProblem

FORMAT = 2  # of model.json
MODEL = "model.json"
SMALLEST = 1e-12  # s at or below it is no scale
BATCH = 16_384  # rows that are predicted at once

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


class Forecast(NamedTuple):
    """What a model says of one horizon, all in raw BQX units.

    Attributes:
        no_skill: the forecast that any martingale allows.
        prediction: the model's.
        low, high: of the interval at 90 %; NaN if the model has none.
    """

    no_skill: Floats
    prediction: Floats
    low: Floats
    high: Floats


class Bundle(NamedTuple):
    """A model as it was loaded.

    Attributes:
        about: model.json.
        model: what forecasts.
    """

    about: Mapping[str, Any]
    model: Model


class Past(NamedTuple):
    """Rows before those that are asked about.

    Attributes:
        ts: epoch minutes, ascending.
        columns: every feature of the model by name.
    """

    ts: npt.ArrayLike
    columns: Mapping[str, npt.ArrayLike]


def no_skill(window: int, minutes: int, q: Mapping[int, Floats]) -> Floats:
    """The forecast of q^w at t + h that needs no skill: q^(w-h) now if h < w, else 0.

    Raises:
        JobProblem: a window that it needs is not in q.
    """
    if minutes >= window:
        return np.zeros_like(_needed(q, window, "q"))
    return _needed(q, window - minutes, "q")


def margin(forecast: Floats, q: Floats, s: Floats) -> Floats:
    """The no-skill forecast as scaled delta: the offset of every model."""
    return (forecast - q) / s


def scaled(actual: Floats, q: Floats, s: Floats) -> Floats:
    """An outcome as scaled delta: what models learn."""
    return (actual - q) / s


def restore(prediction: Floats, q: Floats, s: Floats) -> Floats:
    """The raw BQX that a prediction of the scaled delta means."""
    return q + s * prediction


def scaled_prediction(booster: Any, x: Singles, offset: Floats) -> Floats:
    """What a booster says of the scaled delta, its offset included; in batches that bound memory.

    Args:
        booster: of one horizon.
        x: features in the order of the model, (rows, columns).
        offset: from `margin`; it is no option.
    """
    out = np.empty(len(x))
    for begin in range(0, len(x), BATCH):
        some = slice(begin, begin + BATCH)
        out[some] = booster.inplace_predict(x[some], base_margin=offset[some].astype(np.float32))
    return out


def load_bundle(folder: Path, nthread: int = 1) -> Bundle:
    """Load an unpacked model.tar.gz.

    Args:
        folder: where model.json lies.
        nthread: threads that a prediction may use.

    Raises:
        JobProblem: a file is missing, or is not the one that was trained.
    """
    try:
        about = json.loads((folder / MODEL).read_bytes())
        if about["format"] != FORMAT:
            raise JobProblem(f"{MODEL} has format {about['format']}; this code reads format {FORMAT}.")
        if columns_hash(about["columns"]) != about["columns_hash"]:
            raise JobProblem(f"{MODEL} was changed: its list of columns does not fit its hash.")
        files = {}
        for horizon in about["horizons"]:
            body = (folder / horizon["file"]).read_bytes()
            if hashlib.sha256(body).hexdigest() != horizon["sha256"]:
                raise JobProblem(f"{horizon['file']} is not the file that was trained: its SHA-256 differs.")
            files[int(horizon["minutes"])] = body
        return Bundle(about, kind_of(about["model"]).load(about, files, nthread))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise JobProblem(
            f"{folder.name} holds no complete model ({type(error).__name__}: {error})."
        ) from error


def columns_hash(columns: Sequence[str]) -> str:
    """SHA-256 of a list of columns: its names and their order."""
    return hashlib.sha256(json.dumps(list(columns)).encode()).hexdigest()


def predict(
    bundle: Bundle,
    columns: Mapping[str, npt.ArrayLike],
    q: Mapping[int, npt.ArrayLike],
    s: Mapping[int, npt.ArrayLike],
    ts: npt.ArrayLike | None = None,
    past: Past | None = None,
) -> dict[int, Forecast]:
    """Forecast every horizon of a model.

    Args:
        bundle: from `load_bundle`.
        columns: every feature of the model by name, in any order; more do not matter.
        q: BQX now by window: w of every horizon, and w - h where h < w.
        s: its volatility by window.
        ts: epoch minutes of the rows, ascending; a tft needs them.
        past: earlier rows; a tft needs those of its ``encoder``, see `model.json`.

    Returns:
        By horizon in minutes.

    Raises:
        JobProblem: a feature, q or s is missing or unknown in a row, or the arrays differ in length.
    """
    about = bundle.about
    asked = _seen(() if ts is None else ts, columns, about["columns"])
    references = {}
    for horizon in about["horizons"]:
        minutes, window = int(horizon["minutes"]), int(horizon["window"])
        now, scale = _needed(q, window, "q"), _needed(s, window, "s")
        forecast = no_skill(window, minutes, q={w: _needed(q, w, "q") for w in q})
        _check_reference(len(asked.x), window, now, scale, forecast)
        references[minutes] = forecast, now, scale
    offset = {minutes: margin(*reference) for minutes, reference in references.items()}
    before = None if past is None else _seen(past.ts, past.columns, about["columns"])
    scaled = bundle.model.scaled(asked, offset, before)
    out = {}
    for horizon in about["horizons"]:
        minutes = int(horizon["minutes"])
        forecast, now, scale = references[minutes]
        prediction = restore(scaled[minutes], now, scale)
        out[minutes] = Forecast(forecast, prediction, *interval(prediction, scale, horizon["half_width"]))
    return out


def interval(prediction: Floats, s: Floats, half_width: float | None) -> tuple[Floats, Floats]:
    """Low and high in raw BQX units; NaN without a half width (in units of s)."""
    reach = s * (np.nan if half_width is None else half_width)
    return prediction - reach, prediction + reach


def _seen(ts: npt.ArrayLike, columns: Mapping[str, npt.ArrayLike], names: Sequence[str]) -> Seen:
    if absent := [name for name in names if name not in columns]:
        raise JobProblem(f"The request lacks column {absent[0]}, one of {len(absent)} that the model needs.")
    x = np.column_stack([np.asarray(columns[name], np.float32) for name in names])
    return Seen(np.atleast_1d(np.asarray(ts, np.int64)), x)


def _needed(values: Mapping[int, npt.ArrayLike], window: int, what: str) -> Floats:
    if window not in values:
        raise JobProblem(
            f"The request lacks {what} of window {window}. The no-skill forecast is made of it, and no "
            "model can predict without."
        )
    return np.atleast_1d(np.asarray(values[window], np.float64))


def _check_reference(rows: int, window: int, q: Floats, s: Floats, forecast: Floats) -> None:
    for what, values in (("q", q), ("s", s), ("the no-skill forecast", forecast)):
        if values.shape != (rows,):
            raise JobProblem(f"{what} of window {window} has shape {values.shape}, the features {rows} rows.")
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise JobProblem(
                f"{what} of window {window} is unknown in row {row}; there is no forecast without it."
            )
    if not (s > SMALLEST).all():
        row = int(np.flatnonzero(s <= SMALLEST)[0])
        raise JobProblem(
            f"s of window {window} is {s[row]} in row {row}; there is no forecast without a scale."
        )
