"""Pages for people: filled from templates that lie beside the code, and there as a whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


# What means something in Markdown. An underscore inside of a word does not, and names are full of them.
_MARKUP = re.compile(r"([\\`*{}\[\]<>|#~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=w)\.|:(?=//))")


def counted(number: int, what: str) -> str:
    """``1 stage``, ``12 stages``."""
    return f"{number:,} {what}" + "s" * (number != 1)


def markdown(value: object) -> str:
    """Text of anybody for Markdown: one line, no mark-up, no link, no picture."""
    return _MARKUP.sub(r"\\\1", " ".join(str(value).split())).replace("&", "&amp;")


def code(value: object) -> str:
    """A name of anybody as a code span of Markdown, whatever is in it."""
    text = " ".join(str(value).split())
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    room = " " * (text.startswith("`") or text.endswith("`"))
    return f"{fence}{room}{text}{room}{fence}"


@cache
def template(path: Path, base: Path | None = None, **filters: Callable[[object], str]) -> Template:
    """A Jinja template; a name it does not know is an error.

    Args:
        path: of the template. If it is one for HTML, values are escaped.
        base: another folder with templates that this one may extend.
        filters: by the name that the template gives them; ``number`` (1,234) and ``md`` (`markdown`) are
            there already.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # DAG files are read all the time

    environment = Environment(
        loader=FileSystemLoader([path.parent, *([base] if base else [])]),
        autoescape=".html" in path.suffixes,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": lambda value: f"{value:,}", "md": markdown} | filters
    return environment.get_template(path.name)


def write(path: Path, content: str | bytes) -> Path:
    """Write a file that everybody may read; a reader sees the old one, then the new one, never half of it.

    Args:
        path: its folder is made if need be.
        content: text goes as UTF-8.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return path


def file_name(text: str) -> str:
    """A name without characters that mean something to a file system."""
    return re.sub(r"[^A-Za-z0-9_+=@-]+", "-", text).strip("-")[:100] or "run"
