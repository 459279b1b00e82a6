"""Dashboards over HTTP, and which bodies CloudWatch could show."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.aws.cloudwatch.dashboard_body import problems
from tests.cloudwatch import START, Watch
from tests.local.aws.test_control import refused

METRIC = ["bqx", "skill", "pair", "eurusd"]
LINES: dict[str, Any] = {"region": "us-east-1", "metrics": [METRIC]}


def widget(kind: str = "metric", place: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """A widget of metrics in the left half, unless told otherwise."""
    told = LINES | properties if kind == "metric" else properties
    told = {name: value for name, value in told.items() if value is not None}
    return {"type": kind, "x": 0, "y": 0, "width": 12, "height": 6, "properties": told} | (place or {})


def body(*widgets: Any, **more: Any) -> str:
    return json.dumps({"widgets": list(widgets), **more})


GOOD = body(
    widget(title="Skill", period=300, stat="p99", view="timeSeries", stacked=False),
    widget(
        metrics=[
            [*METRIC, {"id": "m1", "label": "EUR/USD", "visible": False}],
            [".", "r2", ".", "gbpusd", {"id": "m2", "stat": "Maximum", "yAxis": "right"}],
            ["...", "usdjpy"],
            [{"expression": "m1 / m2", "id": "e1"}],
        ],
        annotations={
            "horizontal": [{"value": 0.02, "label": "no skill", "fill": "below", "color": "#9467bd"}],
            "vertical": [[{"value": "2024-07-01T00:00:00Z"}, {"value": "2024-07-02T00:00:00Z"}]],
        },
    ),
    widget(view="gauge", yAxis={"left": {"min": 0, "max": 100}}),
    widget(metrics=None, annotations={"alarms": ["arn:aws:cloudwatch:us-east-1:1:alarm:low"]}),
    widget("text", markdown="# Cost", background="transparent"),
    widget("alarm", alarms=["arn:aws:cloudwatch:us-east-1:1:alarm:low"], title="Alarms"),
    widget("log", region="us-east-1", query="SOURCE 'a' | fields @message", view="table"),
    start="-PT3H",
    periodOverride="inherit",
)


def test_a_dashboard_is_kept_as_it_is(watch: Watch) -> None:
    put = watch.client.put_dashboard
    assert put(DashboardName="performance", DashboardBody=GOOD)["DashboardValidationMessages"] == []
    told = watch.client.get_dashboard(DashboardName="performance")
    assert told["DashboardBody"] == GOOD
    assert told["DashboardArn"] == "arn:aws:cloudwatch::123456789012:dashboard/performance"
    put(DashboardName="cost", DashboardBody=body())
    entries = watch.client.list_dashboards()["DashboardEntries"]
    assert [entry["DashboardName"] for entry in entries] == ["cost", "performance"]
    assert entries[0]["Size"] == len(body())
    assert entries[0]["LastModified"] == datetime.fromtimestamp(START, UTC)
    some = watch.client.list_dashboards(DashboardNamePrefix="perf")["DashboardEntries"]
    assert [entry["DashboardName"] for entry in some] == ["performance"]


def test_a_dashboard_is_replaced_and_deleted(watch: Watch) -> None:
    client = watch.client
    client.put_dashboard(DashboardName="cost", DashboardBody=GOOD, Tags=[{"Key": "a", "Value": "1"}])
    client.put_dashboard(DashboardName="cost", DashboardBody=body())
    told = client.get_dashboard(DashboardName="cost")
    assert told["DashboardBody"] == body()
    arn = told["DashboardArn"]
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    assert refused(client.delete_dashboards, DashboardNames=["none", "cost"]) == (
        "ResourceNotFound", "Dashboard none does not exist",
    )  # fmt: skip
    assert refused(client.get_dashboard, DashboardName="cost")[0] == "ResourceNotFound"
    assert client.list_dashboards()["DashboardEntries"] == []


def test_what_is_wrong_is_told_with_its_place(watch: Watch) -> None:
    wrong = body(widget(metrics=[["bqx", "skill", "pair"]]), widget("text"))
    code, message = refused(watch.client.put_dashboard, DashboardName="cost", DashboardBody=wrong)
    head, _, told = message.partition("\n")
    assert (code, head) == (
        "InvalidParameterInput", "The dashboard body is invalid, there are 2 validation errors:",
    )  # fmt: skip
    assert json.loads(told) == [
        {
            "dataPath": "/widgets/0/properties/metrics/0",
            "message": "Should NOT have more than 2 items",
        },
        {"dataPath": "/widgets/1/properties", "message": "Should have required property 'markdown'"},
    ]
    assert watch.client.list_dashboards()["DashboardEntries"] == []
    named = {"DashboardName": "cost of month", "DashboardBody": body()}
    assert "invalid characters" in refused(watch.client.put_dashboard, **named)[1]
    many = [f"d{number}" for number in range(101)]
    assert refused(watch.client.delete_dashboards, DashboardNames=many)[0] == "InvalidParameterValue"


def test_a_good_body_has_no_problems() -> None:
    assert problems(GOOD) == []
    assert problems(body()) == []
    absolute = {"start": "2024-07-01T00:00:00Z", "end": "2024-07-02T00:00:00Z"}
    assert problems(body(**absolute)) == []


PROPERTIES = "/widgets/0/properties"
METRICS = f"{PROPERTIES}/metrics"
HALF_A_PLACE = {"type": "text", "x": 0, "properties": {"markdown": ""}}


@pytest.mark.parametrize(
    ("told", "path", "message"),
    [
        ("{", "/", "no JSON"),
        ("[]", "/", "Should be object"),
        ("{}", "/", "required property 'widgets'"),
        ('{"widgets": {}}', "/widgets", "Should be array"),
        (body(*[widget()] * 501), "/widgets", "more than 500 items"),
        (body("metric"), "/widgets/0", "Should be object"),
        (body({"properties": {}}), "/widgets/0", "required property 'type'"),
        (body({"type": "metric"}), "/widgets/0", "required property 'properties'"),
        (body({"type": "text", "properties": "a"}), PROPERTIES, "Should be object"),
        (body(widget("picture")), "/widgets/0/type", "one of the allowed values: metric"),
        (body(start="-3H"), "/start", "a relative time such as"),
        (body(end="2024-07-02T00:00:00Z"), "/", "property start"),
        (body(periodOverride="always"), "/periodOverride", "auto, inherit"),
        (body(widget(place={"x": 24})), "/widgets/0/x", "Should be <= 23"),
        (body(widget(place={"x": -1})), "/widgets/0/x", "Should be >= 0"),
        (body(widget(place={"width": 25})), "/widgets/0/width", "Should be <= 24"),
        (body(widget(place={"width": 0})), "/widgets/0/width", "Should be >= 1"),
        (body(widget(place={"height": 1001})), "/widgets/0/height", "Should be <= 1000"),
        (body(widget(place={"y": 1.5})), "/widgets/0/y", "Should be integer"),
        (body(widget(place={"x": 13})), "/widgets/0", "x + width is 25"),
        (body(HALF_A_PLACE), "/widgets/0", "both properties x and y"),
        (body(widget(region=None)), PROPERTIES, "required property 'region'"),
        (body(widget(metrics=None)), PROPERTIES, "annotations with an alarm"),
        (body(widget(annotations={"alarms": ["arn"]})), PROPERTIES, "NOT have metrics beside an alarm"),
        (
            body(widget(metrics=None, annotations={"alarms": ["a", "b"]})),
            f"{PROPERTIES}/annotations/alarms", "more than 1 items",
        ),
        (body(widget(annotations=[])), f"{PROPERTIES}/annotations", "Should be object"),
        (
            body(widget(annotations={"horizontal": [{"label": "a"}]})),
            f"{PROPERTIES}/annotations/horizontal/0", "required property 'value'",
        ),
        (
            body(widget(annotations={"horizontal": [[{"value": 1}]]})),
            f"{PROPERTIES}/annotations/horizontal/0", "Should have 2 items",
        ),
        (body(widget(annotations={"vertical": {}})), f"{PROPERTIES}/annotations/vertical", "Should be array"),
        (body(widget(metrics=[METRIC] * 501)), METRICS, "more than 500 items"),
        (body(widget(metrics=["bqx"])), f"{METRICS}/0", "Should be array"),
        (body(widget(metrics=[["bqx"]])), f"{METRICS}/0", "fewer than 2 items"),
        (
            body(widget(metrics=[["bqx", "skill", {"pair": "eurusd"}, {"stat": "Sum"}]])),
            f"{METRICS}/0/2", 'Invalid metric field type, only "String" type is allowed',
        ),
        (body(widget(metrics=[[".", "skill"]])), f"{METRICS}/0/0", "nothing before"),
        (body(widget(metrics=[METRIC, ["...", "a", "b", "c", "d", "e"]])), f"{METRICS}/1", "more than"),
        (body(widget(metrics=[[*METRIC, {"stat": "tm99"}]])), f"{METRICS}/0/stat", "no statistic"),
        (body(widget(metrics=[[*METRIC, {"period": 90}]])), f"{METRICS}/0/period", "multiple of 60"),
        (body(widget(metrics=[[*METRIC, {"color": "red"}]])), f"{METRICS}/0/color", "a colour"),
        (body(widget(metrics=[[*METRIC, {"id": "M1"}]])), f"{METRICS}/0/id", "lower-case letter"),
        (body(widget(metrics=[[*METRIC, {"yAxis": "top"}]])), f"{METRICS}/0/yAxis", "left, right"),
        (body(widget(view="lines")), f"{PROPERTIES}/view", "timeSeries"),
        (body(widget(view="gauge")), f"{PROPERTIES}/yAxis/left", "min and max"),
        (body(widget(stacked="yes")), f"{PROPERTIES}/stacked", "Should be boolean"),
        (body(widget(title=5)), f"{PROPERTIES}/title", "Should be string"),
        (body(widget(legend={"position": "top"})), f"{PROPERTIES}/legend/position", "right, bottom, hidden"),
        (body(widget("text", markdown=5)), f"{PROPERTIES}/markdown", "Should be string"),
        (body(widget("alarm")), PROPERTIES, "required property 'alarms'"),
        (body(widget("alarm", alarms=[])), f"{PROPERTIES}/alarms", "fewer than 1 items"),
        (body(widget("log", region="us-east-1")), PROPERTIES, "required property 'query'"),
    ],
)  # fmt: skip
def test_what_cloudwatch_could_not_show(told: str, path: str, message: str) -> None:
    (problem,) = problems(told)
    assert (problem.path, message in problem.message) == (path, True), problem
