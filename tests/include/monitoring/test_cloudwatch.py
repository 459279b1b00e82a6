"""Requests to CloudWatch: what botocore takes, an alarm for each rule, nothing where there are no data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from include.monitoring import dashboards
from include.monitoring.cloudwatch import MOST_DATA, alarms, metric_data
from include.monitoring.declaration import TITLES, declared
from include.monitoring.values import CRITICAL, WARNING, Reading
from include.pairs import PAIRS
from tests.include.monitoring.worlds import BUDGET

VALUES = declared(BUDGET)
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def client() -> Iterator[Any]:
    made = boto3.client(
        "cloudwatch", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    yield made
    made.close()


def test_a_reading_is_a_metric_with_its_dimensions() -> None:
    readings = [
        Reading("skill", 0.1),
        Reading("skill", 0.2, "eurusd"),
        Reading("skill", 0.3, "eurusd", 15),
        Reading("coverage", 0.9, "eurusd"),  # of pairs it is in the table alone
        Reading("latency_p99", 9.0),  # CloudWatch has it from SageMaker
        Reading("mae_change", None, "eurusd"),
        Reading("mae_change", math.nan),
        Reading("cost_of_line", 45.0, line="Training"),
    ]
    (request,) = metric_data(VALUES, readings, "bqx", NOW)
    assert request["Namespace"] == "BQX"
    told = [
        (each["MetricName"], {d["Name"]: d["Value"] for d in each["Dimensions"]}, each["Value"])
        for each in request["MetricData"]
    ]
    assert told == [
        ("skill", {"Endpoint": "bqx"}, 0.1),
        ("skill", {"Endpoint": "bqx", "Pair": "eurusd"}, 0.2),
        ("cost_of_line", {"Endpoint": "bqx", "Line": "Training"}, 45.0),
    ]
    assert {each["Timestamp"] for each in request["MetricData"]} == {NOW}


def test_what_is_sent_costs_less_than_the_monitoring_of_the_plan() -> None:
    """$0.30 a month for a metric, by the hours in which it is sent, and $0.10 for an alarm."""
    of_pairs = [Reading(name, 1.0, pair) for name, value in VALUES.items() if value.overall for pair in PAIRS]
    over_all = [Reading(name, 1.0) for name, value in VALUES.items() if value.metric.is_own]
    (request,) = metric_data(VALUES, [*of_pairs, *over_all], "bqx", NOW)
    dollars = 0.30 * len(request["MetricData"]) * 6 / 24 + 0.10 * len(alarms(VALUES, "bqx"))
    assert 15 < dollars < 25


def test_requests_are_as_large_as_cloudwatch_takes_them(client: Any) -> None:
    many = [Reading("skill", float(number), "eurusd") for number in range(2_500)]
    requests = metric_data(VALUES, many, "bqx", NOW)
    assert [len(each["MetricData"]) for each in requests] == [MOST_DATA, MOST_DATA, 500]
    assert metric_data(VALUES, [], "bqx", NOW) == []
    with Stubber(client) as stub:  # validates the request by the service's own model
        stub.add_response("put_metric_data", {}, requests[0])
        client.put_metric_data(**requests[0])


def test_there_is_an_alarm_for_each_rule_and_the_service_model_takes_it(client: Any) -> None:
    found = alarms(VALUES, "bqx")
    names = [each["AlarmName"] for each in found]
    assert len(names) == len(set(names)) == sum(len(value.rules) for value in VALUES.values())
    with Stubber(client) as stub:
        for each in found:
            stub.add_response("put_metric_alarm", {}, each)
            client.put_metric_alarm(**each)
    for each in found:
        assert not [name for name in each if name.endswith("Actions")], "bqx_alert reads the states"
        assert "docs/runbooks/" in each["AlarmDescription"]
        assert ("Statistic" in each) != ("ExtendedStatistic" in each)


def test_limits_are_in_the_unit_of_the_metric() -> None:
    by_name = {each["AlarmName"]: each for each in alarms(VALUES, "bqx")}
    slow = by_name["bqx-latency_p99-critical"]
    assert (slow["Threshold"], slow["ExtendedStatistic"], slow["Namespace"]) == (
        500_000.0,
        "p99",
        "AWS/SageMaker",
    )
    assert (slow["Period"], slow["EvaluationPeriods"], slow["DatapointsToAlarm"]) == (60, 10, 10)
    assert slow["Dimensions"] == [
        {"Name": "EndpointName", "Value": "bqx"}, {"Name": "VariantName", "Value": "all"},
    ]  # fmt: skip
    worse = by_name["bqx-mae_change-warning"]
    assert (worse["Threshold"], worse["ComparisonOperator"]) == (0.2, "GreaterThanThreshold")
    assert worse["Dimensions"] == [{"Name": "Endpoint", "Value": "bqx"}]
    gone = by_name["bqx-requests-critical"]
    assert (gone["ComparisonOperator"], gone["TreatMissingData"]) == ("LessThanThreshold", "breaching")


BODIES = {
    "performance": dashboards.performance(VALUES, "bqx", "eu-west-1", PAIRS),
    "cost": dashboards.cost(VALUES, BUDGET, "bqx", "eu-west-1"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_dashboard_is_what_cloudwatch_takes(name: str) -> None:
    """The rules of a body: 24 columns, no widget on another one, known members, at most 500 lines."""
    body = json.loads(json.dumps(BODIES[name], allow_nan=False))
    assert set(body) == {"start", "periodOverride", "widgets"}
    taken: set[tuple[int, int]] = set()
    for widget in body["widgets"]:
        assert set(widget) == {"type", "x", "y", "width", "height", "properties"}
        assert 0 <= widget["x"] <= widget["x"] + widget["width"] <= 24
        assert 1 <= widget["height"] <= 1000
        cells = {
            (widget["x"] + right, widget["y"] + down)
            for right in range(widget["width"])
            for down in range(widget["height"])
        }
        assert not cells & taken
        taken |= cells
        if widget["type"] == "text":
            assert set(widget["properties"]) == {"markdown"}
            continue
        assert widget["type"] == "metric"
        _check_metrics(widget["properties"])
    assert len(body["widgets"]) <= 500
    rows = sorted({y for _, y in taken})
    assert all(after == before + 1 for before, after in pairwise(rows)), "no empty stripe"


def _check_metrics(properties: dict[str, Any]) -> None:
    assert set(properties) <= {"title", "metrics", "region", "view", "stacked", "annotations"}
    assert properties["region"] == "eu-west-1"
    assert 1 <= len(properties["metrics"]) <= 500
    ids = [line[-1]["id"] for line in properties["metrics"] if "id" in line[-1]]
    assert len(ids) == len(set(ids))
    for line in properties["metrics"]:
        *told, options = line
        if not told:
            assert {"expression", "label", "id"} == set(options)
            assert options["expression"].split()[0] in ids
            continue
        assert len(told) % 2 == 0, "namespace, name, and pairs of dimension and value"
        assert all(isinstance(each, str) and each for each in told)
        assert {"stat", "period", "label"} <= set(options)
        assert options["period"] in (60, 14_400)
    for each in properties.get("annotations", {}).get("horizontal", []):
        assert set(each) == {"value", "label", "color"}


def test_every_value_is_drawn_once_and_its_limits_with_it() -> None:
    drawn = [name for charts in dashboards.CHARTS.values() for chart in charts for name in chart.names]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) | {"cost", "cost_of_line", "saved_of_line"} == set(VALUES)
    assert set(dashboards.CHARTS) | {"cost"} == set(TITLES)
    limits = [
        each["label"]
        for body in BODIES.values()
        for widget in body["widgets"]
        for each in widget["properties"].get("annotations", {}).get("horizontal", [])
    ]
    rules = [level for value in VALUES.values() for level in value.rules]
    assert (limits.count(WARNING), limits.count(CRITICAL)) == (rules.count(WARNING), rules.count(CRITICAL))


def test_the_cost_of_each_line_stands_beside_the_plan() -> None:
    text = json.dumps(BODIES["cost"])
    for told in ("plan, $180 a month", "before, $257", "planned saving $77", "$400"[1:]):
        assert told in text
