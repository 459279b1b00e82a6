"""What it takes to train the networks: hours of a GPU instance, and their price."""

from __future__ import annotations

from typing import NamedTuple

from include.settings import GPU_INSTANCE

__all__ = ["DOLLARS_PER_HOUR", "HOURS", "INSTANCE", "PAIRS", "Cost", "of_pairs"]

# The plan's effort for stage 3.2 (include/plan/desired/updates.yaml): TFT of all pairs, one after the other.
HOURS, PAIRS = 60.0, 28
# Price list of SageMaker AI, training, on demand, us-east-1, as of 2026. Spot instances cost less, other
# regions more; a bill may differ.
INSTANCE, DOLLARS_PER_HOUR = GPU_INSTANCE, 0.7364


class Cost(NamedTuple):
    """What the networks of some pairs take.

    Attributes:
        hours: on one GPU instance; with eight pairs at once the clock shows an eighth.
        dollars: for these hours.
    """

    hours: float
    dollars: float

    def __str__(self) -> str:
        return f"{self.hours:.1f} hours of {INSTANCE}, about ${self.dollars:.2f}"


def of_pairs(number: int) -> Cost:
    """What the networks of so many pairs take by the plan."""
    hours = HOURS / PAIRS * number
    return Cost(hours, hours * DOLLARS_PER_HOUR)
