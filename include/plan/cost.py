"""What running it costs a month: price times quantity, before and after."""

from __future__ import annotations

from dataclasses import dataclass

from include.monitoring.values import Budget
from include.plan.entries import Desired, Line, Use
from include.training.choice.cost import DOLLARS_PER_HOUR, INSTANCE

__all__ = ["Amount", "amounts", "bill", "budget", "saving"]

HOURS = "hours of "  # begins the unit of a type of instance


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


def budget(desired: Desired) -> Budget:
    """What may be spent a month, for the monitor: its limits, and what every line is planned to cost."""
    lines = {each.line.name: each for each in amounts(desired)}
    return Budget(
        warning=desired.numbers["cost_alert"],
        critical=desired.numbers["cost_budget"],
        lines={name: each.after for name, each in lines.items()},
        before={name: each.before for name, each in lines.items()},
        prices=_prices(desired),
    )


def saving(desired: Desired) -> float:
    """Percent that the bill becomes smaller; 0 if there is none before."""
    before, after = bill(desired)
    return 100 * (before - after) / before if before else 0.0


def _prices(desired: Desired) -> dict[str, float]:
    """On demand, by type of instance: what is used before anything is saved."""
    uses = [use for line in desired.cost for use in line.before]
    return {use.unit.removeprefix(HOURS): use.price for use in uses if use.unit.startswith(HOURS)} | {
        INSTANCE: DOLLARS_PER_HOUR
    }


def _sum(uses: tuple[Use, ...]) -> float:
    return sum(use.quantity * use.price for use in uses)
