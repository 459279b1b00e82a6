"""Alarms that fire by the values of metrics, minute by minute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local.aws.cloudwatch.data import HOUR
from tests.cloudwatch import Watch, watched
from tests.local.aws.cloudwatch.test_alarms import TOPIC
from tests.sagemaker import wait_for


def test_an_alarm_follows_the_minutes(watch: Watch) -> None:
    watch.alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    states = [watch.minute(value) for value in (1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 1.0)]
    assert states == ["OK", "OK", "OK", "ALARM", "OK", "OK", "OK"]


def test_a_minute_counts_when_it_is_over_and_has_settled(watch: Watch) -> None:
    watch.alarm(TreatMissingData="notBreaching")
    watch.evaluate()
    watch.put(-1.0)
    watch.clock.turn(56)  # one second after the end of the minute
    watch.evaluate()
    assert watch.state() == "OK"
    watch.put(3.0, ago=2)  # a late value of the minute that has ended
    watch.clock.turn(1)
    watch.evaluate()
    assert watch.state() == "OK"
    assert watch.minute(-1.0) == "ALARM"


def test_other_dimensions_do_not_fire_an_alarm(watch: Watch) -> None:
    watch.alarm(TreatMissingData="notBreaching")
    assert watch.minute(-1.0, Dimensions=[{"Name": "pair", "Value": "gbpusd"}]) == "OK"
    assert watch.minute(-1.0, Dimensions=None) == "OK"
    assert watch.minute(-1.0) == "ALARM"


@pytest.mark.parametrize(
    ("treatment", "states"),
    [
        # Two periods more than one are looked at, so a lost value is known for two minutes.
        ("missing", ["ALARM", "ALARM", "ALARM", "INSUFFICIENT_DATA"]),
        ("ignore", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("breaching", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("notBreaching", ["ALARM", "ALARM", "ALARM", "OK"]),
    ],
)
def test_silence_after_a_bad_value(watch: Watch, treatment: str, states: list[str]) -> None:
    watch.alarm(TreatMissingData=treatment)
    assert [watch.minute(-1.0), *(watch.minute() for _ in range(3))] == states


def test_breaching_silence_fires_by_itself(watch: Watch) -> None:
    watch.alarm(TreatMissingData="breaching", EvaluationPeriods=2)
    assert watch.minute() == "ALARM"
    assert watch.describe()["StateReason"] == (
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated "
        "as [Breaching]."
    )


def test_a_percentile_is_that_of_all_values_of_the_period(watch: Watch) -> None:
    values = np.random.default_rng(3).exponential(50.0, 120)
    limit = float(np.percentile(values, 99))
    for name, threshold in (("low", limit * 1.0001), ("high", limit * 0.9999)):
        watch.alarm(
            name, Statistic=None, ExtendedStatistic="p99", Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    watch.minute(*values.tolist())
    assert (watch.state("low"), watch.state("high")) == ("OK", "ALARM")


@pytest.mark.parametrize(("count", "state"), [(999, "INSUFFICIENT_DATA"), (1000, "ALARM")])
def test_a_percentile_may_wait_for_enough_samples(watch: Watch, count: int, state: str) -> None:
    watch.alarm(
        Statistic=None, ExtendedStatistic="p99", EvaluateLowSampleCountPercentile="ignore", Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    assert watch.minute(9.0, Counts=[count]) == state


def test_short_periods_are_evaluated_every_ten_seconds(watch: Watch) -> None:
    watch.alarm(Period=10, TreatMissingData="notBreaching")
    watch.evaluate()
    watch.put(-1.0, StorageResolution=1)
    watch.clock.turn(6)
    watch.evaluate()
    assert watch.state() == "OK"
    watch.clock.turn(1)
    watch.evaluate()
    assert watch.state() == "ALARM"


def test_long_periods_slide_with_the_minutes(watch: Watch) -> None:
    watch.alarm(Period=300, Statistic="Sum", Threshold=10.0, ComparisonOperator="GreaterThanThreshold")
    states = [watch.minute(4.0) for _ in range(4)]
    assert states == ["OK", "OK", "ALARM", "ALARM"]
    assert "[12.0 (01/07/24 11:58:00)]" in watch.describe()["StateReason"]


def test_alarms_are_evaluated_without_being_asked(watch: Watch) -> None:
    watch.alarm()
    watch.put(-1.0)
    watch.clock.turn(60)
    wait_for(lambda: watch.state() == "ALARM")


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        clock = watch.clock
        watch.alarm(AlarmActions=[TOPIC])
        watch.client.put_dashboard(DashboardName="cost", DashboardBody='{"widgets": []}')
        watch.minute(-1.0)
        before, history = watch.describe(), watch.history("StateUpdate")
    with watched(tmp_path, clock) as watch:
        assert watch.describe() == before
        watch.evaluate()
        assert (watch.history("StateUpdate"), watch.describe()) == (history, before)
        assert watch.client.get_dashboard(DashboardName="cost")["DashboardBody"] == '{"widgets": []}'
        assert [each["MetricName"] for each in watch.client.list_metrics()["Metrics"]] == ["skill"]
        assert watch.minute(1.0) == "OK"
        clock.turn(31 * 24 * HOUR)  # history is kept for 30 days
        wait_for(lambda: watch.history("StateUpdate") == ["Alarm updated from OK to INSUFFICIENT_DATA"])
