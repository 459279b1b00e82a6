"""Opening files of bars: everything before their content is understood."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from include.market import packed
from include.market.naming import ending_of
from include.market.problems import bad
from include.objects import ObjectStore

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
_WHOLE = b"PAR1"  # Parquet, which says at its end what it holds
_LFS = b"version https://git-lfs.github.com/spec/"


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


class Content(NamedTuple):
    """A file that may hold bars, unpacked.

    Attributes:
        source: path, to name it in errors; a file in an archive is named below it.
        names: its name, and that of the archive.
        body: its bytes.
    """

    source: str
    names: tuple[str, ...]
    body: bytes


def contents(path: BarFile, most_bytes: int | None = None) -> Iterator[Content]:
    """What a file holds: itself, or the files packed in it.

    Args:
        path: the file.
        most_bytes: of text in a folder no more than this beginning is needed; None reads it whole.

    Raises:
        BadInput: it cannot be opened or unpacked.
    """
    is_packed = ending_of(path.name) in packed.READ
    body = _object(path) if isinstance(path, StoredFile) else _file(path, None if is_packed else most_bytes)
    if not is_packed:
        yield Content(str(path), (path.name,), body)
        return
    refuse_empty(body, str(path))
    for name, unpacked in packed.unpack(path.name, body, str(path)):
        yield Content(f"{path}/{name}", (name, path.name), unpacked)


def read_bytes(path: BarFile) -> bytes:
    """The content of one file that may hold bars, not unpacked.

    Raises:
        BadInput: it cannot be opened, is empty, or is plainly something else.
    """
    body = _object(path) if isinstance(path, StoredFile) else _file(path)
    refuse_foreign(body, str(path))
    return body


def refuse_error(source: str, error: Any) -> None:
    """What S3 refuses for good is bad input; a passing trouble is not, and the task is tried again."""
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404:
        raise bad("no-folder", source, f"S3 does not have it ({code})") from error
    if status in (400, 401, 403):
        raise bad("not-readable", source, f"S3 does not show it ({code})") from error


def _object(path: StoredFile) -> bytes:
    try:
        content = path.store.get(path.key)
    except path.store.client.exceptions.ClientError as error:
        refuse_error(str(path), error)
        raise
    if content is None:
        raise bad("no-such-file", str(path), "there is no such object")
    return content


def _file(path: Path, most_bytes: int | None = None) -> bytes:
    source = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise bad("is-a-folder", source, "this is a folder")
        if not stat.S_ISREG(mode):
            raise bad("not-a-regular-file", source, "this is no regular file")
        if most_bytes is None:
            return path.read_bytes()
        with path.open("rb") as file:
            start = file.read(most_bytes)
            return start + file.read() if start.startswith(_WHOLE) else start
    except FileNotFoundError:
        raise bad("no-such-file", source, "there is no such file") from None
    except OSError as error:
        raise bad("not-readable", source, f"the file cannot be read: {error.strerror}") from None


def refuse_foreign(content: bytes, source: str) -> None:
    """Refuse what is empty or plainly something else than bars.

    Raises:
        BadInput: ``empty-file``, ``lfs-pointer``, ``archive``, ``html-page`` or ``json-text``.
    """
    refuse_empty(content, source)
    head = _head(content)
    if head.startswith(_LFS):
        raise bad("lfs-pointer", source, "the file is a pointer of Git LFS")
    for magic, kind in _ARCHIVES:
        if content.startswith(magic):
            raise bad("archive", source, f"the file is packed ({kind})")
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise bad("html-page", source, "the file is a web page")
    if head.startswith((b"{", b"[")):
        raise bad("json-text", source, "the file is JSON")


def refuse_empty(content: bytes, source: str) -> None:
    """Refuse a file of white space."""
    if not _head(content):
        raise bad("empty-file", source, f"the file has {len(content)} bytes and no text")


def _head(content: bytes) -> bytes:
    return content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
