"""Pages of SageMaker's lists: order, times of creation, and the token of the next page."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.utils import parse_to_aware_datetime

from local.aws.errors import invalid

PAGE = 10  # entries, if nobody asks for another number

Document = dict[str, Any]


def page(
    documents: Sequence[Document], request: Mapping[str, Any], named: str, members: Sequence[str]
) -> Document:
    """One page of a list.

    Args:
        documents: all there are; each has a name, a time of creation and perhaps a version.
        request: parameters of the operation.
        named: the member that is the name.
        members: those that the list shows.

    Returns:
        ``summaries``, and ``NextToken`` if there are more.

    Raises:
        ServiceError: the token is none of ours.
    """
    backwards = request.get("SortOrder") == "Descending"

    def position(document: Document) -> tuple[Any, ...]:
        first = (document[named],) if request.get("SortBy") == "Name" else (document["CreationTime"],)
        return *first, document[named], document.get("ModelPackageVersion", 0)

    listed = [document for document in documents if _is_listed(document, request, named)]
    entries = sorted(listed, key=position, reverse=backwards)
    if "NextToken" in request:
        last = _position(request["NextToken"])
        entries = [
            each for each in entries if (position(each) < last if backwards else position(each) > last)
        ]
    shown = entries[: request.get("MaxResults", PAGE)]
    answer: Document = {
        "summaries": [{name: each[name] for name in members if name in each} for each in shown]
    }
    if len(shown) < len(entries):
        answer["NextToken"] = base64.urlsafe_b64encode(json.dumps(position(shown[-1])).encode()).decode()
    return answer


def _is_listed(document: Document, request: Mapping[str, Any], named: str) -> bool:
    wanted = request.get("NameContains", "").lower() in document[named].lower()
    for suffix, sign in (("After", 1), ("Before", -1)):
        if (limit := request.get(f"CreationTime{suffix}")) is not None:
            wanted &= sign * (document["CreationTime"] - parse_to_aware_datetime(limit).timestamp()) > 0
    return bool(wanted)


def _position(token: str) -> tuple[Any, ...]:
    try:
        moment, name, version = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError) as error:
        raise invalid("Invalid NextToken") from error
    return moment, name, version
