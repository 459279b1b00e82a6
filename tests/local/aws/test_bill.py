"""What the stand-in's jobs, endpoints and alarms cost, as Cost Explorer tells it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.bill import ALARM, DISCOUNT, HOURS, Bill, Document
from tests.sagemaker import Aws, spot

GROUPS = [{"Type": "DIMENSION", "Key": key} for key in ("USAGE_TYPE", "RECORD_TYPE")]


def asked(start: datetime, days: int, **more: Any) -> dict[str, Any]:
    end = start + timedelta(days=days)
    return {
        "TimePeriod": {"Start": f"{start:%Y-%m-%d}", "End": f"{end:%Y-%m-%d}"},
        "Granularity": "MONTHLY",
        "Metrics": ["AmortizedCost", "UnblendedCost"],
        "GroupBy": GROUPS,
    } | more


@pytest.fixture
def explorer(aws: Aws) -> Iterator[Any]:
    client = aws.client("ce")
    yield client
    client.close()


def found(answer: dict[str, Any]) -> dict[tuple[str, str], tuple[float, float]]:
    return {
        tuple(group["Keys"]): tuple(
            float(group["Metrics"][name]["Amount"]) for name in ("AmortizedCost", "UnblendedCost")
        )
        for period in answer["ResultsByTime"]
        for group in period["Groups"]
    }  # type: ignore[misc]


def test_a_job_is_billed_by_the_seconds_that_sagemaker_bills(aws: Aws, explorer: Any) -> None:
    aws.submit("bqx-1", "import time; time.sleep(2)", **spot("bqx-1"))
    seconds = aws.wait("bqx-1")["BillableTimeInSeconds"]
    today = datetime.now(UTC)
    bill = found(explorer.get_cost_and_usage(**asked(today - timedelta(days=1), 2)))
    expected = seconds / 3600 * 0.115
    assert bill["USE1-Train:ml.m5.large", "Usage"] == pytest.approx((expected, expected), abs=1e-9)
    before = found(explorer.get_cost_and_usage(**asked(today - timedelta(days=20), 3)))
    assert ("USE1-Train:ml.m5.large", "Usage") not in before


class Rows:
    """A store with some documents."""

    def __init__(self, *documents: Document) -> None:
        self._documents = documents

    def all(self) -> list[Document]:
        return list(self._documents)


def test_an_endpoint_is_covered_by_the_savings_plan_since_it_was_deployed_and_alarms_are_not() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    variant = {"VariantName": "all", "InstanceType": "ml.m5.xlarge", "CurrentInstanceCount": 2}
    endpoint = {
        "deployed": {"since": (start + timedelta(hours=10)).timestamp(), "variants": [variant]},
        "ProductionVariants": [variant],
    }
    now = (start + timedelta(hours=30)).timestamp()
    bill = Bill(Rows(), Rows(endpoint), lambda: 25, lambda: now)  # type: ignore[arg-type]
    items = {item.usage: item for item in bill._items(start.timestamp(), now)}
    hosted = items["USE1-Host:ml.m5.xlarge"]
    assert hosted.unblended == pytest.approx(20 * 2 * 0.23)
    assert hosted.amortized == pytest.approx(hosted.unblended * (1 - DISCOUNT))
    assert items["CW:AlarmMonitorUsage"].amortized == pytest.approx(25 * ALARM * 30 / HOURS)


def test_months_are_told_one_by_one(explorer: Any) -> None:
    answer = explorer.get_cost_and_usage(**asked(datetime(2026, 10, 20, tzinfo=UTC), 20))
    assert [tuple(period["TimePeriod"].values()) for period in answer["ResultsByTime"]] == [
        ("2026-10-20", "2026-11-01"),
        ("2026-11-01", "2026-11-09"),
    ]


@pytest.mark.parametrize(
    "more",
    [{"Granularity": "DAILY"}, {"GroupBy": GROUPS[:1]}, {"Metrics": ["NormalizedUsageAmount"]},
     {"TimePeriod": {"Start": "2026-11-02", "End": "2026-11-01"}}],
)  # fmt: skip
def test_what_it_does_not_know_is_refused(explorer: Any, more: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        explorer.get_cost_and_usage(**asked(datetime(2026, 10, 20, tzinfo=UTC), 20, **more))
    with pytest.raises(ClientError, match="NotImplemented"):
        explorer.get_tags(TimePeriod={"Start": "2026-10-01", "End": "2026-10-02"})
