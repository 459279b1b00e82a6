"""Messages to SNS: their form, one for each transition and none without one."""

from __future__ import annotations

import pytest

from tests.cloudwatch import Watch
from tests.local.aws.cloudwatch.test_alarms import OF_METRICS, TOPIC, query


def states(watch: Watch) -> list[str]:
    return [message["NewStateValue"] for _, message in watch.messages()]


def test_the_message_has_the_form_of_aws(watch: Watch) -> None:
    arn = watch.topic()
    watch.alarm(
        AlarmDescription="Skill of a pair", AlarmActions=[arn], DatapointsToAlarm=1,
        TreatMissingData="notBreaching",
    )  # fmt: skip
    watch.minute()
    assert watch.messages() == []
    assert watch.minute(-0.5) == "ALARM"
    (told,) = watch.messages()
    subject, message = told
    assert subject == 'ALARM: "low" in US East (N. Virginia)'
    assert message == {
        "AlarmName": "low",
        "AlarmDescription": "Skill of a pair",
        "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2024-07-01T12:00:05.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 1 out of the last 1 datapoints [-0.5 (01/07/24 12:01:00)] was "
        "less than the threshold (0.0) (minimum 1 datapoint for OK -> ALARM transition).",
        "StateChangeTime": "2024-07-01T12:02:05.000+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:low",
        "OldStateValue": "OK",
        "OKActions": [],
        "AlarmActions": [arn],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "skill",
            "Namespace": "bqx",
            "StatisticType": "Statistic",
            "Statistic": "AVERAGE",
            "Unit": None,
            "Dimensions": [{"value": "eurusd", "name": "pair"}],
            "Period": 60,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 0.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        },
    }
    assert watch.history("Action") == [f"Successfully executed action {arn}"]


def test_a_transition_is_told_once_and_nothing_else_is(watch: Watch) -> None:
    arn = watch.topic()
    watch.alarm(AlarmActions=[arn], OKActions=[arn], InsufficientDataActions=[arn])
    for value, expected in (
        (1.0, ["OK"]),
        (1.0, []),
        (-1.0, ["ALARM"]),
        (-1.0, []),
        (2.0, ["OK"]),
    ):
        watch.minute(value)
        assert states(watch) == expected
    for expected in ([], [], ["INSUFFICIENT_DATA"], []):
        watch.minute()
        assert states(watch) == expected


def test_each_state_has_its_own_actions(watch: Watch) -> None:
    good, bad = watch.topic("good"), watch.topic("bad")
    watch.alarm(AlarmActions=[bad], OKActions=[good])
    for value in (1.0, -1.0):
        watch.minute(value)
    assert [message["NewStateValue"] for _, message in watch.messages("good")] == ["OK"]
    assert [message["NewStateValue"] for _, message in watch.messages("bad")] == ["ALARM"]


def test_disabled_actions_are_not_carried_out(watch: Watch) -> None:
    arn = watch.topic()
    watch.alarm(AlarmActions=[arn], OKActions=[arn])
    watch.client.disable_alarm_actions(AlarmNames=["low", "none"])
    assert watch.minute(-1.0) == "ALARM"
    assert watch.messages() == []
    assert watch.history("Action") == []
    assert not watch.describe()["ActionsEnabled"]
    watch.client.enable_alarm_actions(AlarmNames=["low"])
    assert watch.minute(1.0) == "OK"
    assert states(watch) == ["OK"]


def test_a_state_that_is_set_is_told_if_it_is_another_one(watch: Watch) -> None:
    arn = watch.topic()
    watch.alarm(AlarmActions=[arn])
    watch.evaluate()  # else the first evaluation of the alarm may come in between
    for reason in ("a test", "again"):
        watch.client.set_alarm_state(AlarmName="low", StateValue="ALARM", StateReason=reason)
    assert [message["NewStateReason"] for _, message in watch.messages()] == ["a test"]
    assert watch.describe()["StateReason"] == "again"


def test_percentiles_and_expressions_in_the_message(watch: Watch) -> None:
    arn = watch.topic()
    watch.alarm("slow", Statistic=None, ExtendedStatistic="p99", AlarmActions=[arn])
    queries = [{"Id": "e1", "Expression": "skill * 2"}, query("skill", ReturnData=False)]
    watch.alarm("twice", Metrics=queries, AlarmActions=[arn], **OF_METRICS)
    for name in ("slow", "twice"):
        watch.client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    slow, twice = (message["Trigger"] for _, message in watch.messages())
    assert (slow["StatisticType"], slow["ExtendedStatistic"]) == ("ExtendedStatistic", "p99")
    assert "Statistic" not in slow
    assert twice["Metrics"] == queries
    assert (twice["Period"], "MetricName" in twice) == (60, False)


@pytest.mark.parametrize(
    ("arn", "error"),
    [
        (TOPIC, f"Topic does not exist: {TOPIC}"),
        ("arn:aws:lambda:us-east-1:123456789012:function:f", "has actions for topics of SNS alone"),
    ],
)
@pytest.mark.parametrize("loaded", [False, True])
def test_an_action_that_fails_is_in_the_history_alone(
    watch: Watch, arn: str, error: str, loaded: bool
) -> None:
    if loaded:
        watch.topic("other")
    watch.alarm(AlarmActions=[arn])
    assert watch.minute(-1.0) == "ALARM"
    (told,) = watch.history("Action")
    assert told.startswith(f"Failed to execute action {arn}. Received error:")
    assert error in told


def test_a_subject_is_not_longer_than_sns_takes(watch: Watch) -> None:
    arn, name = watch.topic(), "a" * 120
    watch.alarm(name, AlarmActions=[arn])
    watch.client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    (told,) = watch.messages()
    assert (len(told[0]), told[0][:11], told[1]["AlarmName"]) == (100, 'ALARM: "aaa', name)
