"""GetMetricStatistics, GetMetricData and ListMetrics over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.aws.cloudwatch.data import DAY, HOUR
from tests.cloudwatch import MINUTE, NAMESPACE, PAIR, Watch
from tests.local.aws.test_control import refused

NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


def stat(name: str = "skill", statistic: str = "Average", period: int = MINUTE) -> dict[str, Any]:
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": PAIR}
    return {"MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}


def ask(watch: Watch, *queries: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"StartTime": NOON - timedelta(minutes=5), "EndTime": NOON + timedelta(minutes=5)} | more
    return dict(watch.client.get_metric_data(MetricDataQueries=list(queries), **asked))


def values(told: dict[str, Any]) -> dict[str, list[float]]:
    return {each["Id"]: each["Values"] for each in told["MetricDataResults"]}


@pytest.fixture
def filled(watch: Watch) -> Watch:
    """Errors 1, 2, 3 and requests 10, 0, 30 in the three minutes before noon."""
    for minutes, errors, requests in ((3, 1.0, 10.0), (2, 2.0, 0.0), (1, 3.0, 30.0)):
        watch.put(errors, name="errors", ago=60 * minutes)
        watch.put(requests, name="requests", ago=60 * minutes)
    return watch


def test_series_come_in_both_directions(filled: Watch) -> None:
    told = ask(filled, {"Id": "m1", **stat("errors")})["MetricDataResults"][0]
    assert (told["Label"], told["StatusCode"]) == ("errors", "Complete")
    assert told["Values"] == [3.0, 2.0, 1.0]
    assert told["Timestamps"][0] == NOON - timedelta(minutes=1)
    told = ask(filled, {"Id": "m1", "Label": "bad", **stat("errors")}, ScanBy="TimestampAscending")
    assert told["MetricDataResults"][0]["Values"] == [1.0, 2.0, 3.0]
    assert told["MetricDataResults"][0]["Label"] == "bad"


def test_expressions_use_each_other_and_hide_their_parts(filled: Watch) -> None:
    told = ask(
        filled,
        {"Id": "percent", "Expression": "100 * share"},
        {"Id": "share", "Expression": "errors / requests", "ReturnData": False},
        {"Id": "errors", "ReturnData": False, **stat("errors")},
        {"Id": "requests", "ReturnData": False, **stat("requests")},
    )
    assert values(told) == {"percent": pytest.approx([10.0, 10.0])}


def test_periods_of_one_request_may_differ(filled: Watch) -> None:
    minutes, all_of_it = {"Id": "m1", **stat("errors")}, {"Id": "m2", **stat("errors", "Sum", 600)}
    assert values(ask(filled, all_of_it, minutes)) == {"m2": [6.0], "m1": [3.0, 2.0, 1.0]}


def test_values_come_in_pages(filled: Watch) -> None:
    queries = [{"Id": "m1", **stat("errors")}, {"Id": "m2", **stat("requests")}]
    first = ask(filled, *queries, MaxDatapoints=4)
    assert values(first) == {"m1": [3.0, 2.0, 1.0], "m2": [30.0]}
    assert [each["StatusCode"] for each in first["MetricDataResults"]] == ["Complete", "PartialData"]
    second = ask(filled, *queries, MaxDatapoints=4, NextToken=first["NextToken"])
    assert values(second) == {"m1": [], "m2": [0.0, 10.0]}
    assert "NextToken" not in second
    asked = {"MetricDataQueries": queries, "StartTime": NOON - timedelta(1), "EndTime": NOON}
    assert refused(filled.client.get_metric_data, **asked, NextToken="none")[0] == "InvalidNextToken"


@pytest.mark.parametrize(
    ("queries", "code", "message"),
    [
        ([{"Id": "m1", **stat()}] * 2, "ValidationError", "are not unique"),
        ([{"Id": "M1", **stat()}], "ValidationError", "lower-case letter"),
        ([{"Id": "m1"}], "ValidationError", "either an Expression or a MetricStat"),
        ([{"Id": "m1", **stat(statistic="tm99")}], "NotImplementedException", "the statistic tm99"),
        ([{"Id": "m1", **stat(period=90)}], "InvalidParameterValue", "multiple of 60"),
        ([{"Id": "e1", "Expression": "e1 + 1"}], "ValidationError", "it cannot use e1"),
        ([{"Id": "e1", "Expression": "m1"}], "ValidationError", "it cannot use m1"),
        ([{"Id": "e1", "Expression": "1"}], "ValidationError", "metrics of one period"),
        (
            [{"Id": "e1", "Expression": "m1 + m2"}, {"Id": "m1", **stat()}, {"Id": "m2", **stat(period=300)}],
            "ValidationError",
            "has [60, 300]",
        ),
    ],
)
def test_queries_that_are_refused(
    watch: Watch, queries: list[dict[str, Any]], code: str, message: str
) -> None:
    found = refused(
        watch.client.get_metric_data, MetricDataQueries=queries, StartTime=NOON - timedelta(1), EndTime=NOON
    )
    assert (found[0], message in found[1]) == (code, True), found


def test_the_start_is_rounded_and_the_end_is_left_out(watch: Watch) -> None:
    for ago in (0, 60, 120):
        watch.put(float(ago), ago=ago)
    found = watch.client.get_metric_statistics(
        Namespace=NAMESPACE, MetricName="skill", Dimensions=PAIR, Period=60, Statistics=["Sum"],
        StartTime=NOON - timedelta(seconds=31), EndTime=NOON,
    )  # fmt: skip
    (point,) = found["Datapoints"]
    assert (found["Label"], point["Sum"], point["Timestamp"]) == ("skill", 60.0, NOON - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ({"Statistics": None}, "InvalidParameterCombination", "At least one of the parameters Statistics"),
        ({"StartTime": NOON}, "InvalidParameterValue", "StartTime must be less than the parameter EndTime"),
        ({"StartTime": NOON - timedelta(2)}, "InvalidParameterCombination", "up to 2,880 datapoints"),
        ({"Period": 45}, "InvalidParameterValue", "multiple of 60"),
        ({"ExtendedStatistics": ["tm90"]}, "InvalidParameterValue", "tm90"),
    ],
)
def test_statistics_that_are_refused(watch: Watch, more: dict[str, Any], code: str, message: str) -> None:
    asked = {
        "Namespace": NAMESPACE, "MetricName": "skill", "StartTime": NOON - timedelta(hours=1),
        "EndTime": NOON, "Period": 60, "Statistics": ["Sum"],
    } | more  # fmt: skip
    asked = {name: value for name, value in asked.items() if value is not None}
    found = refused(watch.client.get_metric_statistics, **asked)
    assert (found[0], message in found[1]) == (code, True), found


def test_metrics_are_listed_by_their_parts(watch: Watch) -> None:
    watch.put(1.0)
    watch.put(1.0, Dimensions=[*PAIR, {"Name": "horizon", "Value": "15"}])
    watch.put(1.0, name="r2", Dimensions=[{"Name": "pair", "Value": "gbpusd"}])
    ask = watch.client.list_metrics
    assert len(ask(Namespace=NAMESPACE)["Metrics"]) == 3
    assert ask(Namespace="other")["Metrics"] == []
    assert [each["MetricName"] for each in ask(MetricName="r2")["Metrics"]] == ["r2"]
    assert len(ask(Dimensions=[{"Name": "pair"}])["Metrics"]) == 3
    assert len(ask(Dimensions=[{"Name": "pair", "Value": "eurusd"}])["Metrics"]) == 2
    assert len(ask(Dimensions=[*PAIR, {"Name": "horizon", "Value": "15"}])["Metrics"]) == 1


def test_metrics_without_new_values_are_not_listed_any_more(watch: Watch) -> None:
    watch.put(1.0)
    watch.clock.turn(4 * HOUR)
    watch.put(1.0, name="r2")
    names = [each["MetricName"] for each in watch.client.list_metrics(RecentlyActive="PT3H")["Metrics"]]
    assert names == ["r2"]
    watch.clock.turn(14 * DAY - HOUR)
    assert [each["MetricName"] for each in watch.client.list_metrics()["Metrics"]] == ["r2"]


def test_metrics_come_in_pages(watch: Watch) -> None:
    for first in (0, 300):
        data = [{"MetricName": f"m{number:03}", "Value": 1.0} for number in range(first, first + 300)]
        watch.client.put_metric_data(Namespace=NAMESPACE, MetricData=data)
    pages = list(watch.client.get_paginator("list_metrics").paginate(Namespace=NAMESPACE))
    assert [len(page["Metrics"]) for page in pages] == [500, 100]
    names = [metric["MetricName"] for page in pages for metric in page["Metrics"]]
    assert names == [f"m{number:03}" for number in range(600)]
