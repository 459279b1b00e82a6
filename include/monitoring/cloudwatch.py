"""Requests to CloudWatch that follow from the declared values: metric data and alarms. Nothing is sent here.

Alarms watch what holds over all pairs: the worst pair, or SageMaker's own metric. One alarm per value and
level costs cents a month, one per pair would cost more than the monitoring of the plan; the table of values
says which pairs it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from include.monitoring.values import NAMESPACE, Metric, Reading, Rule, Value
from include.serving.requests import VARIANT

__all__ = ["MOST_DATA", "alarms", "dimensions", "metric_data", "statistic"]

MOST_DATA = 1_000  # of one request, a limit of CloudWatch
LONGEST = 1_024  # characters of a description, likewise
RUNBOOKS = "docs/runbooks"

Plain = dict[str, Any]


def metric_data(
    values: Mapping[str, Value], readings: Iterable[Reading], endpoint: str, moment: datetime
) -> list[Plain]:
    """Requests for PutMetricData.

    Readings without data are not sent, nor what SageMaker measures, nor single horizons, nor those of pairs
    where a value is sent over all pairs alone. The moment is that of the wall clock, not what counts as now
    for the data: CloudWatch takes no metric that is older than two weeks.

    Args:
        values: all declared ones.
        readings: of a run.
        endpoint: name of the endpoint.
        moment: of the run, UTC.
    """
    data = [
        {
            "MetricName": each.name,
            "Dimensions": dimensions(values[each.name].metric, endpoint, each.pair, each.line),
            "Timestamp": moment,
            "Value": each.value,
            "Unit": values[each.name].unit,
        }
        for each in readings
        if _is_sent(values[each.name], each) and each.value is not None and math.isfinite(each.value)
    ]
    return [
        {"Namespace": NAMESPACE, "MetricData": data[first : first + MOST_DATA]}
        for first in range(0, len(data), MOST_DATA)
    ]


def alarms(values: Mapping[str, Value], endpoint: str) -> list[Plain]:
    """Requests for PutMetricAlarm, one for each rule of each value.

    They have no actions: bqx_alert reads their states, so a person is told once of both levels.

    Args:
        values: all declared ones.
        endpoint: name of the endpoint.
    """
    return [
        _alarm(value, level, rule, endpoint)
        for value in values.values()
        for level, rule in value.rules.items()
    ]


def dimensions(metric: Metric, endpoint: str, pair: str = "", line: str = "") -> list[dict[str, str]]:
    """Of a metric: those of SageMaker, or ours.

    Args:
        metric: where CloudWatch has a value.
        endpoint: name of the endpoint; part of ours too, so two deployments in an account do not mix.
        pair: of the value; empty for all.
        line: of the cost; empty for all.
    """
    if not metric.is_own:
        return _named({"EndpointName": endpoint, "VariantName": VARIANT})
    return _named({"Endpoint": endpoint, "Pair": pair, "Line": line})


def statistic(metric: Metric) -> dict[str, str]:
    """How its periods are summed up, in the words of PutMetricAlarm."""
    name = "ExtendedStatistic" if metric.statistic.startswith("p") else "Statistic"
    return {name: metric.statistic}


def _is_sent(value: Value, reading: Reading) -> bool:
    return value.metric.is_own and not reading.horizon and (value.by_pair or not reading.pair)


def _alarm(value: Value, level: str, rule: Rule, endpoint: str) -> Plain:
    metric = value.metric
    return {
        "AlarmName": f"{endpoint}-{value.name}-{level}",
        "AlarmDescription": _description(value, level, rule),
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": dimensions(metric, endpoint),
        **statistic(metric),
        "Period": metric.seconds,
        "EvaluationPeriods": rule.periods,
        "DatapointsToAlarm": rule.datapoints,
        "Threshold": float(rule.limit * metric.scale),
        "ComparisonOperator": "LessThanThreshold" if value.bad_below else "GreaterThanThreshold",
        "TreatMissingData": value.missing,
    }


def _description(value: Value, level: str, rule: Rule) -> str:
    than = "below" if value.bad_below else "above"
    of = f" in {rule.datapoints} of {rule.periods} periods" if rule.periods > 1 else ""
    text = f"{level}: {value.title} is {than} {rule.limit:g}{of}. What to do: {RUNBOOKS}/{value.runbook}.md"
    return text[:LONGEST]


def _named(told: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in told.items() if value]
