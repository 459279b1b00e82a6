"""The tables of the leaderboard: standings, model cards, groups, and one line per block as data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from include.names import to_datetime
from include.training.truth.groups import GROUPS
from include.training.truth.looks import Estimate, Group
from include.training.truth.reduced import Reduced, Sums, name_of
from include.training.truth.scores import Block, Fold, PairScore
from include.training.truth.verdicts import FEW_DAYS, NO_SKILL, SKILL, SUSPICIOUS

__all__ = [
    "backtest_groups", "beside", "card", "estimate", "line", "number", "percent", "ranked", "standing",
]  # fmt: skip

NONE = "\N{EN DASH}"  # for a number that is not defined
MINUS = "\N{MINUS SIGN}"
CLASSES = {SKILL: "good", NO_SKILL: "", SUSPICIOUS: "alarm", FEW_DAYS: "zero"}
BEST = 10  # columns that a model card names
NO_FOLDS = "not known, there is only one fit, or not more than 50 columns"


def line(block: Block) -> dict[str, Any]:
    """A block as one line of the table for other programs; fractions, not percent."""
    whole = block.whole
    beside = {
        f"{name}_{kind}": getattr(getattr(whole, name), kind)
        for name in ("r2", "r2_delta", "da", "da_raw", "mae", "mae_scaled")
        for kind in ("model", "no_skill", "persistence", "table")
    }
    return {
        "pair": block.pair, "model": block.model, "set": block.set, "w": block.w, "h": block.h,
        "rows": whole.rows, "effective_rows": round(block.effective_rows, 1), "days": whole.days,
        "skill": whole.skill.value, "skill_low": whole.skill.low, "skill_high": whole.skill.high,
        "skill_scaled": whole.skill_scaled, "p": block.p, "p_by": block.p_by, "p_bh": block.p_bh,
        "verdict": block.verdict, "coverage": whole.coverage.value, **beside, **block.gates,
    }  # fmt: skip


def ranked(pairs: Sequence[PairScore]) -> list[PairScore]:
    """Best mean skill first. Val chooses; this is the order of a report."""
    return sorted(pairs, key=lambda each: (-each.skill.value, each.pair, each.model))


def standing(test: PairScore, val: PairScore) -> dict[str, Any]:
    """One line of the leaderboard."""
    return {
        "pair": test.pair.upper(),
        "model": name_of(test.model),
        "days": test.days,
        "r2": f"{beside(test.r2.model, test.r2.no_skill, 3)} / {number(test.r2.persistence, 3)}",
        "skill": estimate(test.skill),
        "skill_val": number(val.skill.value, 4),
        "da": f"{percent(test.da.model)} / {percent(test.da.no_skill)}",
        "mae": beside(test.mae_scaled.model, test.mae_scaled.no_skill, 3),
        "coverage": percent(test.coverage),
        "verdicts": [(f"{count} {name}", CLASSES[name]) for name, count in test.verdicts.items()],
    }


def card(job: Reduced, own: Sequence[Block]) -> dict[str, Any]:
    """The model card of one job."""
    shap = job.importance.shap.mean(axis=0)
    best = np.argsort(-shap, kind="stable")[:BEST].tolist()
    stability = job.importance.stability
    return {
        "id": f"{job.pair}-{job.model}",
        "name": f"{job.pair.upper()}, {name_of(job.model)}",
        "verdicts": [(f"{count} {name}", CLASSES[name]) for name, count in
                     Counter(block.verdict for block in own).items()],
        "rows": [_row(block) for block in own],
        "groups": _group_rows([block.groups for block in own]),
        "facts": [(str(name).replace("_", " "), _shown(value)) for name, value in job.card.items()],
        "metrics": [(str(name).replace("_", " "), _shown(value)) for name, value in job.metrics.items()
                    if name not in job.card],
        "spans": [(name, _span(sums), sums.days.size) for name, sums in job.sets.items()],
        "best": ", ".join(f"{job.importance.columns[place]} ({shap[place]:.1%})" for place in best),
        "stability": NO_FOLDS if math.isnan(stability) else f"{stability:.0%}",
    }  # fmt: skip


def _row(block: Block) -> dict[str, Any]:
    whole = block.whole
    return {
        "h": block.h,
        "w": block.w,
        "rows": f"{whole.rows:,}",
        "effective": f"{block.effective_rows:,.0f}",
        "days": whole.days,
        "r2": beside(whole.r2.model, whole.r2.no_skill, 3),
        "r2_table": number(whole.r2.table, 3),
        "persistence": number(whole.r2.persistence, 3),
        "skill": estimate(whole.skill),
        "p": f"{block.p:.2g}",
        "p_by": NONE if block.verdict == FEW_DAYS else f"{block.p_by:.2g}",
        "p_bh": NONE if block.verdict == FEW_DAYS else f"{block.p_bh:.2g}",
        "da": f"{percent(whole.da.model)} / {percent(whole.da.no_skill)}",
        "mae": beside(whole.mae_scaled.model, whole.mae_scaled.no_skill, 3),
        "mae_raw": beside(whole.mae.model, whole.mae.no_skill, 5),
        "coverage": percent(whole.coverage.value),
        "verdict": block.verdict,
        "style": CLASSES[block.verdict],
        "gates": "; ".join(block.gates.values()),
    }


def _group_rows(blocks: Sequence[Sequence[Group]]) -> list[dict[str, Any]]:
    """One line per group: unweighted means over horizons (and folds), each beside no skill."""
    lines = []
    for place, (by, name) in enumerate(GROUPS[1:]):
        own = [groups[place] for groups in blocks if groups[place].rows]
        if own:
            lines.append({
                "by": by,
                "name": name.replace("_", " "),
                "rows": f"{sum(group.rows for group in own):,}",
                "skill": number(float(np.mean([group.skill.value for group in own])), 4),
                "r2": beside(_mean(own, "r2", "model"), _mean(own, "r2", "no_skill"), 3),
                "da": f"{percent(_mean(own, 'da', 'model'))} / {percent(_mean(own, 'da', 'no_skill'))}",
                "coverage": percent(float(np.mean([group.coverage.value for group in own]))),
            })  # fmt: skip
    return lines


def backtest_groups(folds: Sequence[Fold]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The groups of the backtest, by model."""
    models = sorted({fold.model for fold in folds})
    return [
        (name_of(model), _group_rows([fold.groups for fold in folds if fold.model == model]))
        for model in models
    ]


def _mean(groups: Sequence[Group], score: str, kind: str) -> float:
    return float(np.mean([getattr(getattr(group, score), kind) for group in groups]))


def estimate(found: Estimate) -> str:
    """A value with its interval for a person."""
    value = number(found.value, 4)
    if found.low is None or found.high is None:
        return value
    return f"{value} ({number(found.low, 4)} to {number(found.high, 4)})"


def beside(model: float, no_skill: float, digits: int) -> str:
    """A score of a model and that of no skill for a person."""
    return f"{number(model, digits)} / {number(no_skill, digits)}"


def number(value: float | None, digits: int) -> str:
    """A number for a person."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{abs(value):.{digits}f}"
    return (MINUS if value < 0 and float(text) else "") + text


def percent(value: float | None) -> str:
    """A share for a person."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.1%}"


def _shown(value: Any) -> str:
    """A value of a card or of the metrics for a person."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items()) or NONE
    if isinstance(value, list):
        parts = [_shown(part) for part in value]
        return (" " if all(part.endswith(".") for part in parts) else "; ").join(parts) or NONE
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _span(sums: Sums) -> str:
    return f"{to_datetime(sums.first):%Y-%m-%d %H:%M} to {to_datetime(sums.last):%Y-%m-%d %H:%M} UTC"
