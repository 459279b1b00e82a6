"""The seven success metrics of the project, each met or not, as data for a summary, Airtable and a page.

Two of them say little: part of BQX at the horizon is known beforehand, so a forecast without skill has an R2
and a directional accuracy too. Where that one reaches the goal already, the line says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from include.dataset.select import STABLE, TOP
from include.monitoring.declaration import SLO_MS
from include.monitoring.values import CRITICAL, WARNING, Budget
from include.training.truth.verdicts import SEED_DA, SEED_R2

__all__ = ["BY_NO_SKILL", "MET", "NOT_MET", "UNKNOWN", "Line", "Measured", "scoreboard", "summary"]

MET, NOT_MET, BY_NO_SKILL, UNKNOWN = "met", "not met", "met by no-skill already", "no data"
MAE_GROWTH = 0.20  # of the MAE over that of no skill, since training
RETRAINING = 0.90  # share of retrainings that succeed


class Measured(NamedTuple):
    """What was measured; None where nothing is known.

    Attributes:
        r2, r2_no_skill: mean over pairs and horizons.
        p99_ms: of an answer, milliseconds.
        cost: of a month, dollars.
        da, da_no_skill: directional accuracy, mean over pairs and horizons.
        stability: share of the 50 most important columns that rolling folds have in common.
        mae_change: the largest of the pairs.
        retraining: share of the last ten retrainings that succeeded.
    """

    r2: float | None = None
    r2_no_skill: float | None = None
    p99_ms: float | None = None
    cost: float | None = None
    da: float | None = None
    da_no_skill: float | None = None
    stability: float | None = None
    mae_change: float | None = None
    retraining: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, float | None], stability: float | None) -> Measured:
        """From the values of all pairs of a run of the monitor.

        Args:
            values: by name.
            stability: of the data set that the models learned from.
        """
        return cls(
            values.get("r2"), values.get("r2_no_skill"), values.get("latency_p99"), values.get("cost"),
            values.get("directional_accuracy"), values.get("directional_accuracy_no_skill"),
            stability, values.get("mae_change"), values.get("retraining_success"),
        )  # fmt: skip


class Line(NamedTuple):
    """One metric.

    Attributes:
        name: of the metric.
        goal: what is asked for, in words.
        value: what was measured; None if nothing is known.
        no_skill: the same of the no-skill forecast; None where it has none.
        state: met, not met, met by no-skill already, or no data.
    """

    name: str
    goal: str
    value: float | None
    no_skill: float | None
    state: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self._asdict()


def scoreboard(measured: Measured, budget: Budget) -> tuple[Line, ...]:
    """The seven lines, in the order of the specification.

    Args:
        measured: what is known.
        budget: of a month, from the project plan.
    """
    r2, da = (measured.r2, measured.r2_no_skill), (measured.da, measured.da_no_skill)
    return (
        _line("R2", f"above {SEED_R2:.2f}", lambda value: value > SEED_R2, *r2),
        _line("P99 latency", f"below {SLO_MS:.0f} ms", lambda value: value < SLO_MS, measured.p99_ms),
        _line(
            "Cost a month",
            f"below ${budget.critical:,.0f}",
            lambda value: value < budget.critical,
            measured.cost,
        ),
        _line("Directional accuracy", f"above {SEED_DA:.0%}", lambda value: value > SEED_DA, *da),
        _line(
            "Importance stability",
            f"at least {STABLE:.0%} of the top {TOP} in common",
            lambda value: value >= STABLE,
            measured.stability,
        ),
        _line(
            "Drift",
            f"MAE grows by less than {MAE_GROWTH:.0%}",
            lambda value: value < MAE_GROWTH,
            measured.mae_change,
        ),
        _line(
            "Retraining success",
            f"above {RETRAINING:.0%}",
            lambda value: value > RETRAINING,
            measured.retraining,
        ),
    )


def summary(lines: Sequence[Mapping[str, Any]], levels: Mapping[str, str]) -> str:
    """The scoreboard for people, a line for each metric, and what is beyond a limit.

    Args:
        lines: as `Line.to_dict` gives them.
        levels: of the values that have limits, by name.
    """
    width = max(len(line["name"]) for line in lines)
    told = [f"  {line['name']:<{width}}  {_worded(line)}" for line in lines]
    bad = {level: [name for name, its in levels.items() if its == level] for level in (CRITICAL, WARNING)}
    beyond = "; ".join(f"{level}: {', '.join(names)}" for level, names in bad.items() if names)
    return "\n".join(["Success metrics of the project:", *told, f"Beyond a limit: {beyond or 'nothing'}"])


def _worded(line: Mapping[str, Any]) -> str:
    known = "" if line["value"] is None else f" with {line['value']:.4g}"
    beside = "" if line["no_skill"] is None else f", no skill {line['no_skill']:.4g}"
    return f"{line['state']}{known}{beside} (goal: {line['goal']})"


def _line(
    name: str,
    goal: str,
    reaches: Callable[[float], bool],
    value: float | None,
    no_skill: float | None = None,
) -> Line:
    if no_skill is not None and math.isfinite(no_skill) and reaches(no_skill):
        state = BY_NO_SKILL
    elif value is None or not math.isfinite(value):
        state = UNKNOWN
    else:
        state = MET if reaches(value) else NOT_MET
    return Line(name, goal, value, no_skill, state)
