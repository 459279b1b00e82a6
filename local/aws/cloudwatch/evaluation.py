"""How datapoints decide on the state of an alarm, as AWS documents it.

Source: Amazon CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing
data", with its section on premature transitions.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
MISSING, IGNORE, BREACHING, NOT_BREACHING = "missing", "ignore", "breaching", "notBreaching"
TREATMENTS = (MISSING, IGNORE, BREACHING, NOT_BREACHING)
EXTRA = 2  # periods that are looked at besides; AWS publishes one example: 5 for 3 evaluation periods
SHOWN = 5  # datapoints in a reason

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


class Point(NamedTuple):
    """The datapoint of a period.

    Attributes:
        moment: when the period begins, in seconds since the epoch.
        value: of the statistic; None if it is missing.
    """

    moment: int
    value: float | None


class Verdict(NamedTuple):
    """What an evaluation finds.

    Attributes:
        state: the alarm is to be in.
        reason: for a person.
    """

    state: str
    reason: str


class Rule(NamedTuple):
    """What an alarm is evaluated by.

    Attributes:
        periods: N, as many datapoints are evaluated.
        least: M, as many must be breaching.
        told: whether M was given.
        comparison: operator of PutMetricAlarm.
        threshold: it compares with.
        treatment: of missing data.
    """

    periods: int
    least: int
    told: bool
    comparison: str
    threshold: float
    treatment: str

    @classmethod
    def of(cls, alarm: Mapping[str, Any]) -> Rule:
        """The rule of an alarm, in the terms of PutMetricAlarm."""
        periods = int(alarm["EvaluationPeriods"])
        return cls(
            periods,
            int(alarm.get("DatapointsToAlarm", periods)),
            "DatapointsToAlarm" in alarm,
            alarm["ComparisonOperator"],
            float(alarm["Threshold"]),
            alarm.get("TreatMissingData", MISSING),
        )

    @property
    def range(self) -> int:
        """How many datapoints are looked at."""
        return self.periods + EXTRA

    def is_breaching(self, value: float) -> bool:
        """Whether a value is beyond the threshold."""
        return COMPARISONS[self.comparison][0](value, self.threshold)


def evaluate(rule: Rule, points: Sequence[Point]) -> Verdict | None:
    """Decide on the state.

    Args:
        rule: of the alarm.
        points: the datapoints of the evaluation range, the oldest first.

    Returns:
        None if the alarm keeps the state it has.
    """
    real = [point for point in points if point.value is not None][-rule.periods :]
    breaching = [point for point in real if point.value is not None and rule.is_breaching(point.value)]
    filled = rule.periods - len(real)
    if filled and rule.treatment in (MISSING, IGNORE):
        if len(real) == len(breaching) < rule.least:
            return _undecided(rule, points, breaching, filled)
    elif filled:
        is_alarm = len(breaching) + filled * (rule.treatment == BREACHING) >= rule.least
        return Verdict(ALARM if is_alarm else OK, _filled(rule, real, filled))
    is_alarm = len(breaching) >= rule.least
    counted = breaching if is_alarm else [point for point in real if point not in breaching]
    return Verdict(ALARM if is_alarm else OK, _crossed(rule, counted, len(real), is_alarm))


def _undecided(
    rule: Rule, points: Sequence[Point], breaching: Sequence[Point], filled: int
) -> Verdict | None:
    """There is nothing good, and too little that is bad.

    The alarm fires all the same if the oldest bad datapoint is as old as the datapoints to alarm, for all
    that came after it is bad or missing; with a younger one the next datapoint may still be good.
    """
    if rule.treatment == IGNORE:
        return None
    if breaching and len(points) - points.index(breaching[0]) >= rule.least:
        return Verdict(ALARM, _crossed(rule, breaching, len(breaching), True))
    verb = "was" if filled == 1 else "were"
    return Verdict(INSUFFICIENT_DATA, f"Insufficient Data: {_count(filled, 'datapoint')} {verb} unknown.")


def _crossed(rule: Rule, counted: Sequence[Point], evaluated: int, is_alarm: bool) -> str:
    newest = list(reversed(counted))[:SHOWN]
    shown = ", ".join(f"{point.value} ({_stamp(point.moment)})" for point in newest)
    few = len(counted) == 1
    verb = ("was" if few else "were") + ("" if is_alarm else " not")
    end = f"{verb} {COMPARISONS[rule.comparison][1]} the threshold ({rule.threshold})"
    if not rule.told:
        return f"Threshold Crossed: {_count(len(counted), 'datapoint')} [{shown}] {end}."
    need, change = (rule.least, "OK -> ALARM") if is_alarm else (rule.periods - rule.least + 1, "ALARM -> OK")
    return (
        f"Threshold Crossed: {len(counted)} out of the last {evaluated} datapoints [{shown}] {end} "
        f"(minimum {_count(need, 'datapoint')} for {change} transition)."
    )


def _filled(rule: Rule, real: Sequence[Point], filled: int) -> str:
    verb = "was" if filled == 1 else "were"
    treated = "Breaching" if rule.treatment == BREACHING else "NonBreaching"
    end = f"{_count(filled, 'missing datapoint')} {verb} treated as [{treated}]."
    if not real:
        received = f"no datapoints were received for {_count(rule.periods, 'period')}"
    else:
        shown = ", ".join(f"{point.value} ({_stamp(point.moment)})" for point in reversed(real[-SHOWN:]))
        verb = "was" if len(real) == 1 else "were"
        received = f"{_count(len(real), 'datapoint')} [{shown}] {verb} received"
    return f"Threshold Crossed: {received} and {end}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _stamp(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d/%m/%y %H:%M:%S")


def timestamp(moment: float) -> str:
    """A moment as CloudWatch writes it into its documents, in milliseconds of UTC."""
    told = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "+0000")


def reason_data(alarm: Mapping[str, Any], rule: Rule, points: Sequence[Point], now: float) -> str:
    """What StateReasonData says of an evaluation, a JSON document.

    Args:
        alarm: its document.
        rule: of it.
        points: the datapoints of the evaluation range, the oldest first.
        now: when it was evaluated, in seconds since the epoch.
    """
    real = [point for point in points if point.value is not None][-rule.periods :]
    known = {"unit": alarm.get("Unit"), "statistic": alarm.get("Statistic", alarm.get("ExtendedStatistic"))}
    told: dict[str, Any] = {"version": "1.0", "queryDate": timestamp(now)}
    if real:
        told["startDate"] = timestamp(real[0].moment)
    told |= {name: value for name, value in known.items() if value is not None}
    if "Period" in alarm:
        told["period"] = alarm["Period"]
    told |= {
        "recentDatapoints": [point.value for point in real],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [
            {"timestamp": timestamp(point.moment)} | ({} if point.value is None else {"value": point.value})
            for point in reversed(real or points[-rule.periods :])
        ],
    }
    return json.dumps(told)
