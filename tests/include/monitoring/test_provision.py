"""Alarms and dashboards become what is declared, in the embedded CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.errors import AwsBusy, BqxError
from include.monitoring.cloudwatch import alarms
from include.monitoring.declaration import declared
from include.monitoring.provision import Provided, provide
from include.monitoring.values import Rule
from include.pairs import PAIRS
from local.aws.trouble import Trouble
from tests.cloudwatch import Watch, watched
from tests.include.monitoring.worlds import BUDGET

VALUES = declared(BUDGET)
BOARDS = ["bqx-monitor-cost", "bqx-monitor-performance"]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with watched(tmp_path / "aws") as watch:
        yield watch


def there(watch: Watch) -> dict[str, dict[str, Any]]:
    pages = watch.client.get_paginator("describe_alarms").paginate()
    return {each["AlarmName"]: each for page in pages for each in page["MetricAlarms"]}


def apply(watch: Watch, values: dict[str, Any] = VALUES, endpoint: str = "bqx") -> Provided:
    return provide(watch.client, values, BUDGET, endpoint, PAIRS)


def test_the_first_time_everything_is_made_and_the_second_time_nothing_is_written(watch: Watch) -> None:
    wanted = alarms(VALUES, "bqx")
    made = apply(watch)
    assert made.alarms == [each["AlarmName"] for each in wanted]
    assert sorted(made.written) == sorted([*(each["AlarmName"] for each in wanted), *BOARDS])
    found = there(watch)
    for each in wanted:
        told = {name: found[each["AlarmName"]].get(name) for name in each if name != "Dimensions"}
        assert told == {name: value for name, value in each.items() if name != "Dimensions"}
        assert found[each["AlarmName"]]["AlarmActions"] == []
    entries = watch.client.list_dashboards()["DashboardEntries"]
    assert sorted(each["DashboardName"] for each in entries) == BOARDS
    assert apply(watch) == made._replace(written=[], removed=[])


def test_what_was_changed_by_hand_is_mended_and_actions_of_people_stay(watch: Watch) -> None:
    apply(watch)
    topic = watch.topic()
    wanted = next(each for each in alarms(VALUES, "bqx") if each["AlarmName"] == "bqx-cost-warning")
    watch.client.put_metric_alarm(**(wanted | {"Threshold": 1.0}), AlarmActions=[topic])
    watch.client.put_dashboard(DashboardName=BOARDS[0], DashboardBody=json.dumps({"widgets": []}))
    assert apply(watch).written == ["bqx-cost-warning", "bqx-monitor-cost"]
    mended = there(watch)["bqx-cost-warning"]
    assert (mended["Threshold"], mended["AlarmActions"]) == (350.0, [topic])


def test_what_is_declared_no_longer_goes_and_nothing_else_does(watch: Watch) -> None:
    apply(watch)
    old = VALUES["cost"]._replace(name="old", critical=Rule(1.0))
    apply(watch, VALUES | {"old": old})
    watch.client.put_dashboard(DashboardName="bqx-monitor-old", DashboardBody=json.dumps({"widgets": []}))
    apply(watch, endpoint="bqx-two")
    # Of the deployment: it takes an update back, and watches the same metric.
    rollback = next(each for each in alarms(VALUES, "bqx") if "error_rate" in each["AlarmName"])
    watch.client.put_metric_alarm(**(rollback | {"AlarmName": "bqx-errors"}))
    before = there(watch)
    assert apply(watch).removed == ["bqx-old-critical", "bqx-old-warning", "bqx-monitor-old"]
    assert before.keys() - there(watch).keys() == {"bqx-old-critical", "bqx-old-warning"}
    names = {each["DashboardName"] for each in watch.client.list_dashboards()["DashboardEntries"]}
    assert {*BOARDS, "bqx-two-monitor-cost", "bqx-two-monitor-performance"} == names


@pytest.mark.parametrize(("code", "kind"), [("AccessDenied", BqxError), ("Throttling", AwsBusy)])
def test_a_refusal_says_whether_to_wait_or_what_to_do(
    watch: Watch, tmp_path: Path, code: str, kind: type[BqxError]
) -> None:
    trouble = Trouble(tmp_path / "aws")
    trouble.add(service="monitoring", operation="PutMetricAlarm", status=400, code=code, times=1)
    with pytest.raises(kind, match="set up alarms and dashboards"):
        apply(watch)
    apply(watch)  # goes on where it was
    assert len(there(watch)) == len(alarms(VALUES, "bqx"))
