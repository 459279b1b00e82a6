"""The declaration is the specification's table, and a limit itself is no breach."""

from __future__ import annotations

import math

import pytest

from include.monitoring.declaration import TITLES, declared
from include.monitoring.values import CRITICAL, NO_DATA, OK, WARNING, Rule, judge
from tests.include.monitoring.worlds import BUDGET

VALUES = declared(BUDGET)
SPECIFIED = {  # warning and critical
    "latency_p99": (300, 500),
    "error_rate": (0.01, 0.05),
    "mae_change": (0.20, 0.50),
    "r2_drop": (None, 0.05),
    "feature_drift": (0.1, 0.3),
    "prediction_shift": (0.05, None),
    "cost": (350, 400),
    "cache_hits": (0.8, 0.7),
    "missing_features": (0.01, 0.05),
    "data_age": (5, 15),
    "retraining_failures": (0, None),
    "retraining_success": (None, 0.9),
}


@pytest.mark.parametrize(("name", "limits"), SPECIFIED.items())
def test_the_limits_are_those_of_the_specification(
    name: str, limits: tuple[float | None, float | None]
) -> None:
    value = VALUES[name]
    assert tuple(None if rule is None else rule.limit for rule in (value.warning, value.critical)) == limits
    assert value.runbook, "whoever is alerted is told what to do"


@pytest.mark.parametrize("name", SPECIFIED)
def test_levels_change_just_beyond_the_limits(name: str) -> None:
    value = VALUES[name]
    step = -1e-6 if value.bad_below else 1e-6
    for level, rule in value.rules.items():
        assert judge(value, rule.limit) != level
        assert judge(value, rule.limit + step) == level
    assert judge(value, 1e9 if value.bad_below else -1e9) == OK


def test_an_endpoint_that_is_not_asked_is_unavailable_after_five_minutes() -> None:
    value = VALUES["requests"]
    assert value.critical == Rule(1, 5, 5)
    assert (value.metric.seconds, value.missing, value.bad_below) == (60, "breaching", True)
    slow = VALUES["latency_p99"]
    assert slow.critical is not None
    assert slow.critical.periods * slow.metric.seconds == 600


@pytest.mark.parametrize("reading", [None, math.nan, math.inf])
def test_no_number_is_no_data(reading: float | None) -> None:
    assert judge(VALUES["mae_change"], reading) == NO_DATA


def test_the_worse_of_two_levels_counts() -> None:
    value = VALUES["mae_change"]
    assert [judge(value, each) for each in (0.1, 0.3, 0.6)] == [OK, WARNING, CRITICAL]


def test_every_value_has_a_name_a_title_and_a_place() -> None:
    for name, value in VALUES.items():
        assert value.name == name
        assert value.title
        assert value.section in TITLES
        assert value.metric.is_own == (value.metric.namespace == "BQX")
        assert bool(value.overall) == ("pair" in value.dimensions)
        assert bool(value.runbook) == bool(value.rules), "an alarm has a runbook, nothing else has"
        for rule in value.rules.values():
            assert 1 <= rule.datapoints <= rule.periods
            seconds = rule.periods * value.metric.seconds
            assert seconds <= (7 * 86_400 if value.metric.seconds >= 3600 else 86_400), (
                "a limit of CloudWatch"
            )
