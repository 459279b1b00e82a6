"""ListTrainingJobs: filters, order and pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.utils import parse_to_aware_datetime

from local.aws.errors import invalid

PAGE = 10  # jobs, if nobody asks for another number
_SUMMARY = (
    "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
    "TrainingJobStatus", "SecondaryStatus",
)  # fmt: skip
_KEYS = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}

Document = dict[str, Any]


def page(jobs: Sequence[Document], asked: Mapping[str, Any]) -> Document:
    """One page of a list.

    Args:
        jobs: all there are.
        asked: parameters of ListTrainingJobs.

    Raises:
        ServiceError: the token is none of ours.
    """
    key = _KEYS.get(asked.get("SortBy", ""), "CreationTime")
    backwards = asked.get("SortOrder") == "Descending"

    def position(job: Document) -> tuple[Any, str]:
        return job[key], job["TrainingJobName"]

    found = sorted((job for job in jobs if _is_listed(job, asked)), key=position, reverse=backwards)
    if "NextToken" in asked:
        last = _position(asked["NextToken"])
        found = [job for job in found if (position(job) < last if backwards else position(job) > last)]
    shown = found[: asked.get("MaxResults", PAGE)]
    answer: Document = {
        "TrainingJobSummaries": [{name: job[name] for name in _SUMMARY if name in job} for job in shown]
    }
    if len(shown) < len(found):
        answer["NextToken"] = base64.urlsafe_b64encode(json.dumps(position(shown[-1])).encode()).decode()
    return answer


def _is_listed(job: Document, asked: Mapping[str, Any]) -> bool:
    wanted = asked.get("NameContains", "").lower() in job["TrainingJobName"].lower()
    wanted &= asked.get("StatusEquals") in (None, job["TrainingJobStatus"])
    for name in ("CreationTime", "LastModifiedTime"):
        for suffix, sign in (("After", 1), ("Before", -1)):
            if (limit := asked.get(name + suffix)) is not None:
                wanted &= sign * (job[name] - parse_to_aware_datetime(limit).timestamp()) > 0
    return bool(wanted)


def _position(token: str) -> tuple[Any, str]:
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError) as error:
        raise invalid("Invalid NextToken") from error
    return value, name
