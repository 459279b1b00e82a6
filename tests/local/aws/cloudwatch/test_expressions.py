"""Metric math: arithmetic and FILL."""

from __future__ import annotations

import pytest

from local.aws.cloudwatch.expressions import evaluate, names, parse
from local.aws.errors import ServiceError

SERIES = {"m1": {0: 1.0, 60: 2.0, 120: 3.0}, "m2": {0: 4.0, 120: 0.0, 180: 5.0}}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1", {0: 1.0, 60: 2.0, 120: 3.0}),
        ("m1 + m2", {0: 5.0, 120: 3.0}),
        ("m1 / m2", {0: 0.25}),  # no result where the divisor is 0
        ("100 * m1 / (m1 + m2)", {0: 20.0, 120: 100.0}),
        ("-m1 ^ 2", {0: -1.0, 60: -4.0, 120: -9.0}),
        ("1 - m2", {0: -3.0, 120: 1.0, 180: -4.0}),
        ("m1 - FILL(m2, 0)", {0: -3.0, 60: 2.0, 120: 3.0}),
        ("FILL(m2, 7) * 1", {0: 4.0, 60: 7.0, 120: 0.0, 180: 5.0}),
        ("m1 * (2 + 3)", {0: 5.0, 60: 10.0, 120: 15.0}),
    ],
)
def test_arithmetic(expression: str, expected: dict[int, float]) -> None:
    assert evaluate(parse(expression), SERIES, range(0, 240, 60)) == expected


def test_names_are_those_of_the_series() -> None:
    assert names(parse("FILL(m1, 0) + 2 * m2 / m1")) == {"m1", "m2"}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("m1 +", "Error in expression 'm1 +'"),
        ("1 + 2", "has to use at least one metric"),
        ("1 / 0 + m1", "divides numbers by 0"),
        ("SUM(m1)", "Unsupported expression 'SUM(m1)'"),
        ("m1 if m2 else m1", "Unsupported expression"),
        ("m1 > 2", "Unsupported expression"),
        ("'a' + m1", "Unsupported expression"),
    ],
)
def test_what_cannot_be_evaluated(expression: str, message: str) -> None:
    with pytest.raises(ServiceError) as caught:
        evaluate(parse(expression), SERIES, range(0, 240, 60))
    assert message in caught.value.message
