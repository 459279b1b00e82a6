"""Lists of jobs: filters, order and pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from botocore.utils import parse_to_aware_datetime

from local.aws.errors import invalid
from local.aws.kinds import TRAINING_JOB, TUNING_JOB, Kind

PAGE = 10  # jobs, if nobody asks for another number
VALUE = "FinalHyperParameterTuningJobObjectiveMetric"

Document = dict[str, Any]


class Listing(NamedTuple):
    """A list that SageMaker has.

    Attributes:
        kind: of the jobs.
        member: of the answer, that holds the list.
        order: by what it is sorted if nobody says so.
        backwards: the last ones come first, if nobody says so.
    """

    kind: Kind
    member: str
    order: str
    backwards: bool = False


TRAINING_JOBS = Listing(TRAINING_JOB, "TrainingJobSummaries", "CreationTime")
TUNING_JOBS = Listing(TUNING_JOB, "HyperParameterTuningJobSummaries", "Name")
TRIALS = Listing(TRAINING_JOB, "TrainingJobSummaries", "Name")
BY_VALUE = "FinalObjectiveMetricValue"


def page(jobs: Sequence[Document], asked: Mapping[str, Any], listing: Listing = TRAINING_JOBS) -> Document:
    """One page of a list.

    Args:
        jobs: all there are.
        asked: parameters of its operation.
        listing: which list.

    Raises:
        ServiceError: the token is none of ours.
    """
    order = asked.get("SortBy", listing.order)
    backwards = asked.get("SortOrder", "Descending" if listing.backwards else "") == "Descending"

    def position(job: Document) -> tuple[Any, str]:
        name = listing.kind.name(job)
        if order == BY_VALUE:
            return job[VALUE]["Value"], name
        return job[order if order in job else listing.kind.prefix + order], name

    listed = [job for job in jobs if _is_listed(listing.kind, job, asked)]
    if order == BY_VALUE:
        listed = [job for job in listed if VALUE in job]
    found = sorted(listed, key=position, reverse=backwards)
    if "NextToken" in asked:
        last = _position(asked["NextToken"])
        found = [job for job in found if (position(job) < last if backwards else position(job) > last)]
    shown = found[: asked.get("MaxResults", PAGE)]
    answer: Document = {listing.member: shown}
    if len(shown) < len(found):
        answer["NextToken"] = base64.urlsafe_b64encode(json.dumps(position(shown[-1])).encode()).decode()
    return answer


def _is_listed(kind: Kind, job: Document, asked: Mapping[str, Any]) -> bool:
    wanted = asked.get("NameContains", "").lower() in kind.name(job).lower()
    wanted &= asked.get("StatusEquals") in (None, kind.status(job))
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
