"""Scores of what was forecast in a window, beside the no-skill forecast of the same minutes.

The scores are those of training (`include.training.truth`): there is one definition of each. Horizons and
pairs are never pooled, the score of several is their unweighted mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from include.monitoring.actuals import Joined
from include.monitoring.forecasts import Forecasts
from include.monitoring.values import Reading
from include.training.truth.groups import Limits
from include.training.truth.looks import Group, Looks, group_scores
from include.training.truth.reduce import day_sums

__all__ = ["CHANGES", "SCORES", "Baseline", "baseline_of", "change_of_mae", "of_one_model", "readings"]

SCORES: Mapping[str, Callable[[Group], float]] = {
    "skill": lambda group: group.skill.value,
    "r2": lambda group: group.r2.model,
    "r2_no_skill": lambda group: group.r2.no_skill,
    "mae": lambda group: group.mae.model,
    "mae_no_skill": lambda group: group.mae.no_skill,
    "mae_scaled": lambda group: group.mae_scaled.model,
    "mae_scaled_no_skill": lambda group: group.mae_scaled.no_skill,
    "directional_accuracy": lambda group: group.da.model,
    "directional_accuracy_no_skill": lambda group: group.da.no_skill,
    "coverage": lambda group: group.coverage.value,
}
"""What is read of each horizon, by the name of the value."""

CHANGES = ("mae_change", "r2_drop")
_WHOLE = Limits((0.0, math.inf), 0.0)  # groups of volatility and trend are not asked for


class Baseline(NamedTuple):
    """Scores of a model when it was chosen: means over its horizons, on the test set.

    Attributes:
        mae_ratio: scaled MAE over that of no skill.
        r2_excess: R2 less that of no skill.
    """

    mae_ratio: float
    r2_excess: float


def baseline_of(decision: Mapping[str, Any]) -> Baseline | None:
    """What a decision record says of the chosen model; None if it says nothing.

    Args:
        decision: content of the record.
    """
    scores = (decision.get("scores") or {}).get(decision.get("chosen") or "") or {}
    found = scores.get("test") or scores.get("val") or {}
    try:
        mae, r2 = found["mae_scaled"], found["r2"]
        return Baseline(mae["model"] / mae["no_skill"], r2["model"] - r2["no_skill"])
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def of_one_model(forecasts: Forecasts) -> Forecasts:
    """The forecasts whose horizons have the windows of the newest version.

    A model of other windows forecasts another quantity, which cannot be scored together with it.
    """
    newest = forecasts.version == forecasts.newest
    windows = dict(zip(forecasts.h[newest].tolist(), forecasts.w[newest].tolist(), strict=True))
    wanted = np.array([windows.get(h, 0) for h in forecasts.h.tolist()], np.int64)
    return forecasts.where(forecasts.w == wanted)


def readings(pair: str, joined: Joined, baseline: Baseline | None) -> list[Reading]:
    """Everything that is read of the forecasts of one pair in a window.

    Args:
        pair: for example ``eurusd``.
        joined: its forecasts with what came.
        baseline: of the model that serves; None if nothing is known.

    Returns:
        Scores per horizon and of the pair; where nothing can be scored they have no value, and say why.
    """
    scored = joined.scored
    windows = tuple((int(scored.w[scored.h == h][0]), int(h)) for h in np.unique(scored.h))
    missing = Reading("actuals_missing", _share(joined.missing, joined.due), pair, note=_counts(joined))
    if not windows:
        return [*(Reading(name, None, pair, note=_counts(joined)) for name in (*SCORES, *CHANGES)), missing]
    groups = group_scores(Looks([day_sums(scored, windows, [_WHOLE] * len(windows))]), 0, windows)
    found, means = [], {}
    for name, of in SCORES.items():
        values = [of(group) for group in groups]
        means[name] = float(np.mean(values))
        found += [
            Reading(name, _number(value), pair, h) for value, (_, h) in zip(values, windows, strict=True)
        ]
        found.append(Reading(name, _number(means[name]), pair))
    return [*found, *_changes(pair, means, baseline), missing]


def change_of_mae(mae: float, no_skill: float, baseline: Baseline) -> float:
    """By how much the MAE over that of no skill has changed since training; 0.2 is 20% worse.

    Volatility alone moves errors, of the model and of no skill alike: their ratio stays.
    """
    return mae / no_skill / baseline.mae_ratio - 1.0


def _changes(pair: str, means: Mapping[str, float], baseline: Baseline | None) -> list[Reading]:
    if baseline is None:
        why = "The decision record of the model has no scores to compare with."
        return [Reading(name, None, pair, note=why) for name in CHANGES]
    mae = change_of_mae(means["mae_scaled"], means["mae_scaled_no_skill"], baseline)
    drop = baseline.r2_excess - (means["r2"] - means["r2_no_skill"])
    return [Reading("mae_change", _number(mae), pair), Reading("r2_drop", _number(drop), pair)]


def _counts(joined: Joined) -> str:
    counts = (
        ("scored", len(joined.scored.ts)),
        ("without what came", joined.missing),
        ("not due yet", joined.pending),
        ("ending while the market is closed", joined.closed),
    )
    told = ", ".join(f"{number:,} {what}" for what, number in counts if number)
    return f"Forecasts: {told}." if told else "There are no forecasts in the window."


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
