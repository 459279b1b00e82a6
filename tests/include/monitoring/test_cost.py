"""The month to date by line, and what was saved of it, from answers of Cost Explorer and SageMaker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from include.monitoring.cost import OTHER, Bill, cost_readings, line_of, spot_savings
from include.plan import cost as plan_cost
from include.plan.model import load

BUDGET = plan_cost.budget(load().desired)
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def amounts(amortized: float, unblended: float) -> dict[str, Any]:
    return {
        "AmortizedCost": {"Amount": str(amortized), "Unit": "USD"},
        "UnblendedCost": {"Amount": str(unblended), "Unit": "USD"},
    }


GROUPS = [
    {"Keys": ["USE1-Host:ml.m5.xlarge", "SavingsPlanCoveredUsage"], "Metrics": amounts(70, 100)},
    {"Keys": ["USE1-Host:ml.m5.xlarge", "Usage"], "Metrics": amounts(10, 10)},
    {"Keys": ["USE1-Train:ml.m5.xlarge", "Usage"], "Metrics": amounts(20, 20)},
    {"Keys": ["CW:MetricMonitorUsage", "Usage"], "Metrics": amounts(5, 5)},
    {"Keys": ["TimedStorage-ByteHrs", "Usage"], "Metrics": amounts(3, 3)},
    {"Keys": ["USE1-NatGateway-Hours", "Usage"], "Metrics": amounts(2, 2)},
]


@pytest.fixture
def explorer() -> Iterator[Any]:
    yield from client("ce")


@pytest.fixture
def sagemaker() -> Iterator[Any]:
    yield from client("sagemaker")


def client(service: str) -> Iterator[Any]:
    made = boto3.client(service, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    with Stubber(made) as stub:
        made.stub = stub
        yield made
    made.close()


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        ("USE1-Host:ml.m5.xlarge", "Inference"),
        ("EU-Host:ml.m5.xlarge", "Inference"),
        ("USE1-Train:ml.g4dn.xlarge", "Training"),
        ("CW:AlarmMonitorUsage", "Monitoring"),
        ("EU-CW:MetricMonitorUsage", "Monitoring"),
        ("USE1-DataProcessing-Bytes", "Monitoring"),
        ("TimedStorage-ByteHrs", "Storage"),
        ("EUW2-Requests-Tier1", "Storage"),
        ("USE1-NatGateway-Hours", OTHER),
    ],
)
def test_a_type_of_usage_belongs_to_a_line_of_the_plan(usage: str, line: str) -> None:
    assert line_of(usage) == line
    assert line == OTHER or line in BUDGET.lines


def test_the_bill_is_what_is_really_paid_and_a_savings_plan_saves_the_difference() -> None:
    bill = Bill.of(GROUPS)
    assert bill.cost == {"Inference": 80, "Training": 20, "Monitoring": 5, "Storage": 3, OTHER: 2}
    assert bill.saved == {"Inference": 30}


def test_spot_saves_the_seconds_that_are_not_billed_at_the_price_on_demand() -> None:
    jobs = [
        {
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
            "TrainingTimeInSeconds": 3600,
            "BillableTimeInSeconds": 900,
        },
        {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}},  # never trained
        {
            "ResourceConfig": {"InstanceType": "ml.p9.large", "InstanceCount": 1},
            "TrainingTimeInSeconds": 3600,
            "BillableTimeInSeconds": 900,
        },
    ]
    assert spot_savings(jobs, BUDGET.prices) == pytest.approx(2 * 0.75 * 0.23)


def test_the_month_is_asked_for_once_and_every_line_of_the_plan_has_values(
    explorer: Any, sagemaker: Any
) -> None:
    asked = {
        "TimePeriod": {"Start": "2026-11-01", "End": "2026-11-30"},
        "Granularity": "MONTHLY",
        "Metrics": ["AmortizedCost", "UnblendedCost"],
        "GroupBy": [
            {"Type": "DIMENSION", "Key": "USAGE_TYPE"},
            {"Type": "DIMENSION", "Key": "RECORD_TYPE"},
        ],
    }
    first, rest = GROUPS[:3], GROUPS[3:]
    period = {"TimePeriod": asked["TimePeriod"], "Estimated": True}
    explorer.stub.add_response(
        "get_cost_and_usage", {"ResultsByTime": [period | {"Groups": first}], "NextPageToken": "more"}, asked
    )
    explorer.stub.add_response(
        "get_cost_and_usage",
        {"ResultsByTime": [period | {"Groups": rest}]},
        asked | {"NextPageToken": "more"},
    )
    job = {
        "TrainingJobName": "bqx-1",
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/bqx-1",
        "CreationTime": NOW,
        "TrainingJobStatus": "Completed",
    }
    running = job | {"TrainingJobName": "bqx-2", "TrainingJobStatus": "InProgress"}
    sagemaker.stub.add_response(
        "list_training_jobs",
        {"TrainingJobSummaries": [job | {"TrainingEndTime": NOW}, running]},
        {"CreationTimeAfter": datetime(2026, 11, 1, tzinfo=UTC), "NameContains": "bqx-"},
    )
    described = {
        "TrainingJobName": "bqx-1",
        "TrainingJobArn": job["TrainingJobArn"],
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/k"},
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {},
        "CreationTime": NOW,
        "TrainingTimeInSeconds": 7200,
        "BillableTimeInSeconds": 3600,
    }
    sagemaker.stub.add_response("describe_training_job", described, {"TrainingJobName": "bqx-1"})
    found = cost_readings(explorer, sagemaker, BUDGET, NOW)
    by_place = {(each.name, each.line): each for each in found}
    assert by_place["cost", ""].value == 110
    assert by_place["cost", ""].note == "$2.00 of it is in no line of the plan."
    assert {line: by_place["cost_of_line", line].value for line in BUDGET.lines} == {
        "Inference": 80, "Training": 20, "Monitoring": 5, "Storage": 3,
    }  # fmt: skip
    saved = {line: by_place["saved_of_line", line].value for line in BUDGET.lines}
    assert saved == {"Inference": 30, "Training": pytest.approx(0.23), "Monitoring": 0, "Storage": 0}
    explorer.stub.assert_no_pending_responses()


def test_where_nobody_may_read_the_bill_there_are_no_data_and_a_reason(explorer: Any, sagemaker: Any) -> None:
    explorer.stub.add_client_error("get_cost_and_usage", "AccessDeniedException", "not authorized", 400)
    found = cost_readings(explorer, sagemaker, BUDGET, NOW)
    assert len(found) == 1 + 2 * len(BUDGET.lines)
    assert {each.value for each in found} == {None}
    assert all("not authorized" in each.note for each in found)
