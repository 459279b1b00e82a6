"""Two models on the same rows of a hold-out: features and forecasts as in serving, scores as in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats
from include.monitoring import actuals
from include.monitoring.forecasts import Forecasts
from include.monitoring.sessions import Window
from include.serving import batch, online
from include.serving.container import inference, wire
from include.serving.container.inference import Loaded
from include.storage.connection import Connection
from include.training.truth import bootstrap
from include.training.truth.bootstrap import LEAST_DAYS
from include.training.truth.groups import Limits
from include.training.truth.looks import Group, Looks, group_scores
from include.training.truth.reduce import day_sums

__all__ = ["TOP", "Scores", "Two", "important", "missing", "of_two"]

TOP = 10  # columns of a model that count as important, by gain
_WHOLE = Limits((0.0, float("inf")), 0.0)  # groups of volatility and trend are not asked for


class Scores(NamedTuple):
    """Of one model: means over the horizons, and skill and R2 of each.

    Attributes:
        skill, r2: means.
        horizons: skill and R2 by horizon.
    """

    skill: float
    r2: float
    horizons: Mapping[int, tuple[float, float]]


class Two(NamedTuple):
    """Champion and challenger on the same rows.

    Attributes:
        champion, challenger: scores.
        r2_no_skill: of the no-skill forecast.
        days: trading days with rows.
        rows: forecasts of one horizon, at most.
        low, high: ends of the 95 % interval of the change of skill; None with fewer than 20 days.
    """

    champion: Scores
    challenger: Scores
    r2_no_skill: float
    days: int
    rows: int
    low: float | None
    high: float | None


def of_two(
    connection: Connection, pair: str, models: tuple[Loaded, Loaded], window: Window, as_of: int
) -> tuple[Two | None, dict[str, float]]:
    """Score champion and challenger on every row of a hold-out that both can forecast.

    Args:
        connection: a session outside of a transaction.
        pair: for example ``eurusd``.
        models: champion and challenger, of the same windows.
        window: the hold-out.
        as_of: epoch minute just after the data.

    Returns:
        The scores, None if there is no such row; and the share of NULL of each column.
    """
    columns = tuple(dict.fromkeys(name for model in models for name in model.columns))
    rows = online.many(connection, [pair], window.first, window.end, columns, models[0].windows)[pair]
    share = np.isnan(rows.features).mean(axis=0) if len(rows.ts) else np.ones(len(columns))
    null = dict(zip(columns, share.tolist(), strict=True))
    known = batch.known(rows)
    if not known.any():
        return None, null
    told = [_forecasts(model, rows, known, columns) for model in models]
    came = actuals.what_came(connection, pair, told[0], as_of)
    joined = [actuals.join(each, came, as_of).scored for each in told]
    if not len(joined[0].ts):
        return None, null
    windows = tuple((w, h) for h, w in sorted(models[0].windows.items()))
    looks = Looks([day_sums(each, windows, [_WHOLE] * len(windows)) for each in joined])
    return _two(looks, windows), null


def important(model: Loaded, number: int = TOP) -> tuple[str, ...]:
    """The columns that a model has gained most by, over all its horizons."""
    gains: Counter[str] = Counter()
    for weight, bundle in model.members:
        for booster in bundle.model.by_minutes.values():  # type: ignore[attr-defined]
            found: dict[str, Any] = booster.get_score(importance_type="total_gain")
            whole = sum(found.values()) or 1.0
            for name, gain in found.items():
                gains[_column(model, name)] += weight * gain / whole
    return tuple(name for name, _ in sorted(gains.items(), key=lambda item: (-item[1], item[0]))[:number])


def missing(
    columns: Sequence[str], null: Mapping[str, float], usual: Mapping[str, float], limit: float
) -> list[str]:
    """Columns whose share of NULL exceeds that of training by more than a limit.

    Args:
        columns: that matter.
        null: share by column, in the newest data.
        usual: share by column, in training.
        limit: of the excess.
    """
    return sorted({name for name in columns if null[name] - usual.get(name, 0.0) > limit})


def _column(model: Loaded, name: str) -> str:
    """A booster without names of its own calls the columns f0, f1, ..."""
    return name if name in model.columns else model.columns[int(name.removeprefix("f"))]


def _forecasts(model: Loaded, rows: online.Rows, known: Flags, columns: Sequence[str]) -> Forecasts:
    place = [columns.index(name) for name in model.columns]
    asked = wire.Rows(
        rows.ts[known],
        rows.features[known][:, place],
        {window: values[known] for window, values in rows.q.items()},
        {window: values[known] for window, values in rows.s.items()},
    )
    parts = []
    for horizon in inference.forecast(model, asked):
        size = asked.ts.size
        parts.append(
            Forecasts(
                asked.ts,
                np.full(size, model.version),
                np.full(size, horizon.minutes),
                np.full(size, horizon.window),
                horizon.raw.value,
                horizon.raw.low,
                horizon.raw.high,
            )
        )
    return Forecasts._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _two(looks: Looks, windows: tuple[tuple[int, int], ...]) -> Two:
    number = len(windows)
    groups = group_scores(looks, 0, windows * 2)
    parts = groups[:number], groups[number:]
    stars = looks.ratio(0, "sse_no_skill", "sse_no_skill", "sse_model").stars
    change = stars[:, number:].mean(axis=1, keepdims=True) - stars[:, :number].mean(axis=1, keepdims=True)
    days = min(group.days for group in groups)
    low, high = _interval(change, days)
    return Two(
        _scores(parts[0], windows),
        _scores(parts[1], windows),
        float(np.mean([group.r2.no_skill for group in parts[0]])),
        days,
        max(group.rows for group in groups),
        low,
        high,
    )


def _scores(groups: Sequence[Group], windows: tuple[tuple[int, int], ...]) -> Scores:
    of = {h: (group.skill.value, group.r2.model) for group, (_, h) in zip(groups, windows, strict=True)}
    skill, r2 = (float(np.mean(values)) for values in zip(*of.values(), strict=True))
    return Scores(skill, r2, of)


def _interval(change: Floats, days: int) -> tuple[float | None, float | None]:
    if days < LEAST_DAYS:
        return None, None
    low, high = bootstrap.ends(change)
    return float(low[0]), float(high[0])
