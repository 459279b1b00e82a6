"""Rules of evaluation against the tables that AWS publishes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from local.aws.cloudwatch.evaluation import Point, Rule, Verdict, evaluate, reason_data

MINUTE = 60
NOON = 1_719_835_200  # 2024-07-01 12:00 UTC
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
INSUFFICIENT, RETAIN = "INSUFFICIENT_DATA", "retain"

# Datapoints as AWS draws them: 0 is good, X is bad, - is missing, the newest is on the right. The states are
# those of the columns missing, ignore, breaching, not breaching.
THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK", "OK", "OK"),
    "0 - - - -": ("OK", "OK", "OK", "OK"),
    "- - - - -": (INSUFFICIENT, RETAIN, "ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "- - X - -": ("ALARM", RETAIN, "ALARM", "OK"),
    "- - - - X": (INSUFFICIENT, RETAIN, "ALARM", "OK"),  # an older edition of the table
    "- - - X 0": ("OK", "OK", "OK", "OK"),
}
TWO_OF_THREE = {
    "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 - X - -": ("OK", "OK", "ALARM", "OK"),
    "- - - - 0": ("OK", "OK", "ALARM", "OK"),
    "- - - X -": ("ALARM", RETAIN, "ALARM", "OK"),
    "- - - - X": (INSUFFICIENT, RETAIN, "ALARM", "OK"),  # an older edition of the table
}
ROWS = [
    (least, row, treatment, state)
    for least, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for row, states in table.items()
    for treatment, state in zip(TREATMENTS, states, strict=True)
]


def rule(**more: Any) -> Rule:
    """Three of three values above 10, unless told otherwise."""
    asked = {
        "EvaluationPeriods": 3, "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold",
    } | more  # fmt: skip
    return Rule.of(asked)


def points(*values: float | None) -> list[Point]:
    return [Point(NOON + number * MINUTE, value) for number, value in enumerate(values)]


def drawn(row: str) -> list[Point]:
    return points(*({"0": 1.0, "X": 20.0, "-": None}[each] for each in row.split()))


def decide(told: Rule, *values: float | None) -> Verdict:
    verdict = evaluate(told, points(*values))
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(("least", "row", "treatment", "state"), ROWS)
def test_missing_data_count_as_aws_documents(least: int, row: str, treatment: str, state: str) -> None:
    verdict = evaluate(rule(DatapointsToAlarm=least, TreatMissingData=treatment), drawn(row))
    assert (RETAIN if verdict is None else verdict.state) == state


def test_the_evaluation_range_is_that_of_the_example_of_aws() -> None:
    assert rule().range == 5


def test_missing_data_are_missing_unless_told_otherwise() -> None:
    assert decide(rule(), None, None, None).state == INSUFFICIENT


def test_m_of_the_newest_n_decide_when_nothing_is_missing() -> None:
    draw = random.Random(16)
    for _ in range(300):
        periods = draw.randint(1, 6)
        least = draw.randint(1, periods)
        values = [draw.choice([5.0, 10.0, 15.0]) for _ in range(periods + 2)]
        bad = sum(value > 10 for value in values[-periods:])
        verdict = decide(rule(EvaluationPeriods=periods, DatapointsToAlarm=least), *values)
        assert verdict.state == ("ALARM" if bad >= least else "OK")


@pytest.mark.parametrize(
    ("comparison", "fires"),
    [
        ("GreaterThanThreshold", (False, False, True)),
        ("GreaterThanOrEqualToThreshold", (False, True, True)),
        ("LessThanThreshold", (True, False, False)),
        ("LessThanOrEqualToThreshold", (True, True, False)),
    ],
)
def test_comparisons(comparison: str, fires: tuple[bool, ...]) -> None:
    told = rule(EvaluationPeriods=1, ComparisonOperator=comparison)
    assert tuple(decide(told, value).state == "ALARM" for value in (9.0, 10.0, 11.0)) == fires


@pytest.mark.parametrize(
    ("more", "values", "reason"),
    [
        (
            {"EvaluationPeriods": 1, "DatapointsToAlarm": 1},
            (20.5,),
            "Threshold Crossed: 1 out of the last 1 datapoints [20.5 (01/07/24 12:00:00)] was greater than "
            "the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition).",
        ),
        (
            {"DatapointsToAlarm": 2},
            (20.0, 1.0, 30.0),
            "Threshold Crossed: 2 out of the last 3 datapoints [30.0 (01/07/24 12:02:00), 20.0 (01/07/24 "
            "12:00:00)] were greater than the threshold (10.0) (minimum 2 datapoints for OK -> ALARM "
            "transition).",
        ),
        (
            {"DatapointsToAlarm": 2},
            (1.0, 20.0, 3.0),
            "Threshold Crossed: 2 out of the last 3 datapoints [3.0 (01/07/24 12:02:00), 1.0 (01/07/24 "
            "12:00:00)] were not greater than the threshold (10.0) (minimum 2 datapoints for ALARM -> OK "
            "transition).",
        ),
        (
            {"EvaluationPeriods": 1},
            (20.0,),
            "Threshold Crossed: 1 datapoint [20.0 (01/07/24 12:00:00)] was greater than the threshold "
            "(10.0).",
        ),
        (
            {"EvaluationPeriods": 1, "TreatMissingData": "notBreaching"},
            (None,),
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated "
            "as [NonBreaching].",
        ),
        (
            {"TreatMissingData": "breaching"},
            (None, None, 20.0),
            "Threshold Crossed: 1 datapoint [20.0 (01/07/24 12:02:00)] was received and 2 missing datapoints "
            "were treated as [Breaching].",
        ),
        ({"EvaluationPeriods": 1}, (None,), "Insufficient Data: 1 datapoint was unknown."),
        ({}, (None,), "Insufficient Data: 3 datapoints were unknown."),
    ],
)
def test_reasons_are_written_as_aws_writes_them(
    more: dict[str, Any], values: tuple[float | None, ...], reason: str
) -> None:
    assert decide(rule(**more), *values).reason == reason


def test_the_data_behind_a_reason() -> None:
    alarm = {"Statistic": "Sum", "Period": MINUTE, "Unit": "Count"}
    told = json.loads(reason_data(alarm, rule(), points(1.0, None, 2.0), NOON + 200.0385))
    assert told == {
        "version": "1.0",
        "queryDate": "2024-07-01T12:03:20.038+0000",
        "startDate": "2024-07-01T12:00:00.000+0000",
        "unit": "Count",
        "statistic": "Sum",
        "period": MINUTE,
        "recentDatapoints": [1.0, 2.0],
        "threshold": 10.0,
        "evaluatedDatapoints": [
            {"timestamp": "2024-07-01T12:02:00.000+0000", "value": 2.0},
            {"timestamp": "2024-07-01T12:00:00.000+0000", "value": 1.0},
        ],
    }
