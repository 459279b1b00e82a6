"""Managed blocks inside long text: what stands between the markers is ours, every other byte is people's.

A text may hold one block of each name (``plan``, ``status``). Damaged markers are never mended by guessing:
people may have written between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from include.errors import PlanRefused
from include.plan.live import Block

PLAN, STATUS = "plan", "status"
_HINTS = {
    PLAN: "kept up to date from the project plan; write above or below",
    STATUS: "kept up to date by the pipeline; write above or below",
}
_ANY = re.compile(r"\[/?bqx:", re.IGNORECASE)


class Damaged(PlanRefused):
    """The markers of a block are not one beginning and one end, in this order."""


def put(text: str, name: str, content: str) -> str:
    """The text with its block replaced, or added at the end where it has none.

    Args:
        text: what the field holds; empty where there is nothing.
        name: which block.
        content: what it is to hold; without line breaks around it.

    Raises:
        Damaged: the markers cannot be trusted; nothing may be written.
        PlanRefused: the content has a marker in it.
    """
    if marked(content):
        raise PlanRefused(f"A managed block must not contain '[bqx:': {content[:60]!r}. Reword it.")
    block = f"[bqx:{name} - {_HINTS.get(name, 'managed; write above or below')}]\n{content}\n[/bqx:{name}]"
    if span := _span(text, name):
        begin, _, _, end = span
        return text[:begin] + block + text[end:]
    return f"{text}\n\n{block}" if text else block


def put_all(fields: Mapping[str, Any], managed: Mapping[str, Block]) -> dict[str, str]:
    """The texts of a record with its blocks replaced or added, by field; see `put`.

    Args:
        fields: what the record holds.
        managed: the blocks by field.

    Raises:
        Damaged: the markers of one of them cannot be trusted; nothing may be written.
    """
    return {name: put(_text(fields, name), *block) for name, block in managed.items()}


def read(text: str, name: str) -> str | None:
    """What the block holds as ``plain`` has it, None where the text has none.

    Raises:
        Damaged: the markers cannot be trusted.
    """
    span = _span(text, name)
    return None if span is None else plain(text[span[1] : span[2]])


def read_of(fields: Mapping[str, Any], field: str, name: str) -> str | None:
    """What the block of a record's field holds; see `read`."""
    return read(_text(fields, field), name)


def around(text: str, name: str) -> tuple[str, str]:
    """What people wrote before and after the block; all of it and nothing where there is no block."""
    span = _span(text, name)
    return (text, "") if span is None else (text[: span[0]], text[span[3] :])


def plain(content: str) -> str:
    """A content as it is compared: trailing blanks and foreign line breaks do not count."""
    return "\n".join(line.rstrip() for line in content.splitlines()).strip("\n")


def marked(content: str) -> bool:
    """Whether a content has a marker in it, so that no block can hold it."""
    return _ANY.search(content) is not None


def _text(fields: Mapping[str, Any], name: str) -> str:
    return str(fields.get(name) or "")


def _span(text: str, name: str) -> tuple[int, int, int, int] | None:
    """Where the block begins, its content begins and ends, and the block ends."""
    begins = list(re.finditer(rf"\[bqx:{name}\b", text, re.IGNORECASE))
    ends = list(re.finditer(rf"\[/bqx:{name}\b", text, re.IGNORECASE))
    if not begins and not ends:
        return None
    whole = re.search(rf"\[bqx:{name}\b[^\[\]\n]*\](?P<content>.*)\[/bqx:{name}\]", text, re.DOTALL)
    if len(begins) != 1 or len(ends) != 1 or whole is None:
        raise Damaged(
            f"The markers of the block '{name}' are damaged ({len(begins)} beginnings, {len(ends)} ends). "
            f"Restore one line '[bqx:{name}]' and, below it, one line '[/bqx:{name}]', or remove both."
        )
    if _ANY.search(whole["content"]):
        raise Damaged(f"Another marker stands inside the block '{name}'. Move it out of the block.")
    return whole.start(), whole.start("content"), whole.end("content"), whole.end()
