"""Ranges of hyperparameters, and the settings that a random search draws from them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

from local.aws.errors import invalid

_KNOWN = INTEGERS, NUMBERS, CHOICES = (
    "IntegerParameterRanges",
    "ContinuousParameterRanges",
    "CategoricalParameterRanges",
)
_LOGARITHMIC = "Logarithmic"
_SCALES = ("Auto", "Linear", _LOGARITHMIC)

Ranges = Mapping[str, Any]


def check(ranges: Ranges, static: Mapping[str, str]) -> None:
    """Refuse ranges that nothing can be drawn from.

    Args:
        ranges: ParameterRanges of a tuning job.
        static: hyperparameters that all trials share.

    Raises:
        ServiceError: ValidationException.
    """
    if unknown := [name for name, value in ranges.items() if value and name not in _KNOWN]:
        raise invalid(f"The stand-in draws from {', '.join(_KNOWN)}, not from {unknown[0]}.")
    names = [each["Name"] for _, each in _all(ranges)]
    if not names:
        raise invalid("A hyperparameter tuning job needs a range of at least one hyperparameter.")
    if twice := [name for name in names if names.count(name) > 1 or name in static]:
        raise invalid(f"The hyperparameter {twice[0]} is given twice; it may have one range or one value.")
    for kind, each in _all(ranges):
        if kind != CHOICES:
            _check_limits(kind, each)


def _check_limits(kind: str, each: Mapping[str, str]) -> None:
    what, scale = f"The range of hyperparameter {each['Name']}", each.get("ScalingType", "Auto")
    if scale not in _SCALES:
        raise invalid(f"{what} has scaling {scale}; the stand-in knows {', '.join(_SCALES)}.")
    try:
        low, high = _limits(kind, each)
    except ValueError:
        raise invalid(f"{what} has a limit that is no number, or no whole one.") from None
    if not low <= high < math.inf:
        raise invalid(f"{what} ends at {each['MaxValue']}, before it begins at {each['MinValue']}.")
    if scale == _LOGARITHMIC and low <= 0:
        raise invalid(f"{what} has logarithmic scaling and must begin above 0, not at {each['MinValue']}.")


def draw(ranges: Ranges, seed: int, number: int) -> dict[str, str]:
    """The settings of one trial: always the same for the same ranges, seed and number of the trial."""
    source = random.Random(f"{seed} {number}")
    return {each["Name"]: _value(kind, each, source) for kind, each in _all(ranges)}


def _value(kind: str, each: Mapping[str, Any], source: random.Random) -> str:
    if kind == CHOICES:
        return str(source.choice(each["Values"]))
    low, high = _limits(kind, each)
    if each.get("ScalingType") == _LOGARITHMIC:
        drawn = math.exp(source.uniform(math.log(low), math.log(high)))
        return str(round(drawn) if kind == INTEGERS else min(max(drawn, low), high))
    return str(source.randint(int(low), int(high)) if kind == INTEGERS else source.uniform(low, high))


def _limits(kind: str, each: Mapping[str, str]) -> tuple[float, float]:
    number = int if kind == INTEGERS else float
    return number(each["MinValue"]), number(each["MaxValue"])


def _all(ranges: Ranges) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in _KNOWN:
        for each in sorted(ranges.get(kind, ()), key=lambda each: str(each["Name"])):
            yield kind, each
