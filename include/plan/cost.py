"""What running it costs a month: price times quantity, before and after."""

from __future__ import annotations

from dataclasses import dataclass

from include.plan.entries import Desired, Line, Use

__all__ = ["Amount", "amounts", "bill", "saving"]


@dataclass(frozen=True)
class Amount:
    """A line of the bill in dollars a month, before and after."""

    line: Line
    before: float
    after: float


def amounts(desired: Desired) -> tuple[Amount, ...]:
    """Every line, computed from its quantities and prices."""
    return tuple(Amount(line, _sum(line.before), _sum(line.after)) for line in desired.cost)


def bill(desired: Desired) -> tuple[float, float]:
    """Dollars a month in all, before and after."""
    lines = amounts(desired)
    return sum(line.before for line in lines), sum(line.after for line in lines)


def saving(desired: Desired) -> float:
    """Percent that the bill becomes smaller; 0 if there is none before."""
    before, after = bill(desired)
    return 100 * (before - after) / before if before else 0.0


def _sum(uses: tuple[Use, ...]) -> float:
    return sum(use.quantity * use.price for use in uses)
