"""What the month has cost so far and what was saved, by line of the plan, from Cost Explorer and SageMaker.

The account is billed as a whole; a line of the plan is what its services and types of usage cost. What a
Savings Plan saves is the price on demand of the usage that it covers less its effective price. What spot
instances save is SageMaker's own figure: seconds of training that were not billed, at the price on demand.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from include.monitoring.values import Budget, Reading

__all__ = ["OTHER", "Bill", "cost_readings", "line_of", "spot_savings"]

log = logging.getLogger(__name__)

OTHER = "Other"  # what the account is billed for besides the lines of the plan
COVERED = "SavingsPlanCoveredUsage"  # record type of what a Savings Plan pays
# The first pattern that a type of usage has decides. It begins with a region, as USE1-Host:ml.m5.large.
LINES = {
    "Training": re.compile(r"\bTrain"),
    "Inference": re.compile(r"\bHost|Endpoint|SageMakerSP|\bMLSP"),
    "Monitoring": re.compile(r"\bCW:|\bProcess|DataProcessing-Bytes|VendedLog|DeliveryAttempts-|\bSNS\b"),
    "Storage": re.compile(r"TimedStorage|\bRequests-Tier|EarlyDelete|StorageObjectCount|DataTransfer-"),
}
NAMES = "bqx-"  # training jobs of ours have this in their names

Plain = Mapping[str, Any]


class Bill(NamedTuple):
    """The month to date, dollars.

    Attributes:
        cost: by line, and what is in none.
        saved: by line, by Savings Plans.
    """

    cost: Mapping[str, float]
    saved: Mapping[str, float]

    @classmethod
    def of(cls, groups: Iterable[Plain]) -> Bill:
        """From groups of GetCostAndUsage by type of usage and type of record."""
        cost: defaultdict[str, float] = defaultdict(float)
        saved: defaultdict[str, float] = defaultdict(float)
        for group in groups:
            usage, record = group["Keys"]
            amortized, unblended = (
                float(group["Metrics"][name]["Amount"]) for name in ("AmortizedCost", "UnblendedCost")
            )
            cost[line_of(usage)] += amortized
            if record == COVERED:
                saved[line_of(usage)] += unblended - amortized
        return cls(dict(cost), dict(saved))


def line_of(usage: str) -> str:
    """The line of the plan that a type of usage belongs to."""
    return next((line for line, pattern in LINES.items() if pattern.search(usage)), OTHER)


def cost_readings(explorer: Any, sagemaker: Any, budget: Budget, moment: datetime) -> list[Reading]:
    """Cost of the month to date and of each line, and what was saved of it.

    Where Cost Explorer does not answer, the values have no data and say why: a bill that nobody can read
    keeps nothing else from being watched.

    Args:
        explorer: boto3 client of Cost Explorer.
        sagemaker: boto3 client of SageMaker.
        budget: from the project plan.
        moment: now, by the wall clock, UTC.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        bill = Bill.of(_groups(explorer, moment))
        spot = spot_savings(_jobs(sagemaker, moment), budget.prices)
    except (BotoCoreError, ClientError) as error:
        log.warning("The cost of the month is not known: %s", error)
        note = f"The cost is not known: {error}"[:500]
        lines = [Reading(name, None, line=line, note=note) for line in budget.lines for name in _OF_LINE]
        return [Reading("cost", None, note=note), *lines]
    saved = {line: bill.saved.get(line, 0.0) for line in budget.lines}
    saved["Training"] = saved.get("Training", 0.0) + spot
    other = bill.cost.get(OTHER, 0.0)
    note = f"${other:,.2f} of it is in no line of the plan." if other else ""
    return [
        Reading("cost", sum(bill.cost.values()), note=note),
        *(Reading("cost_of_line", bill.cost.get(line, 0.0), line=line) for line in budget.lines),
        *(Reading("saved_of_line", saved[line], line=line) for line in budget.lines),
    ]


def spot_savings(jobs: Iterable[Plain], prices: Mapping[str, float]) -> float:
    """Dollars that spot instances saved.

    Args:
        jobs: as DescribeTrainingJob tells them; those that did not end, or ran on demand, save nothing.
        prices: dollars an hour on demand by type of instance; of another type nothing is known.
    """
    total = 0.0
    for job in jobs:
        resources = job["ResourceConfig"]
        seconds = job.get("TrainingTimeInSeconds", 0) - job.get("BillableTimeInSeconds", 0)
        hourly = prices.get(resources.get("InstanceType", ""), 0.0)
        total += max(seconds, 0) * resources.get("InstanceCount", 1) * hourly / 3600
    return total


_OF_LINE = ("cost_of_line", "saved_of_line")


def _groups(explorer: Any, moment: datetime) -> Iterator[Plain]:
    """One request in most months: each costs a cent."""
    first = moment.astimezone(UTC).replace(day=1)
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": f"{first:%Y-%m-%d}", "End": f"{moment + timedelta(days=1):%Y-%m-%d}"},
        "Granularity": "MONTHLY",
        "Metrics": ["AmortizedCost", "UnblendedCost"],
        "GroupBy": [
            {"Type": "DIMENSION", "Key": "USAGE_TYPE"},
            {"Type": "DIMENSION", "Key": "RECORD_TYPE"},
        ],
    }
    while True:
        page = explorer.get_cost_and_usage(**asked)
        for period in page["ResultsByTime"]:
            yield from period["Groups"]
        if not page.get("NextPageToken"):
            return
        asked["NextPageToken"] = page["NextPageToken"]


def _jobs(sagemaker: Any, moment: datetime) -> Iterator[Plain]:
    """The training jobs of ours that were made this month and have ended."""
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        CreationTimeAfter=first, NameContains=NAMES
    )
    for page in pages:
        for job in page["TrainingJobSummaries"]:
            if "TrainingEndTime" in job:
                yield sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
