"""Which alarms were fired and which runbooks drilled: `drills.json`, which `make drill` writes.

The plan counts alarms as fired as long as their declaration is the same, and a procedure as drilled as long
as its page is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from include.monitoring.cloudwatch import alarms
from include.monitoring.declaration import declared
from include.plan import cost, model

__all__ = ["FILE", "PAGES", "Drill", "Drills", "declaration", "page_hash", "read"]

FILE = Path(__file__).with_name("drills.json")
PAGES = Path(__file__).resolve().parents[2] / "docs" / "runbooks"


class Drill(NamedTuple):
    """A procedure that was drilled.

    Attributes:
        page: SHA-256 of the page as it was followed.
        day: when, yyyy-mm-dd.
    """

    page: str
    day: str


class Drills(NamedTuple):
    """What the file says.

    Attributes:
        declaration: hash of the alarms that were fired, see `declaration`.
        fired: how many of them.
        pages: by name, without those whose drill failed.
    """

    declaration: str
    fired: int
    pages: Mapping[str, Drill]

    def holds(self, page: str) -> bool:
        """Whether a page was drilled as it is now."""
        return page in self.pages and self.pages[page].page == page_hash(page)


def read(file: Path = FILE) -> Drills:
    """What the file says; nothing at all where there is none."""
    if not file.exists():
        return Drills("", 0, {})
    content = json.loads(file.read_text(encoding="utf-8"))
    pages = {name: Drill(**told) for name, told in content["pages"].items()}
    return Drills(content["declaration"], content["fired"], pages)


def declaration() -> tuple[str, int]:
    """Hash of all alarms that are declared now, and how many they are."""
    wanted = alarms(declared(cost.budget(model.load().desired)), "bqx")
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest(), len(wanted)


def page_hash(page: str) -> str:
    """Hash of a runbook; empty if there is none."""
    path = PAGES / f"{page}.md"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
