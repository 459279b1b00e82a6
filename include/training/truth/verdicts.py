"""What a score means: the verdict, gate G0, and the seed's gates."""

from __future__ import annotations

from typing import NamedTuple

from include.training.truth.bootstrap import LEAST_DAYS, LEVEL

__all__ = [
    "FEW_DAYS", "G0_DA", "G0_R2", "NO_SKILL", "SEED_DA", "SEED_R2", "SKILL", "SUSPICIOUS", "Evidence",
    "seed_gate", "suspicion", "verdict",
]  # fmt: skip

SKILL, NO_SKILL, SUSPICIOUS, FEW_DAYS = "skill", "no skill", "suspicious", "too few days"

G0_R2 = 0.05  # by which R2 may exceed that of no skill
G0_DA = 0.05  # by which directional accuracy may (5 points)
SEED_R2 = 0.85
SEED_DA = 0.60


class Evidence(NamedTuple):
    """What is known of one excess over the no-skill forecast.

    Attributes:
        what: the metric, for the message.
        excess: by how much the model is above the no-skill forecast.
        limit: how much is believed without an audit.
        low: lower end of the 95 % interval of the excess, or of something that has the same sign.
        adjusted: its p-value, adjusted for all looks.
    """

    what: str
    excess: float
    limit: float
    low: float
    adjusted: float


def suspicion(evidence: tuple[Evidence, ...], days: int) -> str:
    """Gate G0: why a result is too good to be believed without an audit; empty if it is not.

    An excess counts where chance does not explain it. With `LEAST_DAYS` trading days or more that means
    that its own interval lies above 0, with fewer that it survives the correction for all looks.
    """
    for found in evidence:
        beyond_chance = found.low > 0 if days >= LEAST_DAYS else found.adjusted <= LEVEL
        if found.excess > found.limit and beyond_chance:
            return (
                f"{found.what} is {found.excess:.3f} above the no-skill forecast, more than the "
                f"{found.limit:.2f} that is believed without an audit, and chance does not explain it"
            )
    return ""


def verdict(suspicious: bool, days: int, low: float, adjusted: float) -> str:
    """The verdict of one look.

    Args:
        suspicious: gate G0 fired.
        days: trading days with rows.
        low: lower end of the interval of skill.
        adjusted: p-value after Benjamini-Yekutieli.
    """
    if suspicious:
        return SUSPICIOUS
    if days < LEAST_DAYS:
        return FEW_DAYS
    return SKILL if adjusted <= LEVEL and low > 0 else NO_SKILL


def seed_gate(model: float, no_skill: float, limit: float, days: int) -> str:
    """Gate G4, one of the seed's two conditions: recorded, it decides nothing."""
    if days < LEAST_DAYS:
        return FEW_DAYS
    if no_skill > limit:
        return "met by no-skill already"
    return "met" if model > limit else "not met"
