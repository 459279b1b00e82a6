"""From the files of one training job to its day sums."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from include.errors import BadParameter, QualityError
from include.features.arrays import EPS, Flags, Floats
from include.training.truth import theory
from include.training.truth.groups import GROUPS, STATES, Limits, by_group, limits, states, trading_days
from include.training.truth.outputs import (
    MEASURED,
    SETS,
    Content,
    Predictions,
    read_backtest,
    read_importance,
    read_predictions,
)
from include.training.truth.reduced import FIELDS, Cloud, Importance, Reduced, Sums

__all__ = ["FILES", "TOP", "day_sums", "reduce_job"]

FILES = ("predictions.parquet", "backtest.parquet", "importance.parquet", "metrics.json", "card.json")
TOP = 50  # columns that folds are compared by
BINS = 41  # of a picture of predictions against what came
REACH = 3.0  # standard deviations of the no-skill world that it shows
TENTHS = 10
_WIDE = 10_000  # more minutes than a window has


def reduce_job(pair: str, model: str, files: Mapping[str, Content]) -> bytes:
    """Reduce the files of one job to what the report needs of it, about half a megabyte.

    The order of the rows does not matter.

    Args:
        pair: for example ``eurusd``.
        model: ``random_forest`` or ``xgboost``.
        files: content, or path, of each of `FILES`.

    Returns:
        A compressed archive for `include.training.truth.report.report`.

    Raises:
        BadParameter: a file is absent.
        QualityError: the job's output cannot be judged; the message says why.
    """
    absent = [name for name in FILES if name not in files]
    if absent:
        raise BadParameter(
            f"{pair} {model}: {', '.join(absent)} is absent from the job's output; a complete job writes "
            f"{', '.join(FILES)}"
        )
    try:
        return _reduced(pair, model, files).to_bytes()
    except QualityError as error:
        raise QualityError(f"{pair} {model}: {error}") from error


def _reduced(pair: str, model: str, files: Mapping[str, Content]) -> Reduced:
    rows = read_predictions(files["predictions.parquet"])
    windows = _windows(rows)
    parts = {name: rows.where(rows.part == SETS.index(name)) for name in MEASURED}
    for name, part in parts.items():
        _matching(part, windows, f"predictions.parquet: the {name} set")
    bounds = [limits(part.q, part.s) for part in _by_horizon(parts["val"], windows)]
    whole = {"val": rows.where(rows.part != SETS.index("test")), "test": parts["test"]}
    tests = read_backtest(files["backtest.parquet"])
    folds = [tests.where(tests.part == number) for number in np.unique(tests.part)]
    return Reduced(
        pair=pair,
        model=model,
        sets={name: day_sums(part, windows, bounds, whole[name]) for name, part in parts.items()},
        folds=tuple(day_sums(fold, _matching(fold, windows), bounds) for fold in folds),
        cloud=_cloud(parts["test"], windows),
        importance=_importance(files["importance.parquet"], windows),
        card=_plain(files["card.json"], "card.json"),
        metrics=_plain(files["metrics.json"], "metrics.json"),
    )


def _windows(rows: Predictions) -> tuple[tuple[int, int], ...]:
    """Window and horizon of each target, by horizon."""
    found = [divmod(int(both), _WIDE) for both in np.unique(rows.h * _WIDE + rows.w)]
    horizons = [h for h, _ in found]
    if len(set(horizons)) < len(horizons) or min(horizons, default=1) < 1:
        raise QualityError("predictions have more than one window for a horizon; a model has one for each")
    return tuple((w, h) for h, w in found)


def _matching(
    rows: Predictions, windows: tuple[tuple[int, int], ...], where: str = "backtest.parquet: a fold"
) -> tuple[tuple[int, int], ...]:
    if _windows(rows) != windows or not windows:
        raise QualityError(
            f"{where} does not have rows for each horizon of {', '.join(f'{h}' for _, h in windows)} minutes "
            "with its window; scores need all of them, so run the job again"
        )
    return windows


def _by_horizon(rows: Predictions, windows: tuple[tuple[int, int], ...]) -> list[Predictions]:
    return [rows.where(rows.h == h) for _, h in windows]


def day_sums(
    rows: Predictions,
    windows: tuple[tuple[int, int], ...],
    bounds: list[Limits],
    split: Predictions | None = None,
) -> Sums:
    """Sums of one set, or of the test of a fold.

    Args:
        rows: that are judged.
        windows: window and horizon of each target, minutes.
        bounds: limits of the groups, by target.
        split: all rows of the split that they belong to; None if they are all of it.
    """
    days, place = np.unique(trading_days(rows.ts), return_inverse=True)
    cells = math.prod(STATES)
    values = np.zeros((len(windows), days.size, len(GROUPS), len(FIELDS)))
    for number, (_, h) in enumerate(windows):
        here = rows.h == h
        part = rows.where(here)
        cell = place[here] * cells + states(part.ts, part.q, part.s, bounds[number])
        for field, measure in enumerate(_measures(part)):
            sums = np.asarray(np.bincount(cell, measure, days.size * cells), np.float64)
            values[number, :, :, field] = by_group(sums.reshape(days.size, cells))
    split_days = days.size if split is None else np.unique(trading_days(split.ts)).size
    return Sums(windows, days, values, int(rows.ts.min()), int(rows.ts.max()), split_days)


def _measures(rows: Predictions) -> list[Floats]:
    """One array per field of `FIELDS`."""
    q, s, actual = rows.q, rows.s, rows.actual
    delta = actual - q
    model, no_skill, persistence = rows.prediction - actual, rows.no_skill - actual, q - actual
    from_mean, delta_from_mean = actual - actual.mean(), delta - delta.mean()
    moved, signed = np.abs(delta) > EPS["bqx"], np.abs(actual) > EPS["bqx"]
    bounded = np.isfinite(rows.low)
    covered = (rows.low <= actual) & (actual <= rows.high)
    found = {
        "rows": np.ones(q.size),
        "sse_model": model**2, "sse_no_skill": no_skill**2, "sse_persistence": persistence**2,
        "sse_scaled_model": (model / s) ** 2, "sse_scaled_no_skill": (no_skill / s) ** 2,
        "from_mean": from_mean, "sst": from_mean**2,
        "delta_from_mean": delta_from_mean, "sst_delta": delta_from_mean**2,
        "abs_model": np.abs(model), "abs_no_skill": np.abs(no_skill), "abs_persistence": np.abs(persistence),
        "abs_scaled_model": np.abs(model) / s, "abs_scaled_no_skill": np.abs(no_skill) / s,
        "abs_scaled_persistence": np.abs(persistence) / s,
        "signs": moved.astype(np.float64),
        "hits_model": _hits(rows.prediction - q, delta, moved),
        "hits_no_skill": _hits(rows.no_skill - q, delta, moved),
        "signs_raw": signed.astype(np.float64),
        "hits_raw_model": _hits(rows.prediction, actual, signed),
        "hits_raw_no_skill": _hits(rows.no_skill, actual, signed),
        "hits_raw_persistence": _hits(q, actual, signed),
        "bounded": bounded.astype(np.float64), "covered": covered.astype(np.float64),
        "width_scaled": np.where(bounded, (rows.high - rows.low) / s, 0.0),
    }  # fmt: skip
    return [found[name] for name in FIELDS]


def _hits(forecast: Floats, actual: Floats, counted: Flags) -> Floats:
    """1 where the sign is right, one half where the forecast has none, 0 where it is wrong or not counted."""
    sign = np.where(np.abs(forecast) <= EPS["bqx"], 0.0, np.sign(forecast))
    hits: Floats = np.where(counted, 0.5 + 0.5 * sign * np.sign(actual), 0.0)
    return hits


def _cloud(rows: Predictions, windows: tuple[tuple[int, int], ...]) -> Cloud:
    counts = np.zeros((len(windows), BINS, BINS), np.int64)
    edges = np.zeros((len(windows), BINS + 1))
    foreseen, came = np.full((2, len(windows), TENTHS), np.nan)
    for number, ((w, h), part) in enumerate(zip(windows, _by_horizon(rows, windows), strict=True)):
        reach = REACH * theory.scaled_sd(w, h)
        edges[number] = np.linspace(-reach, reach, BINS + 1)
        predicted, actual = (part.prediction - part.q) / part.s, (part.actual - part.q) / part.s
        counts[number] = np.histogram2d(predicted, actual, edges[number])[0].astype(np.int64)
        added, rest = (part.prediction - part.no_skill) / part.s, (part.actual - part.no_skill) / part.s
        for tenth, chosen in enumerate(np.array_split(np.argsort(added, kind="stable"), TENTHS)):
            if chosen.size:
                foreseen[number, tenth], came[number, tenth] = added[chosen].mean(), rest[chosen].mean()
    return Cloud(counts, edges, foreseen, came)


def _importance(content: Content, windows: tuple[tuple[int, int], ...]) -> Importance:
    table = read_importance(content).to_pandas()
    own = table[table["fold"] == -1]
    columns = tuple(sorted(own["column"].astype(str).unique()))
    shares = {}
    for kind in ("gain", "shap"):
        wide = own.pivot_table(index="h", columns="column", values=kind, aggfunc="sum", observed=True)
        wide = wide.reindex(index=[h for _, h in windows], columns=list(columns)).fillna(0.0)
        shares[kind] = wide.to_numpy(np.float64)
    of_fold = table[table["fold"] >= 0].groupby(["fold", "column"], observed=True)["gain"].sum()
    tops = [
        set(sorted(gains.droplevel("fold").items(), key=lambda item: (-item[1], item[0]))[:TOP])
        for _, gains in of_fold.groupby(level="fold")
    ]
    names = [{name for name, _ in top} for top in tops]
    stability = _overlap(names) if len(columns) > TOP else float("nan")  # else all are among the top
    return Importance(columns, shares["gain"], shares["shap"], stability, len(names))


def _overlap(tops: list[set[str]]) -> float:
    """Mean over all couples of the share of names that both have."""
    shares = [len(a & b) / max(len(a), len(b)) for a, b in combinations(tops, 2)]
    return float(np.mean(shares)) if shares else float("nan")


def _plain(content: Content, name: str) -> dict[str, Any]:
    text = content.read_bytes() if isinstance(content, Path) else content
    try:
        found = json.loads(text)
    except ValueError as error:
        raise QualityError(f"{name} is no JSON: {error}; run the job again") from error
    if not isinstance(found, dict):
        raise QualityError(f"{name} holds a {type(found).__name__} instead of an object; run the job again")
    return found
