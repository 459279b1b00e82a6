"""The choice of a pair's model, once more: written from the rules of the specification as nested questions.

The rules: pipeline.md 6 (G0, G1, G3, ensemble), under 20 trading days no gate opens, simpler wins a tie
unless it is worse than no skill and the other is not.
"""

from __future__ import annotations

from math import isnan, nan
from typing import Any


def choose(scores: dict[str, float], **known: Any) -> tuple[str, bool]:
    """The chosen model, empty for none, and whether it may be deployed."""
    model = _model({name: r2 for name, r2 in scores.items() if not isnan(r2)}, **known)
    incumbent = known["incumbent"]  # (whether on the same rows, its R2), or None
    if not model or known["suspicious"]:
        return model, False
    if known["days"] < 20:
        return model, incumbent is None
    return model, incumbent is None or not (incumbent[0] and scores[model] < incumbent[1])


def _model(
    r2: dict[str, float], *, days: int, approved: bool, correlation: float, worse: set[str], **_: Any
) -> str:
    forest, boosted = r2.get("random_forest", nan), r2.get("xgboost", nan)
    if isnan(forest) and isnan(boosted):
        return ""
    margin = 0.0 if "random_forest" in worse and "xgboost" not in worse else 0.03
    boost = isnan(forest) or (days >= 20 and boosted > forest + margin)
    best = "xgboost" if boost else "random_forest"
    if days < 20 or not approved:
        return best
    baseline = max(value for value in (forest, boosted) if not isnan(value))
    if r2.get("multi_task", nan) > baseline + 0.04:
        best = "multi_task"
    if r2.get("tft", nan) > max(baseline, r2["multi_task"] if best == "multi_task" else -1e9) + 0.04:
        best = "tft"
    whole = all(name in r2 for name in ("random_forest", "xgboost", "tft", "ensemble"))
    if whole and correlation < 0.85 and r2["ensemble"] > r2[best] + 0.02:
        best = "ensemble"
    return best
