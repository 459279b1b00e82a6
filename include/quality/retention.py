"""Cleaning up: reports of old runs, and tables that a build left behind. It says what it removes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from include.features.catalogue import STORED
from include.names import SCHEMA
from include.pairs import PAIRS
from include.quality.report import GENERATOR
from include.storage.connection import Connection, connect, qualified, statement

OTHER_REPORTS = ("datasets", "migration", "plan")  # folders of other stages, which are none of our business
LOCK_TIMEOUT = "500ms"  # nobody queues behind our request for longer
_MARK = f'<meta name="generator" content="{GENERATOR}">'
_LEFTOVER = re.compile(rf"({'|'.join(('m1', 'bqx', *STORED))})_({'|'.join(PAIRS)})_\d{{4}}_\d{{2}}__build")


class Leftover(NamedTuple):
    """A table that a build would have renamed and attached."""

    name: str
    bytes: int


def clean_up(url: str, reports: str, keep_runs: int, *, dry_run: bool = False) -> dict[str, object]:
    """Remove reports of all but the newest runs, and tables that a build left behind.

    Args:
        url: libpq connection string.
        reports: folder of all reports; folders with anything else in them are left alone.
        keep_runs: the newest runs whose reports stay, at least 0.
        dry_run: say what would be removed, remove nothing.

    Returns:
        Plain values: runs kept, report_folders and tables removed (or to remove), their bytes; `not_ours`:
        folders that stay because something in them is no report of ours; `in_use`: tables that somebody
        held and that therefore stay.

    Raises:
        ValueError: `keep_runs` is negative.
    """
    if keep_runs < 0:
        raise ValueError(f"keep_runs is {keep_runs}; it is a number of runs, at least 0")
    runs = sorted(_run_folders(Path(reports)), key=_written, reverse=True)
    ours = [folder for folder in runs if _is_ours(folder)]
    old = ours[keep_runs:]
    size = sum(page.stat().st_size for folder in old for page in folder.iterdir())
    with connect(url) as connection:
        leftovers = list(_leftovers(connection))
        in_use = [] if dry_run else [one.name for one in leftovers if not _drop(connection, one.name)]
    if not dry_run:
        for folder in old:
            _remove(folder)
    return {
        "dry_run": dry_run,
        "runs_kept": len(ours) - len(old),
        "report_folders": [folder.name for folder in old],
        "tables": [one.name for one in leftovers if one.name not in in_use],
        "bytes": size + sum(one.bytes for one in leftovers if one.name not in in_use),
        "not_ours": [folder.name for folder in runs if folder not in ours],
        "in_use": in_use,
    }


def _run_folders(reports: Path) -> Iterator[Path]:
    if reports.is_dir():
        for entry in reports.iterdir():
            if entry.is_dir() and not entry.is_symlink() and entry.name not in OTHER_REPORTS:
                yield entry


def _written(folder: Path) -> tuple[float, str]:
    """When the newest page of a run was written; the name decides ties."""
    times = [entry.lstat().st_mtime for entry in folder.iterdir()]
    return max(times, default=folder.stat().st_mtime), folder.name


def _is_ours(folder: Path) -> bool:
    """Nothing but our pages is in the folder; unfinished ones of a killed process count as ours."""
    entries = list(folder.iterdir())
    return bool(entries) and all(map(_is_page, entries))


def _is_page(entry: Path) -> bool:
    if entry.is_symlink() or not entry.is_file():
        return False
    if entry.name.startswith(".") and entry.suffix == ".part":
        return True
    with entry.open("rb") as stream:
        return entry.suffix == ".html" and _MARK.encode() in stream.read(1000)


def _remove(folder: Path) -> None:
    """Page by page, never a tree: what arrives in between stays."""
    for entry in folder.iterdir():
        if _is_page(entry):
            entry.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _leftovers(connection: Connection) -> Iterator[Leftover]:
    for name, size in connection.execute(statement("quality/list_leftovers")):
        if _LEFTOVER.fullmatch(str(name)):
            yield Leftover(str(name), int(str(size)))


def _drop(connection: Connection, table: str) -> bool:
    """Drop a leftover unless somebody uses it; a table that depends on it keeps it too."""
    assert _LEFTOVER.fullmatch(table), f"{SCHEMA}.{table} is no leftover of a build"
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(qualified(table)))
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DependentObjectsStillExist):
        return False
    return True
