"""The scores of all models on one set, each beside the no-skill forecast, with intervals and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats
from include.training.truth import bootstrap, theory
from include.training.truth.bootstrap import LEAST_DAYS, ByChance
from include.training.truth.groups import GROUPS
from include.training.truth.looks import Beside, Estimate, Group, Looks, estimate, group_scores
from include.training.truth.reduced import Reduced
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

__all__ = ["Block", "Fold", "PairScore", "SetScores", "score", "score_folds"]


class Block(NamedTuple):
    """The report of one pair, model, horizon and set (leakage.md 8).

    Attributes:
        pair: for example ``eurusd``.
        model: ``random_forest`` or ``xgboost``.
        set: ``val`` or ``test``.
        w: window of BQX, minutes.
        h: horizon, minutes.
        effective_rows: rows divided by how many neighbours carry the information of one.
        split_days: trading days of the split that the rows belong to, by which few are too few: of val
            only the earlier half is judged.
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
    split_days: int
    whole: Group
    groups: tuple[Group, ...]
    p: float
    p_by: float
    p_bh: float
    verdict: str
    suspicion: str
    gates: dict[str, str]


class PairScore(NamedTuple):
    """Unweighted means over the horizons of a pair and model; horizons are never pooled.

    `days` are those that are judged, `split_days` those of the split that they belong to.
    """

    pair: str
    model: str
    set: str
    days: int
    split_days: int
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


def score(jobs: Sequence[Reduced], name: str) -> SetScores:
    """Score all jobs on one set.

    Args:
        jobs: sorted by pair and model.
        name: ``val`` or ``test``.
    """
    sums = [job.sets[name] for job in jobs]
    looks = Looks(sums)
    keys = [(job, w, h) for job, each in zip(jobs, sums, strict=True) for w, h in each.windows]
    skill = looks.ratio(0, "sse_no_skill", "sse_no_skill", "sse_model")
    groups = [group_scores(looks, group, [(w, h) for _, w, h in keys]) for group in range(len(GROUPS))]
    enough = looks.split_days >= LEAST_DAYS
    p = skill.p
    p_by, p_bh, all_by = _adjusted(p, enough, "by"), _adjusted(p, enough, "bh"), bootstrap.adjusted(p, "by")
    da_by = bootstrap.adjusted(looks.ratio(0, "hits_model", "signs", "hits_no_skill").p, "by")
    blocks = []
    for look, (job, w, h) in enumerate(keys):
        whole = groups[0][look]
        split_days = int(looks.split_days[look])
        reason = _suspicion(whole, all_by[look], da_by[look]) if name == "test" else ""
        blocks.append(
            Block(
                pair=job.pair,
                model=job.model,
                set=name,
                w=w,
                h=h,
                effective_rows=whole.rows / theory.inflation(w, h),
                split_days=split_days,
                whole=whole,
                groups=tuple(group[look] for group in groups[1:]),
                p=float(p[look]),
                p_by=float(p_by[look]),
                p_bh=float(p_bh[look]),
                verdict=verdict(bool(reason), split_days, _number(whole.skill.low), float(p_by[look])),
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
        looks = Looks([sums])
        groups = [group_scores(looks, group, sums.windows) for group in range(len(GROUPS))]
        out += [
            Fold(job.pair, job.model, number, w, h, sums.first, sums.last, groups[0][look],
                 tuple(group[look] for group in groups[1:]))
            for look, (w, h) in enumerate(sums.windows)
        ]  # fmt: skip
    return tuple(out)


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
        split_days = min(block.split_days for block in own)
        value = float(np.mean([block.whole.skill.value for block in own]))
        verdicts = [block.verdict for block in own]
        out.append(
            PairScore(
                pair=pair,
                model=model,
                set=own[0].set,
                days=min(block.whole.days for block in own),
                split_days=split_days,
                r2=_mean([block.whole.r2 for block in own]),
                skill=estimate(value, float(low[0]), float(high[0]), split_days),
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


def _number(value: float | None) -> float:
    return float("-inf") if value is None else value
