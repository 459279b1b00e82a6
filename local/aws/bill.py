"""Cost Explorer: what the jobs and endpoints of this stand-in would cost, by the month.

GetCostAndUsage by type of usage and of record. Training is billed by its billable seconds, instances of
endpoints by the time since they were deployed, alarms by what they cost a month. A Savings Plan covers the
endpoints, as the plan of the project has it. Storage and requests are not billed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from local.aws.call import Call
from local.aws.errors import ServiceError
from local.aws.store import Store

USAGE, COVERED = "Usage", "SavingsPlanCoveredUsage"
GROUPS = ["USAGE_TYPE", "RECORD_TYPE"]
METRICS = ("AmortizedCost", "UnblendedCost")
# Dollars an hour on demand in us-east-1; other types cost what the first one does.
PRICES = {"ml.m5.xlarge": 0.23, "ml.m5.large": 0.115, "ml.g4dn.xlarge": 0.7364}
DISCOUNT = 0.30  # of the Savings Plan
ALARM, HOURS = 0.10, 730.0  # dollars a month; hours of a month

Document = Mapping[str, Any]


class Item(NamedTuple):
    """A line of the bill, dollars."""

    usage: str
    record: str
    amortized: float
    unblended: float


class Bill:
    """Answers for Cost Explorer.

    Args:
        jobs: the training jobs.
        endpoints: all there are.
        alarms: says how many alarms of CloudWatch there are.
        clock: says what time it is, in seconds since the epoch.
    """

    def __init__(
        self, jobs: Store, endpoints: Store, alarms: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self._jobs, self._endpoints, self._alarms, self._clock = jobs, endpoints, alarms, clock

    def answer(self, call: Call) -> bytes:
        """The body of the answer.

        Raises:
            ServiceError: it is asked for something else.
        """
        if call.operation != "GetCostAndUsage":
            raise ServiceError("NotImplementedException", f"There is no {call.operation} here.", 501)
        asked = json.loads(call.body)
        if [each.get("Key") for each in asked.get("GroupBy", ())] != GROUPS or "Filter" in asked:
            raise ServiceError("ValidationException", f"The stand-in groups by {GROUPS}, without a filter.")
        if asked.get("Granularity") != "MONTHLY" or not set(asked.get("Metrics", ())) <= {*METRICS}:
            raise ServiceError("ValidationException", f"The stand-in knows MONTHLY and {METRICS}.")
        start, end = (_day(asked["TimePeriod"][name]) for name in ("Start", "End"))
        if start >= end:
            raise ServiceError("ValidationException", "Start date (and hour) should be before end date.")
        periods = [self._period(first, last, asked["Metrics"]) for first, last in _months(start, end)]
        return json.dumps({"ResultsByTime": periods, "DimensionValueAttributes": []}).encode()

    def _period(self, start: datetime, end: datetime, metrics: list[str]) -> dict[str, Any]:
        totals: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(
            lambda: dict.fromkeys(METRICS, 0.0)
        )
        for item in self._items(start.timestamp(), min(end.timestamp(), self._clock())):
            total = totals[item.usage, item.record]
            total["AmortizedCost"] += item.amortized
            total["UnblendedCost"] += item.unblended
        return {
            "TimePeriod": {"Start": f"{start:%Y-%m-%d}", "End": f"{end:%Y-%m-%d}"},
            "Total": {},
            "Groups": [
                {"Keys": list(keys), "Metrics": {name: _amount(total[name]) for name in metrics}}
                for keys, total in sorted(totals.items())
            ],
            "Estimated": True,
        }

    def _items(self, start: float, end: float) -> Iterator[Item]:
        """Lines of some time, in seconds since the epoch."""
        for job in self._jobs.all():
            if start <= job.get("TrainingEndTime", 0.0) < end:
                kind = job["ResourceConfig"].get("InstanceType", "")
                dollars = job.get("BillableTimeInSeconds", 0) / 3600 * _price(kind)
                yield Item(f"USE1-Train:{kind}", USAGE, dollars, dollars)
        for endpoint in self._endpoints.all():
            since = max(endpoint["deployed"]["since"], start)
            kinds = {each["VariantName"]: each["InstanceType"] for each in endpoint["deployed"]["variants"]}
            for variant in endpoint["ProductionVariants"]:
                kind = kinds[variant["VariantName"]]
                hours = max(end - since, 0.0) / 3600 * variant["CurrentInstanceCount"]
                dollars = hours * _price(kind)
                yield Item(f"USE1-Host:{kind}", COVERED, dollars * (1 - DISCOUNT), dollars)
        dollars = self._alarms() * ALARM * max(end - start, 0.0) / 3600 / HOURS
        yield Item("CW:AlarmMonitorUsage", USAGE, dollars, dollars)


def _price(kind: str) -> float:
    return PRICES.get(kind, next(iter(PRICES.values())))


def _amount(dollars: float) -> dict[str, str]:
    return {"Amount": f"{dollars:.10f}", "Unit": "USD"}


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise ServiceError("ValidationException", f"{text} is no day.") from error


def _months(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, min(following, end)
        start = following
