"""Looks at a set on common days: the scores of all rows, and of each group, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from include.features.arrays import Floats, Minutes
from include.training.truth import bootstrap, theory
from include.training.truth.bootstrap import LEAST_DAYS
from include.training.truth.groups import ALL, GROUPS
from include.training.truth.reduced import FIELDS, Sums

__all__ = ["Beside", "Estimate", "Group", "Looks", "estimate", "group_scores"]


class Estimate(NamedTuple):
    """A value with its 95 % interval, None where the split has too few trading days for one."""

    value: float
    low: float | None
    high: float | None


class Beside(NamedTuple):
    """A score of the model beside the same score of forecasts that need no model.

    Attributes:
        model: of the model.
        no_skill: of the no-skill forecast, on the same rows.
        persistence: of "BQX stays as it is".
        table: what no skill attains under constant volatility, in closed form; None where there is none.
    """

    model: float
    no_skill: float
    persistence: float
    table: float | None = None


class Group(NamedTuple):
    """Scores of some rows of a set: all, a session, a tercile of volatility, a state of the trend."""

    by: str
    name: str
    rows: int
    days: int
    r2: Beside
    r2_delta: Beside
    skill: Estimate
    skill_scaled: float
    da: Beside
    da_excess: Estimate
    da_raw: Beside
    mae: Beside
    mae_scaled: Beside
    coverage: Estimate
    width_scaled: float


class Looks:
    """Day sums of all looks of a set on common days, and the common resamples."""

    def __init__(self, sums: Sequence[Sums]) -> None:
        self.days: Minutes = np.unique(np.concatenate([each.days for each in sums]))
        looks = sum(len(each.windows) for each in sums)
        self.split_days = np.repeat([each.split_days for each in sums], [len(each.windows) for each in sums])
        self.values = np.zeros((looks, self.days.size, len(GROUPS), len(FIELDS)))
        done = 0
        for each in sums:
            places = np.searchsorted(self.days, each.days)
            self.values[done : done + len(each.windows), places] = each.values
            done += len(each.windows)
        self.counts = bootstrap.draws(self.days.size)

    def of(self, field: str, group: int) -> Floats:
        """(looks, days)."""
        out: Floats = self.values[:, :, group, FIELDS.index(field)]
        return out

    def ratio(self, group: int, part: str, whole: str, less: str | None = None) -> bootstrap.Ratio:
        """Ratio of the sums of a field, less another field, and `whole`."""
        above = self.of(part, group) - (0.0 if less is None else self.of(less, group))
        return bootstrap.ratio(above, self.of(whole, group), self.counts)


def group_scores(looks: Looks, group: int, windows: Sequence[tuple[int, int]]) -> list[Group]:
    """The scores of one group, by look.

    All rows of a set have intervals if their split has enough trading days, a group if it has so many itself.
    """
    totals = {field: looks.of(field, group).sum(axis=1) for field in FIELDS}
    days = (looks.of("rows", group) > 0).sum(axis=1)
    counted = looks.split_days if GROUPS[group][0] == ALL else days
    estimates = {}
    for name, fields in {
        "skill": ("sse_no_skill", "sse_no_skill", "sse_model"),
        "da_excess": ("hits_model", "signs", "hits_no_skill"),
        "coverage": ("covered", "bounded", None),
    }.items():
        part, whole, less = fields
        found = looks.ratio(group, part, whole, less)
        low, high = found.ends()
        estimates[name] = [
            estimate(*each, int(day))
            for each, day in zip(zip(found.value, low, high, strict=True), counted, strict=True)
        ]  # fmt: skip
    by, name = GROUPS[group]
    return [
        _group(
            by,
            name,
            {field: float(values[look]) for field, values in totals.items()},
            {key: values[look] for key, values in estimates.items()},
            int(days[look]),
            window,
        )
        for look, window in enumerate(windows)
    ]


def _group(
    by: str,
    name: str,
    total: Mapping[str, float],
    estimates: Mapping[str, Estimate],
    days: int,
    window: tuple[int, int],
) -> Group:
    rows = total["rows"]
    table = window if by == ALL else None  # in a group volatility, or the past, is not that of the table
    r2 = _r2(total, "from_mean", "sst")
    r2_delta = _r2(total, "delta_from_mean", "sst_delta")
    mae = {kind: _per(total[f"abs_{kind}"], rows) for kind in ("model", "no_skill", "persistence")}
    scaled = {kind: _per(total[f"abs_scaled_{kind}"], rows) for kind in ("model", "no_skill", "persistence")}
    raw = {kind: _per(total[f"hits_raw_{kind}"], total["signs_raw"]) for kind in mae}
    return Group(
        by=by,
        name=name,
        rows=int(rows),
        days=days,
        r2=Beside(**r2, table=table and theory.r2_raw(*table)),
        r2_delta=Beside(**r2_delta, table=table and theory.r2_delta(*table)),
        skill=estimates["skill"],
        skill_scaled=1.0 - _per(total["sse_scaled_model"], total["sse_scaled_no_skill"]),
        da=Beside(
            _per(total["hits_model"], total["signs"]),
            _per(total["hits_no_skill"], total["signs"]),
            0.5,
            table and theory.directional_accuracy(theory.r2_delta(*table)),
        ),
        da_excess=estimates["da_excess"],
        da_raw=Beside(**raw, table=table and theory.directional_accuracy(theory.r2_raw(*table))),
        mae=Beside(**mae),
        mae_scaled=Beside(**scaled),
        coverage=estimates["coverage"],
        width_scaled=_per(total["width_scaled"], total["bounded"]),
    )


def _r2(total: Mapping[str, float], mean: str, squares: str) -> dict[str, float]:
    """R2 about the mean of these rows, of the model and beside it."""
    whole = total[squares] - _per(total[mean], total["rows"]) * total[mean]
    return {kind: 1.0 - _per(total[f"sse_{kind}"], whole) for kind in ("model", "no_skill", "persistence")}


def estimate(value: float, low: float, high: float, days: int) -> Estimate:
    """A value with its interval, if it rests on enough trading days."""
    if days < LEAST_DAYS:
        return Estimate(float(value), None, None)
    return Estimate(float(value), float(low), float(high))


def _per(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
