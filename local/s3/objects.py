"""Buckets and objects in a folder. What is there is whole: an object appears by one rename.

``{folder}/{bucket}/objects`` holds one folder per segment of a key. An object is two files: the data,
``{name}@{token}``, and a JSON document, ``{name}@``, which says which data are valid. Names are
percent-encoded, so that no key leaves the folder, and ``a`` and ``a/b`` can both exist.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote, unquote

from local.s3.faults import Fault
from local.stand_in import own

LONGEST_KEY = 1024  # bytes of UTF-8
_LONGEST_NAME = 200  # a file system takes 255; the token needs some
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Entry(NamedTuple):
    """What is known of one object.

    Attributes:
        etag: without quotes.
        modified: seconds since 1970.
        headers: that its readers are answered with, user metadata included.
        data: name of the file that holds its bytes.
    """

    key: str
    etag: str
    size: int
    modified: float
    headers: dict[str, str]
    data: str


class Draft(NamedTuple):
    """Bytes that are complete and not yet an object."""

    path: Path
    etag: str
    headers: dict[str, str]


class Objects:
    """All buckets below one folder. Threads may use it at once, processes may not.

    `drafts` is the folder of what is being written; it is emptied at the start.

    Args:
        folder: is created if missing; what a killed server left unfinished is removed.

    Raises:
        BqxError: another server has the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._owner = own(folder)
        self.drafts = folder / ".drafts"
        shutil.rmtree(self.drafts, ignore_errors=True)
        self.drafts.mkdir()
        self._sweep()

    def close(self) -> None:
        """Let another server have the folder."""
        self._owner.close()

    def buckets(self) -> list[tuple[str, float]]:
        """Name and moment of creation of each bucket."""
        found = [path.parent for path in self.folder.glob("*/objects")]
        return sorted((path.name, (path / "created").stat().st_mtime) for path in found)

    def create_bucket(self, bucket: str) -> None:
        """Create an empty bucket."""
        if not _BUCKET.fullmatch(bucket):
            raise Fault("InvalidBucketName")
        with self._lock:
            if (self.folder / bucket / "objects").exists():
                raise Fault("BucketAlreadyOwnedByYou")
            (self.folder / bucket).mkdir(exist_ok=True)
            (self.folder / bucket / "created").touch()
            (self.folder / bucket / "objects").mkdir()

    def delete_bucket(self, bucket: str) -> None:
        """Delete a bucket that has no objects."""
        with self._lock:
            if self.keys(bucket):
                raise Fault("BucketNotEmpty")
            shutil.rmtree(self.folder / bucket)

    def bucket(self, bucket: str) -> Path:
        """The folder of a bucket."""
        path = self.folder / bucket
        if not _BUCKET.fullmatch(bucket) or not (path / "objects").is_dir():
            raise Fault("NoSuchBucket")
        return path

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Keys that begin with a prefix, in S3's order: that of their UTF-8 bytes."""
        root = self.bucket(bucket) / "objects"
        parts = _parts(prefix)[:-1]
        found = []
        for folder, _, names in os.walk(root.joinpath(*parts)):
            relative = os.path.relpath(folder, root)
            for name in names:
                if name.endswith("@"):
                    key = _key(f"{relative}/{name[:-1]}".removeprefix("./"))
                    if key.startswith(prefix):
                        found.append(key)
        return sorted(found, key=str.encode)

    def entry(self, bucket: str, key: str) -> Entry:
        """What is known of one object."""
        path = self._document(bucket, key)
        try:
            return Entry(**json.loads(path.read_text()))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Fault("NoSuchKey") from error

    def open(self, bucket: str, key: str) -> tuple[Entry, BinaryIO]:
        """One object and its bytes; they stay readable when it is replaced or deleted."""
        document = self._document(bucket, key)
        with self._lock:
            entry = self.entry(bucket, key)
            return entry, (document.parent / entry.data).open("rb")

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A file to write into; it is gone after the block unless it became an object."""
        path = self.drafts / secrets.token_hex(8)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def receive(self, path: Path, blocks: Iterable[bytes]) -> None:
        """Write blocks into a draft."""
        with path.open("wb") as stream:
            for block in blocks:
                stream.write(block)

    def put(self, bucket: str, key: str, draft: Draft, if_none_match: str = "", if_match: str = "") -> Entry:
        """Make a draft an object, in the place of the one that is there.

        Args:
            bucket: where to.
            key: its name.
            draft: its bytes; the file is moved.
            if_none_match: ``*`` to write only what is not there.
            if_match: ETag that the object must have which is replaced.
        """
        document = self._document(bucket, key)
        with self._lock:
            self.bucket(bucket)
            present = self._present(bucket, key)
            if if_none_match == "*" and present:
                raise Fault("PreconditionFailed")
            if if_match and not present:
                raise Fault("NoSuchKey")
            if if_match and present and if_match.strip('"') != present.etag:
                raise Fault("PreconditionFailed")
            document.parent.mkdir(parents=True, exist_ok=True)
            data = document.with_name(document.name + secrets.token_hex(8))
            size = draft.path.stat().st_size
            entry = Entry(key, draft.etag, size, time.time(), draft.headers, data.name)
            draft.path.replace(data)
            with self.draft() as unfinished:
                unfinished.write_text(json.dumps(entry._asdict()))
                unfinished.replace(document)
            if present:
                document.with_name(present.data).unlink(missing_ok=True)
        return entry

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; of no effect if there is none."""
        document = self._document(bucket, key)
        with self._lock:
            present = self._present(bucket, key)
            if present is None:
                return
            document.unlink()
            document.with_name(present.data).unlink(missing_ok=True)
            with suppress(OSError):  # not empty
                top = self.bucket(bucket) / "objects"
                while document.parent != top:
                    document = document.parent
                    document.rmdir()

    def _present(self, bucket: str, key: str) -> Entry | None:
        try:
            return self.entry(bucket, key)
        except Fault:
            self.bucket(bucket)
            return None

    def _document(self, bucket: str, key: str) -> Path:
        if len(key.encode()) > LONGEST_KEY:
            raise Fault("KeyTooLongError")
        *folders, name = _parts(key)
        return (self.bucket(bucket) / "objects").joinpath(*folders, f"{name}@")

    def _sweep(self) -> None:
        """Remove what is not whole: a server died between data and document, or the power went."""
        for folder, _, names in os.walk(self.folder):
            here = Path(folder)
            valid = set()
            for name in names:
                if name.endswith("@"):
                    if data := _data_of(here / name):
                        valid.add(data)
                    else:
                        (here / name).unlink()
            for name in names:
                if "@" in name[:-1] and name not in valid:
                    (here / name).unlink()


def _data_of(document: Path) -> str | None:
    """Name of the data of an object, None if it is not whole."""
    try:
        entry = Entry(**json.loads(document.read_text()))
        return entry.data if document.with_name(entry.data).stat().st_size == entry.size else None
    except (ValueError, TypeError, FileNotFoundError):
        return None


def _parts(key: str) -> list[str]:
    """Names of the folders and of the file of a key: ``a//..`` is ``a``, ``%``, ``%2E%2E``."""
    parts = []
    for segment in key.split("/"):
        name = quote(segment, safe="") or "%"
        while len(name) > _LONGEST_NAME:
            parts.append(name[:_LONGEST_NAME] + "+")
            name = name[_LONGEST_NAME:]
        parts.append(name.replace(".", "%2E") if name in (".", "..") else name)
    return parts


def _key(path: str) -> str:
    """The key whose names are these: the opposite of `_parts`."""
    segments = path.replace("+/", "").split("/")
    return "/".join("" if segment == "%" else unquote(segment) for segment in segments)
