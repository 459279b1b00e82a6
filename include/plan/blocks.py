r"""Managed blocks inside long text: what stands between the markers is ours, every other byte is people's.

A text may hold one block of each name (``plan``, ``status``). Damaged markers are never mended by guessing:
people may have written between them. A rich text field gives back what it was given as Markdown, with escapes
(``reg\_idx``, ``\[bqx:plan\]``) and a line end: what is compared is what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from include.errors import PlanRefused
from include.plan.live import Block

PLAN, STATUS = "plan", "status"
_HINTS = {
    PLAN: "kept up to date from the project plan; write above or below",
    STATUS: "kept up to date by the pipeline; write above or below",
}
_ANY = re.compile(r"\[/?bqx:", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")  # of Markdown: before punctuation
_LINK = re.compile(r"<(?P<plain>https?://[^>\s]+)>|\[(?P<text>https?://[^\]\s]+)\]\((?P=text)\)")
_BULLET = re.compile(r"^(\s*)[*+](?=\s)")


class Damaged(PlanRefused):
    """The markers of a block are not one beginning and one end, in this order."""


def put(text: str, name: str, content: str, *, rich: bool = False) -> str:
    """The text with its block replaced, or added at the end where it has none.

    Args:
        text: what the field holds; empty where there is nothing.
        name: which block.
        content: what it is to hold; without line breaks around it.
        rich: the text is Markdown: the content is written so that it stays the text it is.

    Raises:
        Damaged: the markers cannot be trusted; nothing may be written.
        PlanRefused: the content has a marker in it.
    """
    if marked(content):
        raise PlanRefused(f"A managed block must not contain '[bqx:': {content[:60]!r}. Reword it.")
    written = _literal(content) if rich else content
    block = f"[bqx:{name} - {_HINTS.get(name, 'managed; write above or below')}]\n{written}\n[/bqx:{name}]"
    if span := _span(text, name):
        begin, _, _, end = span
        return text[:begin] + block + text[end:]
    return f"{text}\n\n{block}" if text else block


def put_all(
    fields: Mapping[str, Any], managed: Mapping[str, Block], rich: Collection[str] = ()
) -> dict[str, str]:
    """The texts of a record with its blocks replaced or added, by field; see `put`.

    Args:
        fields: what the record holds.
        managed: the blocks by field.
        rich: the fields that hold Markdown.

    Raises:
        Damaged: the markers of one of them cannot be trusted; nothing may be written.
    """
    return {name: put(_text(fields, name), *block, rich=name in rich) for name, block in managed.items()}


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
    """A content as it is compared: what is meant, without escapes, trailing blanks and foreign breaks."""
    return "\n".join(map(_meant, content.splitlines())).strip("\n")


def marked(content: str) -> bool:
    """Whether a content has a marker in it, so that no block can hold it."""
    return _ANY.search(content) is not None


def _meant(line: str) -> str:
    """A line without what a rich text field adds to it."""
    text = _ESCAPE.sub(r"\1", _BULLET.sub(r"\1-", line))
    return _LINK.sub(lambda found: found["plain"] or found["text"], text).rstrip()


def _literal(content: str) -> str:
    """A content as Markdown; the dashes of its lists stay."""
    return "\n".join(re.sub(r"([\\`*_\[\]<>#~])", r"\\\1", line) for line in content.splitlines())


def _text(fields: Mapping[str, Any], name: str) -> str:
    return str(fields.get(name) or "")


def _span(text: str, name: str) -> tuple[int, int, int, int] | None:
    """Where the block begins, its content begins and ends, and the block ends."""
    begins = list(re.finditer(rf"\[bqx:{name}\b", text, re.IGNORECASE))
    ends = list(re.finditer(rf"\[/bqx:{name}\b", text, re.IGNORECASE))
    if not begins and not ends:
        return None
    hint = rf"bqx:{name}\b[^\[\]\n]*"
    begin, end = rf"(?:\\\[{hint}\\\]|\[{hint}\])", rf"(?:\\\[/bqx:{name}\\\]|\[/bqx:{name}\])"
    whole = re.search(rf"{begin}(?P<content>.*?){end}", text, re.DOTALL)
    if len(begins) != 1 or len(ends) != 1 or whole is None:
        raise Damaged(
            f"The markers of the block '{name}' are damaged ({len(begins)} beginnings, {len(ends)} ends). "
            f"Restore one line '[bqx:{name}]' and, below it, one line '[/bqx:{name}]', or remove both."
        )
    if _ANY.search(whole["content"]):
        raise Damaged(f"Another marker stands inside the block '{name}'. Move it out of the block.")
    return whole.start(), whole.start("content"), whole.end("content"), whole.end()
