"""Pages of CloudWatch's lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local.aws.cloudwatch.errors import CloudWatchError


def page(member: str, entries: Sequence[Any], asked: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """One page of a list.

    Args:
        member: of the answer, that holds the list.
        entries: all there are.
        asked: parameters of the operation.
        limit: entries of a page.

    Raises:
        ServiceError: the token is none of ours.
    """
    first = position(asked)
    last = first + limit
    answer: dict[str, Any] = {member: list(entries[first:last])}
    if last < len(entries):
        answer["NextToken"] = str(last)
    return answer


def position(asked: Mapping[str, Any]) -> int:
    """How many entries the pages before have told.

    Raises:
        ServiceError: the token is none of ours.
    """
    token = asked.get("NextToken") or "0"
    if not token.isdecimal():
        raise CloudWatchError("InvalidNextToken", "The token of the next page is invalid.")
    return int(token)
