"""Which file holds which pair, and opening it: everything before its content is understood."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from include.market.problems import bad
from include.pairs import PAIRS, base, quote

SUFFIXES = (".parquet", ".csv", ".txt")
PACKED = (".zip", ".gz", ".zst", ".bz2", ".xz", ".7z", ".rar", ".tar", ".xlsx", ".xls")

_ARCHIVES = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip archive or spreadsheet"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "rar"),
    (b"\xd0\xcf\x11\xe0", "old Excel"),
)
_LFS = b"version https://git-lfs.github.com/spec/"
_PERIOD = re.compile(r"(?<!\d)((?:19|20)\d{2})(0[1-9]|1[0-2])?(?!\d)")


def find_files(folder: Path | str, pairs: Collection[str] = PAIRS) -> dict[str, list[Path]]:
    """Find the files of each pair by their names, in any case; subfolders are not searched.

    A pair has one file, or one file per year or month of the same name otherwise
    (``DAT_ASCII_EURUSD_M1_2018.csv``, ``.._2019.csv``), which are read in order of time.

    Args:
        folder: where to look.
        pairs: pairs wanted.

    Returns:
        Paths of each pair that was found, in the order of `pairs`, oldest first.

    Raises:
        BadInput: ``no-folder``, ``no-files``, ``ambiguous-name``, ``mixed-files``,
            ``years-not-consecutive``, or ``archive`` if only packed files are there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise bad("no-folder", str(folder), "there is no such folder")
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except PermissionError:
        raise bad("not-readable", str(folder), "the folder cannot be listed") from None
    found: dict[str, list[Path]] = {}
    for path in entries:
        if path.suffix.lower() in SUFFIXES:
            for pair in _only_pair(path):
                found.setdefault(pair, []).append(path)
    if not any(pair in found for pair in pairs):
        packed = [path for path in entries if path.suffix.lower() in PACKED and pairs_in(path.name)]
        if packed:
            raise bad("archive", str(packed[0]), "the folder holds packed files only")
        raise bad("no-files", str(folder), "no file is named after a pair that is wanted")
    return {pair: _in_order(pair, found[pair]) for pair in pairs if pair in found}


def pairs_in(name: str) -> list[str]:
    """Pairs that a file name mentions: ``EURUSD``, ``eur_usd`` or ``EUR-USD``, not inside a longer word."""
    text = name.lower()
    return [pair for pair in PAIRS if re.search(rf"(?<![a-z]){base(pair)}[-_ ]?{quote(pair)}(?![a-z])", text)]


def read_bytes(path: Path) -> bytes:
    """The content of a file that may hold bars.

    Raises:
        BadInput: it cannot be opened, is empty, or is plainly something else.
    """
    source = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise bad("is-a-folder", source, "this is a folder")
        if not stat.S_ISREG(mode):
            raise bad("not-a-regular-file", source, "this is no regular file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise bad("no-such-file", source, "there is no such file") from None
    except OSError as error:
        raise bad("not-readable", source, f"the file cannot be read: {error.strerror}") from None
    _refuse_foreign(content, source)
    return content


def _refuse_foreign(content: bytes, source: str) -> None:
    head = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise bad("empty-file", source, f"the file has {len(content)} bytes and no text")
    if head.startswith(_LFS):
        raise bad("lfs-pointer", source, "the file is a pointer of Git LFS")
    for magic, kind in _ARCHIVES:
        if content.startswith(magic):
            raise bad("archive", source, f"the file is packed ({kind})")
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise bad("html-page", source, "the file is a web page")
    if head.startswith((b"{", b"[")):
        raise bad("json-text", source, "the file is JSON")


class _Period(NamedTuple):
    """Months a file name speaks of, counted from year 0, half open; and the rest of the name."""

    first: int
    end: int
    rest: str


def _only_pair(path: Path) -> list[str]:
    names = pairs_in(path.name)
    if len(names) > 1:
        raise bad("ambiguous-name", str(path), f"the name holds {' and '.join(names)}")
    return names


def _in_order(pair: str, paths: Sequence[Path]) -> list[Path]:
    if len(paths) == 1:
        return list(paths)
    periods = {path: _period(path) for path in paths}
    known = {path: period for path, period in periods.items() if period is not None}
    if len(known) < len(paths) or len({period.rest for period in known.values()}) > 1:
        names = ", ".join(path.name for path in paths)
        raise bad(
            "mixed-files", str(paths[1]), f"{pair} has {len(paths)} files that are not years of one: {names}"
        )
    ordered = sorted(known, key=lambda path: known[path])
    for one, other in pairwise(ordered):
        if known[one].end != known[other].first:
            raise bad("years-not-consecutive", str(other), f"it does not continue {one.name}")
    return ordered


def _period(path: Path) -> _Period | None:
    """The one year or month in a file name, or None if there is none or more than one."""
    marks = list(_PERIOD.finditer(path.name))
    if len(marks) != 1:
        return None
    mark = marks[0]
    year, month = int(mark[1]) * 12, mark[2]
    first, length = (year, 12) if month is None else (year + int(month) - 1, 1)
    return _Period(first, first + length, (path.name[: mark.start()] + path.name[mark.end() :]).lower())
