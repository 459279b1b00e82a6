"""Reports in a folder, for tests to which it does not matter where they lie."""

from __future__ import annotations

from pathlib import Path

from include.objects import FolderStore
from include.reports import Reports


def in_folder(path: Path) -> Reports:
    """Reports in a folder, which is made when something is written."""
    return Reports(FolderStore(path))


NOWHERE = in_folder(Path("/nowhere"))  # for tests in which nobody reads or writes any
