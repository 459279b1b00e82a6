"""Alarms and dashboards in CloudWatch are brought to what is declared; those declared no longer go."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from include.aws import Remedy, for_people
from include.errors import BqxError
from include.monitoring import dashboards
from include.monitoring.cloudwatch import alarms
from include.monitoring.values import Budget, Value

__all__ = ["Provided", "provide"]

MOST_DELETED = 100  # alarms of one request, a limit of CloudWatch
ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
REMEDY = Remedy(
    BqxError,
    "Values are published all the same.",
    "Give the role of aws_default the rights of docs/monitoring.md.",
    "See docs/monitoring.md.",
)

Plain = dict[str, Any]


class Provided(NamedTuple):
    """What was done.

    Attributes:
        alarms, dashboards: names of all that are there now.
        written: names of the alarms and dashboards that were not there or were others.
        removed: names of those that are declared no longer.
    """

    alarms: list[str]
    dashboards: list[str]
    written: list[str]
    removed: list[str]


def provide(
    client: Any, values: Mapping[str, Value], budget: Budget, endpoint: str, pairs: Sequence[str]
) -> Provided:
    """Make alarms and dashboards what they are declared to be. Called again, it writes nothing.

    What people added to an alarm as actions stays.

    Args:
        client: boto3 client of CloudWatch.
        values: all declared ones.
        budget: from the project plan.
        endpoint: name of the endpoint.
        pairs: that have a line of their own.

    Raises:
        AwsBusy: CloudWatch has to be asked again.
        BqxError: it refuses; says what to do.
    """
    region = str(client.meta.region_name)
    bodies = {
        f"{_prefix(endpoint)}performance": dashboards.performance(values, endpoint, region, pairs),
        f"{_prefix(endpoint)}cost": dashboards.cost(values, budget, endpoint, region),
    }
    wanted = alarms(values, endpoint)
    with for_people("set up alarms and dashboards", REMEDY):
        written, removed = _alarms(client, wanted, endpoint)
        written_boards, removed_boards = _dashboards(client, bodies, endpoint)
    names = [each["AlarmName"] for each in wanted]
    return Provided(names, list(bodies), written + written_boards, removed + removed_boards)


def _alarms(client: Any, wanted: Sequence[Plain], endpoint: str) -> tuple[list[str], list[str]]:
    there = {each["AlarmName"]: each for each in _ours(client, wanted, endpoint)}
    stale = [each for each in wanted if not _is(there.get(each["AlarmName"]), each)]
    for each in stale:
        kept = {name: there.get(each["AlarmName"], {}).get(name, []) for name in ACTIONS}
        client.put_metric_alarm(**each, **kept)
    gone = sorted(there.keys() - {each["AlarmName"] for each in wanted})
    for first in range(0, len(gone), MOST_DELETED):
        client.delete_alarms(AlarmNames=gone[first : first + MOST_DELETED])
    return [each["AlarmName"] for each in stale], gone


def _ours(client: Any, wanted: Sequence[Plain], endpoint: str) -> Iterator[Plain]:
    """Alarms of the monitor: by their names, and by their dimensions, for ``bqx-2`` begins with ``bqx`` too.

    Those that take an update of the endpoint back have no level in their names.
    """
    levels = tuple({f"-{each['AlarmName'].rpartition('-')[2]}" for each in wanted})
    watched = [frozenset(_pairs(each["Dimensions"])) for each in wanted]
    pages = client.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{endpoint}-", AlarmTypes=["MetricAlarm"]
    )
    for page in pages:
        for each in page["MetricAlarms"]:
            if each["AlarmName"].endswith(levels) and frozenset(_pairs(each["Dimensions"])) in watched:
                yield each


def _is(there: Plain | None, wanted: Plain) -> bool:
    """Whether an alarm is what is declared."""
    if there is None:
        return False
    plain = {name: value for name, value in wanted.items() if name != "Dimensions"}
    same = all(there.get(name) == value for name, value in plain.items())
    return same and _pairs(there["Dimensions"]) == _pairs(wanted["Dimensions"])


def _pairs(named: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    return sorted((each["Name"], each["Value"]) for each in named)


def _dashboards(client: Any, bodies: Mapping[str, Plain], endpoint: str) -> tuple[list[str], list[str]]:
    pages = client.get_paginator("list_dashboards").paginate(DashboardNamePrefix=_prefix(endpoint))
    there = {each["DashboardName"] for page in pages for each in page["DashboardEntries"]}
    written = []
    for name, body in bodies.items():
        known = client.get_dashboard(DashboardName=name)["DashboardBody"] if name in there else "null"
        if json.loads(known) != body:
            client.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body, allow_nan=False))
            written.append(name)
    gone = sorted(there - bodies.keys())
    if gone:
        client.delete_dashboards(DashboardNames=gone)
    return written, gone


def _prefix(endpoint: str) -> str:
    """Of the names of our dashboards."""
    return f"{endpoint}-monitor-"
