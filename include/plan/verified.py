"""Which families passed their tests with exactly this code: `verified.json`, which `make verify` writes.

The plan counts a family as implemented when it is in the catalogue and in that file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("verified.json")


class Score(NamedTuple):
    """How many tests of a family ran, and how many passed."""

    tests: int
    passed: int


class Verified(NamedTuple):
    """What the file says.

    Attributes:
        code: fingerprint of the code that was tested, see `include.build.code`.
        families: result by family.
    """

    code: str
    families: Mapping[str, Score]


def read(file: Path = FILE) -> Verified:
    """What the file says; nothing at all where there is none."""
    if not file.exists():
        return Verified("", {})
    content = json.loads(file.read_text(encoding="utf-8"))
    families = {name: Score(one["tests"], one["passed"]) for name, one in content["families"].items()}
    return Verified(content["code"], families)
