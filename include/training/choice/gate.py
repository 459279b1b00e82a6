"""Gate G2: for which pairs a person is asked whether the networks may be trained.

The seed opens it where R2 of XGBoost is below 0.85. Without skill R2 is below 0.85 everywhere, so that gate
alone would always open and spend what it should save. It also asks for skill that survives the control over
all looks at the validation set, and for the approval of a person.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from include.training.choice import cost
from include.training.choice.cost import Cost
from include.training.choice.rules import G3_MARGIN, XGBOOST
from include.training.truth import tables
from include.training.truth.bootstrap import LEAST_DAYS
from include.training.truth.scores import Block, PairScore, SetScores
from include.training.truth.verdicts import G0_R2, NO_SKILL, SEED_R2, SKILL

__all__ = ["Opening", "judge", "question", "saved", "spent", "subject"]


class Opening(NamedTuple):
    """Gate G2 of one pair, before a person is asked.

    Attributes:
        pair: for example ``eurusd``.
        opens: whether a person is asked.
        reason: why, one sentence.
        xgboost: its scores on validation; None without a model.
        best: its horizon with the smallest p-value among those whose window is the horizon.
    """

    pair: str
    opens: bool
    reason: str
    xgboost: PairScore | None = None
    best: Block | None = None


def judge(val: SetScores | None, pairs: Sequence[str]) -> list[Opening]:
    """Judge every pair by the validation set.

    Args:
        val: scores of all models on validation; all its looks count in the control. None if there are no
            models.
        pairs: of the run.
    """
    scores = {score.pair: score for score in (val.pairs if val else ()) if score.model == XGBOOST}
    return [_opening(pair, scores.get(pair), val) for pair in pairs]


def spent(openings: Sequence[Opening]) -> Cost:
    """What the networks of the pairs cost whose gate opens."""
    return cost.of_pairs(sum(opening.opens for opening in openings))


def saved(openings: Sequence[Opening]) -> Cost:
    """What the closed gates save; a pair without XGBoost was not judged and saves nothing."""
    return cost.of_pairs(sum(not opening.opens and opening.xgboost is not None for opening in openings))


def subject(openings: Sequence[Opening]) -> str:
    """What a person is asked, in one line."""
    number = sum(opening.opens for opening in openings)
    return f"Train TFT and the multi-task network for {number} of {len(openings)} pairs: {spent(openings)}?"


def question(openings: Sequence[Opening], page: str) -> str:
    """The page of the approval, Markdown: why, what it costs, what it may bring.

    Args:
        openings: of all pairs.
        page: link of the page with all pairs.
    """
    opened = [opening for opening in openings if opening.opens]
    closed = len(openings) - len(opened)
    lines = [
        f"# Gate G2: {subject(openings)}",
        "",
        "**Why.** XGBoost has skill on validation for these pairs, after the control over all looks, and its "
        f"R2 is below {SEED_R2}. The gate of the other {closed} pairs stays closed.",
        "",
        "| Pair | R2 of XGBoost | R2 of no skill | Horizon | Skill (95% interval) | Adjusted p |",
        "|---|--:|--:|--:|--:|--:|",
        *(_row(opening) for opening in opened),
        "",
        *_warning(opened),
        f"**What it costs.** {spent(openings)}, on demand at ${cost.DOLLARS_PER_HOUR} per hour. The plan "
        f"counts {cost.HOURS:.0f} hours for {cost.PAIRS} pairs one after the other. The closed gates save "
        f"{saved(openings)}.",
        "",
        "**What it may bring.** The plan expects R2 of 0.85 to 0.92. No honest model reaches that on these "
        "targets: where the window is as long as the horizon, R2 of the no-skill forecast is 0, so the R2 "
        "above is all that anybody has foreseen so far. A network is kept only if its R2 on validation is "
        f"more than {G3_MARGIN} higher (gate G3). Otherwise the baseline stays, and the hours are spent.",
        "",
        f"All pairs: {page}",
    ]
    return "\n".join(lines) + "\n"


def _warning(opened: Sequence[Opening]) -> list[str]:
    """By validation what gate G0 asks of test, which is read after this question."""
    odd = [
        opening.pair.upper() for opening in opened
        if opening.best is not None and opening.best.whole.r2.model - opening.best.whole.r2.no_skill > G0_R2
    ]  # fmt: skip
    if not odd:
        return []
    return [
        f"**Too good?** R2 of {', '.join(odd)} is more than {G0_R2} above the no-skill forecast. That is "
        "rather a leak than a discovery: look for the column that carries it before anything is spent.",
        "",
    ]


def _row(opening: Opening) -> str:
    score, best = opening.xgboost, opening.best
    if score is None or best is None:
        raise AssertionError(f"the gate of {opening.pair} cannot be open")
    cells = (
        opening.pair.upper(),
        tables.number(score.r2.model, 3),
        tables.number(score.r2.no_skill, 3),
        f"{best.h}",
        tables.estimate(best.whole.skill),
        f"{best.p_by:.2g}",
    )
    return f"| {' | '.join(cells)} |"


def _opening(pair: str, score: PairScore | None, val: SetScores | None) -> Opening:
    if val is None or score is None:
        return Opening(pair, False, "There is no XGBoost model that could be scored.")
    matched = [
        block for block in val.blocks
        if block.pair == pair and block.model == XGBOOST and block.w == block.h
    ]  # fmt: skip
    best = min(matched, key=lambda block: (block.p_by, block.p, block.h), default=None)
    obstacle = _obstacle(score, matched)
    skill = "" if best is None else _skill(best, val.chance.looks)
    if not obstacle:
        reason = f"R2 of XGBoost on validation is {_r2(score)}, below {SEED_R2}, and its {skill}."
    elif obstacle == NO_SKILL:
        reason = f"XGBoost shows no skill on validation: its best {skill}."
    else:
        reason = obstacle
    return Opening(pair, not obstacle, reason, score, best)


def _obstacle(score: PairScore, matched: Sequence[Block]) -> str:
    """What keeps the gate closed; empty if nothing does."""
    if not math.isfinite(score.r2.model):
        return "R2 of XGBoost on validation is not a number."
    if score.r2.model >= SEED_R2:
        return f"R2 of XGBoost on validation is {_r2(score)}, not below {SEED_R2}: nothing better is needed."
    if score.split_days < LEAST_DAYS:
        return f"Validation has {score.split_days} trading days, and below {LEAST_DAYS} no gate opens."
    if not matched:
        return "No horizon has a window of its own length."
    return "" if any(block.verdict == SKILL for block in matched) else NO_SKILL


def _r2(score: PairScore) -> str:
    return tables.number(score.r2.model, 3)


def _skill(block: Block, looks: int) -> str:
    return (
        f"skill, at {block.h} minutes, is {tables.estimate(block.whole.skill)}, adjusted p {block.p_by:.2g} "
        f"over {looks} looks"
    )
