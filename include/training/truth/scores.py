"""The scores of all models on one set, each beside the no-skill forecast, with intervals and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats, Minutes
from include.training.truth import bootstrap, theory
from include.training.truth.bootstrap import LEAST_DAYS, ByChance
from include.training.truth.groups import ALL, GROUPS
from include.training.truth.reduced import FIELDS, Reduced, Sums
from include.training.truth.verdicts import (
    G0_DA,
    G0_R2,
    SEED_DA,
    SEED_R2,
    Evidence,
    seed_gate,
    suspicion,
    verdict,
)

__all__ = ["Beside", "Block", "Estimate", "Fold", "Group", "PairScore", "SetScores", "score", "score_folds"]


class Estimate(NamedTuple):
    """A value with its 95 % interval, None where there are too few trading days for one."""

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


class Block(NamedTuple):
    """The report of one pair, model, horizon and set (leakage.md 8).

    Attributes:
        pair: for example ``eurusd``.
        model: ``random_forest`` or ``xgboost``.
        set: ``val`` or ``test``.
        w: window of BQX, minutes.
        h: horizon, minutes.
        effective_rows: rows divided by how many neighbours carry the information of one.
        whole: scores of all rows.
        groups: scores of sessions, terciles of volatility and states of the trend.
        p: one-sided p-value of "no skill".
        p_by: the same, adjusted for all looks by Benjamini-Yekutieli; it decides the verdict.
        p_bh: by Benjamini-Hochberg, for comparison.
        verdict: skill, no skill, suspicious, or too few days.
        suspicion: why gate G0 fired; empty if it did not, and for every set but test.
        gates: the seed's two conditions, on test.
    """

    pair: str
    model: str
    set: str
    w: int
    h: int
    effective_rows: float
    whole: Group
    groups: tuple[Group, ...]
    p: float
    p_by: float
    p_bh: float
    verdict: str
    suspicion: str
    gates: dict[str, str]


class PairScore(NamedTuple):
    """Unweighted means over the horizons of a pair and model; horizons are never pooled."""

    pair: str
    model: str
    set: str
    days: int
    r2: Beside
    skill: Estimate
    da: Beside
    mae_scaled: Beside
    coverage: float
    verdicts: dict[str, int]


class Fold(NamedTuple):
    """Scores on the test of one fold of the backtest, for one horizon.

    Attributes:
        pair: for example ``eurusd``.
        model: ``random_forest`` or ``xgboost``.
        number: of the fold, from 0.
        w: window of BQX, minutes.
        h: horizon, minutes.
        first: first minute of the test that has a row.
        last: its last.
        whole: scores of all rows.
        groups: scores of sessions, terciles of volatility and states of the trend.
    """

    pair: str
    model: str
    number: int
    w: int
    h: int
    first: int
    last: int
    whole: Group
    groups: tuple[Group, ...]


class SetScores(NamedTuple):
    """All of one set."""

    name: str
    days: int
    blocks: tuple[Block, ...]
    pairs: tuple[PairScore, ...]
    chance: ByChance


class _Looks:
    """Day sums of all looks of a set on common days, and the common resamples."""

    def __init__(self, sums: Sequence[Sums]) -> None:
        self.days: Minutes = np.unique(np.concatenate([each.days for each in sums]))
        looks = sum(len(each.windows) for each in sums)
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


def score(jobs: Sequence[Reduced], name: str) -> SetScores:
    """Score all jobs on one set.

    Args:
        jobs: sorted by pair and model.
        name: ``val`` or ``test``.
    """
    sums = [job.sets[name] for job in jobs]
    looks = _Looks(sums)
    keys = [(job, w, h) for job, each in zip(jobs, sums, strict=True) for w, h in each.windows]
    skill = looks.ratio(0, "sse_no_skill", "sse_no_skill", "sse_model")
    groups = [_groups(looks, group, [(w, h) for _, w, h in keys]) for group in range(len(GROUPS))]
    enough = np.array([found.days >= LEAST_DAYS for found in groups[0]], np.bool_)
    p = skill.p
    p_by, p_bh, all_by = _adjusted(p, enough, "by"), _adjusted(p, enough, "bh"), bootstrap.adjusted(p, "by")
    da_by = bootstrap.adjusted(looks.ratio(0, "hits_model", "signs", "hits_no_skill").p, "by")
    blocks = []
    for look, (job, w, h) in enumerate(keys):
        whole = groups[0][look]
        reason = _suspicion(whole, all_by[look], da_by[look]) if name == "test" else ""
        blocks.append(
            Block(
                pair=job.pair,
                model=job.model,
                set=name,
                w=w,
                h=h,
                effective_rows=whole.rows / theory.inflation(w, h),
                whole=whole,
                groups=tuple(group[look] for group in groups[1:]),
                p=float(p[look]),
                p_by=float(p_by[look]),
                p_bh=float(p_bh[look]),
                verdict=verdict(bool(reason), whole.days, _number(whole.skill.low), float(p_by[look])),
                suspicion=reason,
                gates=_seed_gates(whole) if name == "test" else {},
            )
        )
    return SetScores(
        name=name,
        days=looks.days.size,
        blocks=tuple(blocks),
        pairs=tuple(_pairs(blocks, skill.stars)),
        chance=bootstrap.by_chance(skill.only(enough)),
    )


def score_folds(job: Reduced) -> tuple[Fold, ...]:
    """Skill of one job on the tests of its backtest; folds overlap, so each stands for itself."""
    out = []
    for number, sums in enumerate(job.folds):
        looks = _Looks([sums])
        groups = [_groups(looks, group, sums.windows) for group in range(len(GROUPS))]
        out += [
            Fold(job.pair, job.model, number, w, h, sums.first, sums.last, groups[0][look],
                 tuple(group[look] for group in groups[1:]))
            for look, (w, h) in enumerate(sums.windows)
        ]  # fmt: skip
    return tuple(out)


def _groups(looks: _Looks, group: int, windows: Sequence[tuple[int, int]]) -> list[Group]:
    """The scores of one group, by look."""
    totals = {field: looks.of(field, group).sum(axis=1) for field in FIELDS}
    days = (looks.of("rows", group) > 0).sum(axis=1)
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
            _estimate(*each, int(day)) for each, day in zip(zip(found.value, low, high, strict=True), days,
                                                            strict=True)
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


def _suspicion(whole: Group, skill_by: float, da_by: float) -> str:
    low = _number(whole.skill.low)  # the excess of R2 has the sign of skill
    da_low = _number(whole.da_excess.low)
    return suspicion(
        (
            Evidence("R2", whole.r2.model - whole.r2.no_skill, G0_R2, low, skill_by),
            Evidence("Directional accuracy", whole.da_excess.value, G0_DA, da_low, da_by),
        ),
        whole.days,
    )


def _seed_gates(whole: Group) -> dict[str, str]:
    return {
        "r2_above_0.85": seed_gate(whole.r2.model, whole.r2.no_skill, SEED_R2, whole.days),
        "da_above_0.60": seed_gate(whole.da.model, whole.da.no_skill, SEED_DA, whole.days),
    }


def _pairs(blocks: Sequence[Block], stars: Floats) -> list[PairScore]:
    found: dict[tuple[str, str], list[int]] = {}
    for look, block in enumerate(blocks):
        found.setdefault((block.pair, block.model), []).append(look)
    out = []
    for (pair, model), looks in found.items():
        own = [blocks[look] for look in looks]
        low, high = bootstrap.ends(stars[:, looks].mean(axis=1, keepdims=True))
        days = min(block.whole.days for block in own)
        value = float(np.mean([block.whole.skill.value for block in own]))
        verdicts = [block.verdict for block in own]
        out.append(
            PairScore(
                pair=pair,
                model=model,
                set=own[0].set,
                days=days,
                r2=_mean([block.whole.r2 for block in own]),
                skill=_estimate(value, float(low[0]), float(high[0]), days),
                da=_mean([block.whole.da for block in own]),
                mae_scaled=_mean([block.whole.mae_scaled for block in own]),
                coverage=float(np.mean([block.whole.coverage.value for block in own])),
                verdicts={name: verdicts.count(name) for name in dict.fromkeys(verdicts)},
            )
        )
    return out


def _mean(scores: Sequence[Beside]) -> Beside:
    tables = [each.table for each in scores if each.table is not None]
    return Beside(
        float(np.mean([each.model for each in scores])),
        float(np.mean([each.no_skill for each in scores])),
        float(np.mean([each.persistence for each in scores])),
        float(np.mean(tables)) if tables else None,
    )


def _adjusted(p: Floats, enough: Flags, method: str) -> Floats:
    """Adjusted p-values of the looks with enough days; 1 for the others, which are no hypotheses."""
    out = np.ones(p.size)
    out[enough] = bootstrap.adjusted(p[enough], method)
    return out


def _estimate(value: float, low: float, high: float, days: int) -> Estimate:
    if days < LEAST_DAYS:
        return Estimate(float(value), None, None)
    return Estimate(float(value), float(low), float(high))


def _number(value: float | None) -> float:
    return float("-inf") if value is None else value


def _per(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
