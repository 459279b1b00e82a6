"""Seven lines: met, not met, met by no-skill already, or no data."""

from __future__ import annotations

import json

import pytest

from include.monitoring.scoreboard import BY_NO_SKILL, MET, NOT_MET, UNKNOWN, Measured, scoreboard
from include.plan.cost import bill, budget
from include.plan.model import load
from tests.include.monitoring.worlds import BUDGET

GOOD = Measured(0.9, 0.1, 150.0, 286.0, 0.70, 0.55, 0.7, 0.1, 1.0)


def states(measured: Measured) -> list[str]:
    return [line.state for line in scoreboard(measured, BUDGET)]


def test_the_seven_metrics_in_their_order() -> None:
    lines = scoreboard(GOOD, BUDGET)
    assert [line.name for line in lines] == [
        "R2", "P99 latency", "Cost a month", "Directional accuracy", "Importance stability", "Drift",
        "Retraining success",
    ]  # fmt: skip
    assert states(GOOD) == [MET] * 7
    assert json.loads(json.dumps([line.to_dict() for line in lines]))[0]["no_skill"] == 0.1


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        (0, {"r2": 0.85}),
        (1, {"p99_ms": 200.0}),
        (2, {"cost": 400.0}),
        (3, {"da": 0.60}),
        (4, {"stability": 0.59}),
        (5, {"mae_change": 0.20}),
        (6, {"retraining": 0.90}),
    ],
)
def test_each_is_missed_at_its_limit(place: int, changed: dict[str, float]) -> None:
    expected = [MET] * 7
    expected[place] = NOT_MET
    assert states(GOOD._replace(**changed)) == expected


def test_what_no_skill_reaches_is_no_merit() -> None:
    """The usual case: 75% of the directions cost nothing, and nobody has the R2."""
    usual = GOOD._replace(r2=0.31, r2_no_skill=0.30, da=0.74, da_no_skill=0.75)
    assert states(usual)[0] == NOT_MET
    assert states(usual)[3] == BY_NO_SKILL
    assert states(usual._replace(da=None))[3] == BY_NO_SKILL, "it is so whatever the model does"


def test_nothing_is_known_before_the_first_run() -> None:
    assert states(Measured()) == [UNKNOWN] * 7
    assert states(Measured.of({}, None)) == [UNKNOWN] * 7


def test_it_is_made_of_the_values_of_the_monitor() -> None:
    values: dict[str, float | None] = {
        "r2": 0.9, "r2_no_skill": 0.1, "latency_p99": 150.0, "cost": 286.0, "directional_accuracy": 0.7,
        "directional_accuracy_no_skill": 0.55, "mae_change": 0.1, "retraining_success": 1.0,
    }  # fmt: skip
    assert Measured.of(values, 0.7) == GOOD


def test_the_budget_is_the_one_of_the_plan() -> None:
    found = budget(load().desired)
    assert (found.warning, found.critical) == (350, 400)
    assert (sum(found.before.values()), sum(found.lines.values())) == pytest.approx(bill(load().desired))
    assert set(found.lines) == {"Inference", "Monitoring", "Training", "Storage"}
