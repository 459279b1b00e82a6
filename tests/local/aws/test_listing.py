"""Pages of jobs, whatever their order and whoever comes and goes between two pages."""

from __future__ import annotations

import random
from typing import Any

import pytest

from local.aws.errors import ServiceError
from local.aws.listing import page


def job(name: str, created: float, status: str = "Completed") -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "CreationTime": created,
        "LastModifiedTime": created + 1,
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
    }


JOBS = [job("b", 10.0), job("a", 20.0, "Failed"), job("c", 20.0), job("D", 30.0)]


def names(answer: dict[str, Any]) -> list[str]:
    return [one["TrainingJobName"] for one in answer["TrainingJobSummaries"]]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["b", "a", "c", "D"]),
        ({"SortOrder": "Descending"}, ["D", "c", "a", "b"]),
        ({"SortBy": "Name"}, ["D", "a", "b", "c"]),
        ({"SortBy": "Status"}, ["D", "b", "c", "a"]),
        ({"NameContains": "d"}, ["D"]),
        ({"StatusEquals": "Failed"}, ["a"]),
        ({"CreationTimeAfter": 10.0}, ["a", "c", "D"]),
        ({"CreationTimeBefore": 20.0}, ["b"]),
        ({"LastModifiedTimeAfter": 20.0, "LastModifiedTimeBefore": 31.0}, ["a", "c"]),
    ],
)
def test_filters_and_order(asked: dict[str, Any], expected: list[str]) -> None:
    assert names(page(JOBS, asked)) == expected


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("key", ["Name", "CreationTime", "Status"])
def test_pages_cover_every_job_once(order: str, key: str) -> None:
    draw = random.Random(5)
    jobs = [job(f"j{n}", draw.randrange(5), draw.choice(["Failed", "Stopped"])) for n in range(37)]
    asked: dict[str, Any] = {"SortBy": key, "SortOrder": order, "MaxResults": 5}
    seen: list[str] = []
    while True:
        answer = page(jobs, asked)
        seen += names(answer)
        if "NextToken" not in answer:
            break
        asked["NextToken"] = answer["NextToken"]
        draw.shuffle(jobs)
    assert sorted(seen) == sorted(one["TrainingJobName"] for one in jobs)


def test_a_job_that_is_deleted_between_two_pages_hides_no_other() -> None:
    first = page(JOBS, {"MaxResults": 2})
    assert names(page([JOBS[0], *JOBS[2:]], {"NextToken": first["NextToken"]})) == ["c", "D"]


@pytest.mark.parametrize("token", ["none", "W10=", "IiI="])
def test_a_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(ServiceError, match="Invalid NextToken"):
        page(JOBS, {"NextToken": token})
