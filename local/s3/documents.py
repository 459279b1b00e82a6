"""The XML that S3 and its clients exchange."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from local.s3.faults import Fault

PAGE = 1000  # keys of a listing, at most
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Node = tuple[str, "str | int | Sequence[Node]"]


def document(root: str, *children: Node) -> bytes:
    """An XML document; a child is a name with a value or with children of its own."""
    inner = "".join(_element(child) for child in children)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{inner}</{root}>'.encode()


def error(fault: Fault, resource: str, request: str) -> bytes:
    """The body of an error, which has no namespace."""
    told = (
        ("Code", fault.code), ("Message", fault.message), ("Resource", resource), ("RequestId", request)
    )  # fmt: skip
    inner = "".join(_element(one) for one in told)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def parse(text: bytes) -> ElementTree.Element:
    """The root of a document a client sent, names without namespaces."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        raise Fault("MalformedXML") from problem
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def moment(seconds: float) -> str:
    """Seconds since 1970 as the listings show them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def http_date(seconds: float) -> str:
    """Seconds since 1970 as headers show them."""
    return formatdate(seconds, usegmt=True)


class Page(NamedTuple):
    """One answer to a listing.

    Attributes:
        keys: objects.
        prefixes: groups of objects, cut at the delimiter.
        last: the last of both, None if nothing follows.
    """

    keys: list[str]
    prefixes: list[str]
    last: str | None


def page(keys: Sequence[str], prefix: str, delimiter: str, after: str, size: int) -> Page:
    """A page of a listing.

    Args:
        keys: every key with the prefix, sorted.
        prefix: what they begin with.
        delimiter: keys with the same beginning up to it become one entry; empty for none.
        after: key or group that came last on the page before.
        size: entries, at most.
    """
    answer = Page([], [], None)
    last = after
    for key in keys if size else ():
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key[: cut + len(delimiter)] if cut >= 0 else key
        grouped = cut >= 0
        # A key may follow a group it does not belong to; `after` itself was shown already.
        if entry.encode() <= last.encode():
            continue
        if len(answer.keys) + len(answer.prefixes) == size:
            return answer._replace(last=last)
        (answer.prefixes if grouped else answer.keys).append(entry)
        last = entry
    return answer


def token(last: str) -> str:
    """A continuation token: where the next page begins."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def from_token(text: str) -> str:
    """The opposite of `token`."""
    try:
        return base64.urlsafe_b64decode(text.encode()).decode()
    except ValueError as problem:
        raise Fault("InvalidArgument", "The continuation token provided is incorrect") from problem


def coded(text: str, encoding: str) -> str:
    """A key as a listing shows it: ``encoding-type=url`` for those that XML cannot carry."""
    return quote(text, safe="/") if encoding == "url" else text


def _element(node: Node) -> str:
    name, value = node
    if isinstance(value, str | int):
        return f"<{name}>{escape(str(value))}</{name}>"
    return f"<{name}>{''.join(_element(child) for child in value)}</{name}>"
