"""The operations on alarms over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cloudwatch import MINUTE, NAMESPACE, PAIR, START, Watch
from tests.local.aws.test_control import refused

TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
CREATED = datetime.fromtimestamp(START, UTC)


def query(name: str, period: int = MINUTE, **more: Any) -> dict[str, Any]:
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": PAIR}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}, **more}


def test_a_new_alarm_has_not_seen_anything(watch: Watch) -> None:
    watch.clock.turn(-4)  # no evaluation is due before this minute has settled
    watch.evaluate()
    watch.alarm(AlarmActions=[TOPIC], TreatMissingData="ignore", Tags=[{"Key": "owner", "Value": "bqx"}])
    told = watch.describe()
    assert told["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:low"
    assert (told["StateValue"], told["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )
    assert (
        told["StateUpdatedTimestamp"]
        == told["AlarmConfigurationUpdatedTimestamp"]
        == CREATED - timedelta(seconds=4)
    )
    assert (told["AlarmActions"], told["OKActions"], told["ActionsEnabled"]) == ([TOPIC], [], True)
    assert (told["Statistic"], told["Period"], told["Threshold"]) == ("Average", 60, 0.0)
    assert "revision" not in told
    assert "Tags" not in told
    assert watch.history("ConfigurationUpdate") == ['Alarm "low" created']


def test_an_update_replaces_all_but_the_state(watch: Watch) -> None:
    watch.alarm(AlarmDescription="old", TreatMissingData="notBreaching")
    assert watch.minute(-1.0) == "ALARM"
    reason = watch.describe()["StateReason"]
    watch.alarm(TreatMissingData="ignore", Threshold=-2.0)
    told = watch.describe()
    assert (told["Threshold"], told["StateReason"]) == (-2.0, reason)
    assert "AlarmDescription" not in told
    watch.evaluate()  # an alarm that has changed is looked at without waiting for the next minute
    assert watch.state() == "OK"
    assert watch.history("ConfigurationUpdate") == ['Alarm "low" created', 'Alarm "low" updated']


def test_alarms_are_described_by_name_state_and_action(watch: Watch) -> None:
    watch.alarm("low", AlarmActions=[TOPIC])
    watch.alarm("lower")
    watch.alarm("high", ComparisonOperator="GreaterThanThreshold")
    watch.minute(-1.0)

    def names(**asked: Any) -> list[str]:
        return [each["AlarmName"] for each in watch.client.describe_alarms(**asked)["MetricAlarms"]]

    assert names() == ["high", "low", "lower"]
    assert names(AlarmNamePrefix="low") == ["low", "lower"]
    assert names(AlarmNames=["high", "none"]) == ["high"]
    assert names(StateValue="ALARM") == ["low", "lower"]
    assert names(ActionPrefix="arn:aws:sns") == ["low"]
    assert names(AlarmTypes=["CompositeAlarm"]) == []
    pages = watch.client.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["MetricAlarms"]) for page in pages] == [2, 1]
    both = {"AlarmNames": ["low"], "AlarmNamePrefix": "low"}
    assert refused(watch.client.describe_alarms, **both)[0] == "InvalidParameterCombination"


def test_alarms_of_a_metric(watch: Watch) -> None:
    watch.alarm("low")
    watch.alarm("slow", Statistic=None, ExtendedStatistic="p99", Period=300)
    watch.alarm("other", Dimensions=[{"Name": "pair", "Value": "gbpusd"}])

    def names(**more: Any) -> list[str]:
        asked = {"MetricName": "skill", "Namespace": NAMESPACE, "Dimensions": PAIR} | more
        return [
            each["AlarmName"] for each in watch.client.describe_alarms_for_metric(**asked)["MetricAlarms"]
        ]

    assert names() == ["low", "slow"]
    assert names(Statistic="Average") == ["low"]
    assert names(ExtendedStatistic="p99", Period=300) == ["slow"]
    assert names(Dimensions=[]) == []


def test_deleted_alarms_keep_their_history(watch: Watch) -> None:
    watch.alarm("low")
    watch.minute(-1.0)
    code, message = refused(watch.client.delete_alarms, AlarmNames=["none", "low"])
    assert (code, "none" in message) == ("ResourceNotFound", True)
    assert watch.client.describe_alarms()["MetricAlarms"] == []
    assert watch.history("ConfigurationUpdate") == ['Alarm "low" created', 'Alarm "low" deleted']
    assert watch.history("StateUpdate") == ["Alarm updated from INSUFFICIENT_DATA to ALARM"]
    watch.alarm("low")
    watch.client.delete_alarms(AlarmNames=["low"])


def test_a_state_that_was_set_lasts_until_the_next_evaluation(watch: Watch) -> None:
    watch.alarm(TreatMissingData="notBreaching")
    assert watch.minute() == "OK"
    watch.client.set_alarm_state(
        AlarmName="low", StateValue="ALARM", StateReason="a test", StateReasonData='{"by": "hand"}'
    )
    watch.evaluate()
    told = watch.describe()
    assert (told["StateValue"], told["StateReason"], told["StateReasonData"]) == (
        "ALARM", "a test", '{"by": "hand"}',
    )  # fmt: skip
    assert watch.minute() == "OK"
    assert watch.history("StateUpdate")[-2:] == [
        "Alarm updated from OK to ALARM", "Alarm updated from ALARM to OK",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"AlarmName": "none"}, "ResourceNotFound"),
        ({"AlarmName": "low", "StateReasonData": "{"}, "InvalidFormat"),
        ({"AlarmName": "low", "StateValue": "FINE"}, "ValidationError"),
    ],
)
def test_states_that_cannot_be_set(watch: Watch, asked: dict[str, Any], code: str) -> None:
    watch.alarm()
    asked = {"StateValue": "ALARM", "StateReason": "a test"} | asked
    assert refused(watch.client.set_alarm_state, **asked)[0] == code


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ({"Threshold": None}, "ValidationError", "The parameter Threshold is required"),
        ({"Period": None}, "ValidationError", "The parameter Period is required"),
        ({"Statistic": None}, "ValidationError", "Exactly one of Statistic and ExtendedStatistic"),
        ({"ExtendedStatistic": "p99"}, "ValidationError", "Exactly one of Statistic and ExtendedStatistic"),
        ({"Period": 45}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
        ({"Period": 5}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
        ({"EvaluationPeriods": 1441}, "ValidationError", "must be at most 86400"),
        ({"Period": 86_400, "EvaluationPeriods": 8}, "ValidationError", "must be at most 604800"),
        ({"DatapointsToAlarm": 2}, "ValidationError", "must not be greater than EvaluationPeriods"),
        ({"TreatMissingData": "good"}, "ValidationError", "missing, ignore, breaching, notBreaching"),
        ({"EvaluateLowSampleCountPercentile": "ignore"}, "ValidationError", "for alarms on percentiles"),
        ({"AlarmActions": ["alerts"]}, "ValidationError", "Invalid arn syntax: alerts"),
        ({"Statistic": "Median"}, "ValidationError", "enum value set"),
        ({"Statistic": None, "ExtendedStatistic": "tm99"}, "NotImplementedException", "statistic tm99"),
        ({"MetricName": None}, "ValidationError", "either MetricName or Metrics"),
        ({"Metrics": [query("m1")]}, "ValidationError", "either MetricName or Metrics"),
        ({"MetricName": None, "Metrics": [query("m1")]}, "ValidationError", "together with Metrics"),
        ({"ThresholdMetricId": "e1"}, "NotImplementedException", "ThresholdMetricId"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "NotImplementedException", "anomaly"),
        ({"EvaluationWindow": {"WallClockWindow": {}}}, "NotImplementedException", "WallClockWindow"),
    ],
)
def test_alarms_that_are_refused(watch: Watch, more: dict[str, Any], code: str, message: str) -> None:
    found = refused(watch.alarm, **more)
    assert (found[0], message in found[1]) == (code, True), found
    assert watch.client.describe_alarms()["MetricAlarms"] == []


OF_METRICS: dict[str, Any] = dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period"))


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([query("m1"), query("m2")], "Exactly one element of the metrics list should return data"),
        ([query("m1"), query("m2", 300, ReturnData=False)], "must have the same period"),
        ([{"Id": "e1", "Expression": "m1 / m2"}, query("m1", ReturnData=False)], "it cannot use m2"),
        ([{"Id": "e1", "Expression": "SUM(m1)"}, query("m1", ReturnData=False)], "Unsupported expression"),
    ],
)
def test_alarms_on_expressions_that_are_refused(
    watch: Watch, queries: list[dict[str, Any]], message: str
) -> None:
    found = refused(watch.alarm, Metrics=queries, **OF_METRICS)
    assert (found[0], message in found[1]) == ("ValidationError", True), found


def test_an_alarm_on_an_expression(watch: Watch) -> None:
    watch.alarm(
        **OF_METRICS, Threshold=0.1, ComparisonOperator="GreaterThanThreshold",
        Metrics=[
            {"Id": "share", "Expression": "errors / requests", "Label": "share of errors"},
            query("errors", ReturnData=False),
            query("requests", ReturnData=False),
        ],
    )  # fmt: skip
    watch.put(100.0, name="requests")
    assert watch.minute(5.0, name="errors") == "OK"
    watch.put(100.0, name="requests")
    assert watch.minute(11.0, name="errors") == "ALARM"
    assert "[0.11 (01/07/24 12:01:00)] was greater than" in watch.describe()["StateReason"]
    assert [each["Id"] for each in watch.describe()["Metrics"]] == ["share", "errors", "requests"]


def test_history_is_found_by_kind_and_time(watch: Watch) -> None:
    watch.alarm()
    watch.minute(1.0)
    watch.minute(-1.0)
    ask = watch.client.describe_alarm_history
    items = ask(AlarmName="low")["AlarmHistoryItems"]  # the newest first
    assert [each["HistoryItemType"] for each in items] == [
        "StateUpdate",
        "StateUpdate",
        "ConfigurationUpdate",
    ]
    created = json.loads(items[-1]["HistoryData"])
    assert (created["type"], created["createdAlarm"]["alarmName"]) == ("Create", "low")
    assert created["createdAlarm"]["okactions"] == []
    assert not {"revision", "tags"} & set(created["createdAlarm"])
    newest = items[0]
    assert (newest["AlarmType"], newest["Timestamp"]) == ("MetricAlarm", CREATED + timedelta(minutes=2))
    data = json.loads(newest["HistoryData"])
    assert (data["oldState"]["stateValue"], data["newState"]["stateValue"]) == ("OK", "ALARM")
    assert data["newState"]["stateReason"] == watch.describe()["StateReason"]
    assert data["newState"]["stateReasonData"]["recentDatapoints"] == [-1.0]
    some = ask(StartDate=CREATED + timedelta(seconds=30), EndDate=CREATED + timedelta(seconds=90))
    assert [each["HistorySummary"] for each in some["AlarmHistoryItems"]] == [
        "Alarm updated from INSUFFICIENT_DATA to OK"
    ]
    pages = watch.client.get_paginator("describe_alarm_history").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["AlarmHistoryItems"]) for page in pages] == [2, 1]
    assert ask(AlarmTypes=["CompositeAlarm"])["AlarmHistoryItems"] == []
    assert refused(ask, NextToken="none")[0] == "InvalidNextToken"


def test_regions_have_alarms_and_metrics_of_their_own(watch: Watch) -> None:
    watch.alarm()
    watch.minute(-1.0)
    other = watch.other_region("eu-west-1")
    assert other.describe_alarms()["MetricAlarms"] == []
    assert other.list_metrics()["Metrics"] == []
