"""What alarms do when their state changes: messages to topics of SNS, in the form that AWS gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from local.aws.cloudwatch.alarm import ACTIONS, Document, period
from local.aws.cloudwatch.evaluation import timestamp
from local.aws.cloudwatch.history import History
from local.aws.errors import ServiceError
from local.aws.settings import ACCOUNT

LONGEST_SUBJECT = 100  # characters, as SNS takes them

Publish = Callable[[str, str, str], None]


class Transition(NamedTuple):
    """An alarm that has come to another state.

    Attributes:
        region: of it.
        before, after: its documents.
        now: when, in seconds since the epoch.
    """

    region: str
    before: Document
    after: Document
    now: float


class Actions:
    """Carries out the actions of transitions and notes them in the history.

    Args:
        publish: gives SNS a message: ARN of the topic, subject, text.
        history: of the alarms.
        clock: says what time it is.
    """

    def __init__(self, publish: Publish, history: History, clock: Callable[[], float]) -> None:
        self._publish, self._history, self._clock = publish, history, clock

    def carry_out(self, transition: Transition) -> None:
        """Do what an alarm asks for in the state that it has come to, unless its actions are disabled."""
        alarm = transition.after
        if not alarm["ActionsEnabled"]:
            return
        for arn in alarm[ACTIONS[alarm["StateValue"]]]:
            trouble = self._do(arn, transition)
            self._history.acted(transition.region, alarm["AlarmName"], arn, trouble, self._clock())

    def _do(self, arn: str, transition: Transition) -> str:
        """Carry out one action; returns why it could not be, which only the history tells."""
        if not arn.startswith("arn:aws:sns:"):
            return "The stand-in has actions for topics of SNS alone."
        try:
            self._publish(arn, subject(transition), json.dumps(message(transition)))
        except ServiceError as error:
            return error.message
        return ""


def subject(transition: Transition) -> str:
    """Subject of the message about a transition."""
    alarm = transition.after
    told = f'{alarm["StateValue"]}: "{alarm["AlarmName"]}" in {_region_name(transition.region)}'
    return told if len(told) <= LONGEST_SUBJECT else told[: LONGEST_SUBJECT - 3] + "..."


def message(transition: Transition) -> dict[str, Any]:
    """The message about a transition."""
    alarm = transition.after
    return {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": timestamp(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": alarm["StateValue"],
        "NewStateReason": alarm["StateReason"],
        "StateChangeTime": timestamp(transition.now),
        "Region": _region_name(transition.region),
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": transition.before["StateValue"],
        **{name: alarm[name] for name in ACTIONS.values()},
        "Trigger": _trigger(alarm),
    }


def _trigger(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """What the alarm watches, with the names that older versions of CloudWatch gave it."""
    if "Metrics" in alarm:
        watched: dict[str, Any] = {"Metrics": alarm["Metrics"]}
    else:
        kind = "Statistic" if "Statistic" in alarm else "ExtendedStatistic"
        dimensions = [{"value": each["Value"], "name": each["Name"]} for each in alarm["Dimensions"]]
        watched = {
            "MetricName": alarm["MetricName"],
            "Namespace": alarm["Namespace"],
            "StatisticType": kind,
            kind: _older(alarm[kind]) if kind == "Statistic" else alarm[kind],
            "Unit": alarm.get("Unit"),
            "Dimensions": dimensions,
        }
    told = {"Period": period(alarm), "EvaluationPeriods": alarm["EvaluationPeriods"]}
    if "DatapointsToAlarm" in alarm:
        told["DatapointsToAlarm"] = alarm["DatapointsToAlarm"]
    return (
        watched
        | told
        | {
            "ComparisonOperator": alarm["ComparisonOperator"],
            "Threshold": float(alarm["Threshold"]),
            "TreatMissingData": alarm.get("TreatMissingData", "missing"),
            "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile", ""),
        }
    )


def _older(statistic: str) -> str:
    return {"SampleCount": "SAMPLE_COUNT"}.get(statistic, statistic.upper())


@cache
def _region_name(region: str) -> str:
    """The name of a region for people, such as ``US East (N. Virginia)``."""
    from botocore.session import get_session

    partitions = get_session().get_data("endpoints")["partitions"]
    names = {code: told["description"] for each in partitions for code, told in each["regions"].items()}
    return str(names.get(region, region))
