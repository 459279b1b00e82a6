"""Which file holds which pair, and opening it: everything before its content is understood."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from include.market.problems import bad
from include.objects import ObjectStore
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


class StoredFile(NamedTuple):
    """An object of a bucket that may hold bars; it is named to people as ``s3://bucket/key``."""

    store: ObjectStore
    key: str

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot."""
        return PurePosixPath(self.key).suffix

    def __str__(self) -> str:
        return self.store.uri(self.key)


BarFile = Path | StoredFile


def find_files(place: Path | str | ObjectStore, pairs: Collection[str] = PAIRS) -> dict[str, list[BarFile]]:
    """Find the files of each pair by their names, in any case; subfolders are not searched.

    A pair has one file, or one file per year or month of the same name otherwise
    (``DAT_ASCII_EURUSD_M1_2018.csv``, ``.._2019.csv``), which are read in order of time.

    Args:
        place: a folder, or a place in a bucket.
        pairs: pairs wanted.

    Returns:
        Files of each pair that was found, in the order of `pairs`, oldest first.

    Raises:
        BadInput: ``no-folder``, ``no-files``, ``ambiguous-name``, ``mixed-files``,
            ``years-not-consecutive``, or ``archive`` if only packed files are there.
    """
    folder = place.uri(place.prefix) if isinstance(place, ObjectStore) else str(place)
    entries = _objects(place) if isinstance(place, ObjectStore) else _files(Path(place))
    found: dict[str, list[BarFile]] = {}
    for path in entries:
        if path.suffix.lower() in SUFFIXES:
            for pair in _only_pair(path):
                found.setdefault(pair, []).append(path)
    if not any(pair in found for pair in pairs):
        packed = [path for path in entries if path.suffix.lower() in PACKED and pairs_in(path.name)]
        if packed:
            raise bad("archive", str(packed[0]), "the folder holds packed files only")
        raise bad("no-files", folder, "no file is named after a pair that is wanted")
    return {pair: _in_order(pair, found[pair]) for pair in pairs if pair in found}


def _files(folder: Path) -> Sequence[BarFile]:
    if not folder.is_dir():
        raise bad("no-folder", str(folder), "there is no such folder")
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except PermissionError:
        raise bad("not-readable", str(folder), "the folder cannot be listed") from None


def _objects(place: ObjectStore) -> Sequence[BarFile]:
    prefix = f"{place.prefix}/" if place.prefix else ""
    try:
        keys = [found.key for found in place.list(prefix)]
    except place.client.exceptions.ClientError as error:
        _refuse(place.uri(place.prefix), error)
        raise
    if not keys:
        raise bad("no-folder", place.uri(place.prefix), "no object lies below this address")
    beside = (key.removeprefix(prefix) for key in keys)
    return [
        StoredFile(place, prefix + name) for name in beside if name and name[0] != "." and "/" not in name
    ]


def _refuse(source: str, error: Any) -> None:
    """What S3 refuses for good is bad input; a passing trouble is not, and the task is tried again."""
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404:
        raise bad("no-folder", source, f"S3 does not have it ({code})") from error
    if status in (400, 401, 403):
        raise bad("not-readable", source, f"S3 does not show it ({code})") from error


def pairs_in(name: str) -> list[str]:
    """Pairs that a file name mentions: ``EURUSD``, ``eur_usd`` or ``EUR-USD``, not inside a longer word."""
    text = name.lower()
    return [pair for pair in PAIRS if re.search(rf"(?<![a-z]){base(pair)}[-_ ]?{quote(pair)}(?![a-z])", text)]


def read_bytes(path: BarFile) -> bytes:
    """The content of a file that may hold bars.

    Raises:
        BadInput: it cannot be opened, is empty, or is plainly something else.
    """
    content = _object(path) if isinstance(path, StoredFile) else _file(path)
    _refuse_foreign(content, str(path))
    return content


def _object(path: StoredFile) -> bytes:
    try:
        content = path.store.get(path.key)
    except path.store.client.exceptions.ClientError as error:
        _refuse(str(path), error)
        raise
    if content is None:
        raise bad("no-such-file", str(path), "there is no such object")
    return content


def _file(path: Path) -> bytes:
    source = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise bad("is-a-folder", source, "this is a folder")
        if not stat.S_ISREG(mode):
            raise bad("not-a-regular-file", source, "this is no regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise bad("no-such-file", source, "there is no such file") from None
    except OSError as error:
        raise bad("not-readable", source, f"the file cannot be read: {error.strerror}") from None


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


def _only_pair(path: BarFile) -> list[str]:
    names = pairs_in(path.name)
    if len(names) > 1:
        raise bad("ambiguous-name", str(path), f"the name holds {' and '.join(names)}")
    return names


def _in_order(pair: str, paths: Sequence[BarFile]) -> list[BarFile]:
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


def _period(path: BarFile) -> _Period | None:
    """The one year or month in a file name, or None if there is none or more than one."""
    marks = list(_PERIOD.finditer(path.name))
    if len(marks) != 1:
        return None
    mark = marks[0]
    year, month = int(mark[1]) * 12, mark[2]
    first, length = (year, 12) if month is None else (year + int(month) - 1, 1)
    return _Period(first, first + length, (path.name[: mark.start()] + path.name[mark.end() :]).lower())
