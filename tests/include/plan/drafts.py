"""Copies of the plan with a few words changed, as a project manager would."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.plan.model import DESIRED


def draft(folder: Path, *edits: tuple[str, str, str]) -> Path:
    """A copy of the plan; each edit is a file, words that occur in it exactly once, and the new words."""
    copy = folder / "desired"
    shutil.copytree(DESIRED, copy, dirs_exist_ok=True)
    for name, old, new in edits:
        path = copy / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new), "utf-8")
    return copy
