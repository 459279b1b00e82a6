"""Pages of docs/runbooks: their headings and the commands under each, as they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TRIGGER = re.compile(r"airflow dags trigger (\w+)")


class Page(NamedTuple):
    """A page.

    Attributes:
        name: of its file without the suffix.
        text: all of it.
        commands: blocks of commands by heading, in the order of the page; headings without any are left out.
    """

    name: str
    text: str
    commands: dict[str, tuple[str, ...]]


def names() -> list[str]:
    """Names of all pages."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def read(name: str) -> Page:
    """A page by its name."""
    text = (FOLDER / f"{name}.md").read_text()
    _, *parts = _HEADING.split(text)
    found = {
        heading: tuple(_COMMANDS.findall(body)) for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }
    return Page(name, text, {heading: blocks for heading, blocks in found.items() if blocks})


def triggered(block: str) -> list[str]:
    """The DAGs that a block of commands triggers."""
    return _TRIGGER.findall(block)
