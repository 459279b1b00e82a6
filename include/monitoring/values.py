"""What a monitored value is, when it is bad, and what a run found of it.

The values themselves are in `include.monitoring.declaration`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

__all__ = [
    "BREACHING", "CRITICAL", "FINE", "LEVELS", "MEAN", "NAMESPACE", "NO_DATA", "OK", "TOTAL", "UNKNOWN",
    "WARNING", "WORST", "Budget", "Metric", "Reading", "Rule", "Value", "judge", "over_all",
]  # fmt: skip

NAMESPACE = "BQX"
OK, WARNING, CRITICAL, NO_DATA = "ok", "warning", "critical", "no data"
LEVELS = (OK, NO_DATA, WARNING, CRITICAL)  # the worst last

# How a value of all pairs follows from those of the pairs.
MEAN, WORST, TOTAL = "mean", "worst", "total"
# What an alarm makes of a period without data, in the words of CloudWatch.
UNKNOWN, BREACHING, FINE = "missing", "breaching", "notBreaching"


class Rule(NamedTuple):
    """When a value is bad.

    Attributes:
        limit: beyond it, in the unit of the value.
        datapoints: so many of the last `periods` have to be beyond it.
        periods: of the value's metric.
    """

    limit: float
    datapoints: int = 1
    periods: int = 1


class Metric(NamedTuple):
    """Where CloudWatch has a value.

    Attributes:
        namespace, name: of the metric.
        statistic: of its periods: Average, Sum, Maximum, or a percentile such as p99.
        seconds: of a period.
        scale: what one unit of the value is in the metric.
    """

    namespace: str
    name: str
    statistic: str
    seconds: int
    scale: float = 1.0

    @property
    def is_own(self) -> bool:
        """Whether the monitor publishes it."""
        return self.namespace == NAMESPACE


class Value(NamedTuple):
    """A monitored value.

    Attributes:
        name: in the table, and of its metric where we publish it.
        title: for people.
        unit: in the words of CloudWatch.
        metric: where CloudWatch has it.
        dimensions: besides the endpoint: ``pair`` and ``horizon``, or ``line`` of the cost.
        overall: how the value of all pairs follows from those of the pairs; empty if there is one for all.
        warning, critical: when it is bad; None if never.
        bad_below: small values are bad, not large ones.
        missing: what an alarm makes of missing data.
        by_pair: CloudWatch has it of every pair too, not only over all: what is paid for is a metric.
        section: of a dashboard.
        runbook: page in docs/runbooks/ for whoever is alerted; empty without alarm.
    """

    name: str
    title: str
    unit: str
    metric: Metric
    dimensions: tuple[str, ...] = ()
    overall: str = ""
    warning: Rule | None = None
    critical: Rule | None = None
    bad_below: bool = False
    missing: str = UNKNOWN
    by_pair: bool = False
    section: str = ""
    runbook: str = ""

    @property
    def rules(self) -> dict[str, Rule]:
        """Its rules by level."""
        rules = {WARNING: self.warning, CRITICAL: self.critical}
        return {level: rule for level, rule in rules.items() if rule is not None}

    def is_beyond(self, value: float, limit: float) -> bool:
        """Whether a value lies beyond a limit; the limit itself does not."""
        return value < limit if self.bad_below else value > limit


class Reading(NamedTuple):
    """What a run found of a value.

    Attributes:
        name: of the value.
        value: None if there are no data.
        pair: empty for all pairs.
        horizon: minutes; 0 for all horizons.
        line: of the cost; empty for all.
        note: why there are no data, or what a person should know.
    """

    name: str
    value: float | None
    pair: str = ""
    horizon: int = 0
    line: str = ""
    note: str = ""


class Budget(NamedTuple):
    """What may be spent in a month, dollars, from the project plan.

    Attributes:
        warning, critical: month to date above which somebody is told.
        lines: planned dollars a month by line, after the optimisation.
        before: the same before it.
        prices: dollars an hour on demand by type of instance.
    """

    warning: float
    critical: float
    lines: Mapping[str, float]
    before: Mapping[str, float]
    prices: Mapping[str, float] = MappingProxyType({})


def judge(value: Value, reading: float | None) -> str:
    """The level of a reading: ok, warning, critical, or no data."""
    if reading is None or not math.isfinite(reading):
        return NO_DATA
    beyond = [level for level, rule in value.rules.items() if value.is_beyond(reading, rule.limit)]
    return max([OK, *beyond], key=LEVELS.index)


def over_all(value: Value, readings: Sequence[Reading]) -> Reading:
    """The reading of all pairs together.

    Args:
        value: with a rule for all pairs.
        readings: of it, one per pair; those without data are left out, and counted in the note.
    """
    known = [(each.value, each.pair) for each in readings if each.value is not None]
    silent = len(readings) - len(known)
    note = f"No data for {silent} of {len(readings)} pairs." if silent else ""
    if not known:
        return Reading(value.name, None, note=note or "No pair was watched.")
    if value.overall == WORST:
        found, pair = min(known) if value.bad_below else max(known)
        return Reading(value.name, found, note=f"{pair.upper()} is the worst. {note}".strip())
    total = math.fsum(found for found, _ in known)
    return Reading(value.name, total if value.overall == TOTAL else total / len(known), note=note)
