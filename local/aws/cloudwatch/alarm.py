"""A metric alarm: what PutMetricAlarm may ask for, its document, and the queries that it watches."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from local.aws.cloudwatch import queries, statistics
from local.aws.cloudwatch.data import DAY, HOUR
from local.aws.cloudwatch.errors import absent, unfit
from local.aws.cloudwatch.evaluation import COMPARISONS, INSUFFICIENT_DATA, TREATMENTS
from local.aws.settings import ACCOUNT

ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}
STATE = (
    "StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp",
    "tags",
)  # fmt: skip
INITIAL = "Unchecked: Initial alarm creation"
MOST_TAGS = 50
PERIODS = (10, 20, 30)  # seconds, and every multiple of a minute
LONGEST, LONGEST_OF_SHORT = 7 * DAY, DAY  # all periods together; of periods below an hour
_ABSENT = (
    "EvaluationCriteria", "ThresholdMetricId", "WarmUpConfiguration", "EvaluationInterval",
    "ActionConfiguration",
)  # fmt: skip
_OF_METRIC = ("Namespace", "MetricName", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
_ANY_OF = {"TreatMissingData": TREATMENTS, "EvaluateLowSampleCountPercentile": ("evaluate", "ignore")}
_WATCHED = "m1"  # id of the query of an alarm on one metric

Document = dict[str, Any]


def check(asked: Mapping[str, Any]) -> None:
    """Refuse a request for PutMetricAlarm that fits the model and is wrong all the same.

    Raises:
        ServiceError: with what is wrong.
    """
    _check_absent(asked)
    for name in ("ComparisonOperator", "EvaluationPeriods", "Threshold"):
        if name not in asked:
            raise unfit(f"The parameter {name} is required for an alarm with a threshold.")
    if asked["ComparisonOperator"] not in COMPARISONS:
        raise absent(f"{asked['ComparisonOperator']}, which is for anomaly detection")
    if ("MetricName" in asked) == ("Metrics" in asked):
        raise unfit("An alarm needs either MetricName or Metrics.")
    if "MetricName" in asked:
        _check_metric(asked)
    else:
        _check_metrics(asked)
    _check_periods(asked)
    for name, allowed in _ANY_OF.items():
        if asked.get(name, allowed[0]) not in allowed:
            raise unfit(f"Invalid {name} {asked[name]}. Valid values: {', '.join(allowed)}.")
    _check_actions(asked)


def _check_absent(asked: Mapping[str, Any]) -> None:
    for name in _ABSENT:
        if name in asked:
            raise absent(f"{name} of PutMetricAlarm")
    if "WallClockWindow" in asked.get("EvaluationWindow", {}):
        raise absent("WallClockWindow of PutMetricAlarm")


def _check_actions(asked: Mapping[str, Any]) -> None:
    for arn in (arn for name in ACTIONS.values() for arn in asked.get(name, ())):
        if len(arn.split(":", 5)) < 6 or not arn.startswith("arn:"):
            raise unfit(f"Invalid arn syntax: {arn}")
    if len(asked.get("Tags", ())) > MOST_TAGS:
        raise unfit(f"An alarm has at most {MOST_TAGS} tags.")


def _check_metric(asked: Mapping[str, Any]) -> None:
    for name in ("Namespace", "Period"):
        if name not in asked:
            raise unfit(f"The parameter {name} is required for an alarm on a metric.")
    if ("Statistic" in asked) == ("ExtendedStatistic" in asked):
        raise unfit("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if not statistics.is_known(statistic := _statistic(asked)):
        raise absent(f"the statistic {statistic}")
    if "EvaluateLowSampleCountPercentile" in asked and "ExtendedStatistic" not in asked:
        raise unfit("EvaluateLowSampleCountPercentile is for alarms on percentiles.")


def _check_metrics(asked: Mapping[str, Any]) -> None:
    if also := [name for name in _OF_METRIC if name in asked]:
        raise unfit(f"{also[0]} must not be specified together with Metrics.")
    queries.check_queries(asked["Metrics"])
    watched = [query for query in asked["Metrics"] if query.get("ReturnData", True)]
    if len(watched) != 1:
        raise unfit("Exactly one element of the metrics list should return data.")
    by_id = {query["Id"]: query for query in asked["Metrics"]}
    if len({queries.period_of(query, by_id) for query in asked["Metrics"]}) > 1:
        raise unfit("All metrics of an alarm must have the same period.")


def _check_periods(asked: Mapping[str, Any]) -> None:
    length, number = period(asked), int(asked["EvaluationPeriods"])
    if length not in PERIODS and length % 60:
        raise unfit("Period must be 10, 20, 30 or a multiple of 60.")
    most = LONGEST_OF_SHORT if length < HOUR else LONGEST
    if length * number > most:
        raise unfit(
            f"Metrics cannot be checked across more than {most // DAY} day(s): EvaluationPeriods * Period "
            f"must be at most {most}."
        )
    if asked.get("DatapointsToAlarm", number) > number:
        raise unfit("DatapointsToAlarm must not be greater than EvaluationPeriods.")


def _statistic(asked: Mapping[str, Any]) -> str:
    return str(asked.get("Statistic", asked.get("ExtendedStatistic")))


def watched(alarm: Mapping[str, Any]) -> tuple[list[Document], str]:
    """The queries of an alarm in the form of GetMetricData, and the id of the one that it watches."""
    if "Metrics" in alarm:
        (name,) = (query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True))
        return list(alarm["Metrics"]), name
    metric = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions") if name in alarm}
    stat = {"Metric": metric, "Period": alarm["Period"], "Stat": _statistic(alarm)}
    if "Unit" in alarm:
        stat["Unit"] = alarm["Unit"]
    return [{"Id": _WATCHED, "MetricStat": stat}], _WATCHED


def period(alarm: Mapping[str, Any]) -> int:
    """Seconds of the periods of an alarm."""
    asked, name = watched(alarm)
    by_id = {query["Id"]: query for query in asked}
    return queries.period_of(by_id[name], by_id)


def new(asked: Mapping[str, Any], region: str, now: float, before: Mapping[str, Any] | None) -> Document:
    """The document of an alarm: what AWS tells of it, and members of our own in lower case.

    Args:
        asked: parameters of PutMetricAlarm, checked.
        region: where it was asked for.
        now: in seconds since the epoch.
        before: the document that it replaces; its state and tags are kept.
    """
    alarm: Document = {name: value for name, value in asked.items() if name != "Tags"}
    alarm |= {
        "AlarmArn": arn(region, asked["AlarmName"]),
        "AlarmConfigurationUpdatedTimestamp": now,
        "revision": secrets.token_hex(8),
        "ActionsEnabled": asked.get("ActionsEnabled", True),
        **{name: asked.get(name, []) for name in ACTIONS.values()},
    }
    if "MetricName" in asked:
        alarm.setdefault("Dimensions", [])
    if before is not None:
        return alarm | {name: before[name] for name in STATE if name in before}
    return alarm | {
        "StateValue": INSUFFICIENT_DATA,
        "StateReason": INITIAL,
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
        "tags": {tag["Key"]: tag["Value"] for tag in asked.get("Tags", ())},
    }


def arn(region: str, name: str) -> str:
    """ARN of an alarm."""
    return f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{name}"
