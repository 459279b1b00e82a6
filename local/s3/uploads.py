"""Multipart uploads: parts wait in a folder of their own until they become one object."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from local.s3.faults import Fault
from local.s3.objects import Draft, Entry, Objects
from local.s3.wire import BLOCK

SMALLEST_PART = 5 << 20  # bytes; the last one may be smaller
LAST_PART = 10_000


class Part(NamedTuple):
    """One part that was received; its file is called ``{number}-{etag}``."""

    number: int
    etag: str
    path: Path

    @classmethod
    def of(cls, path: Path) -> Part:
        """The part of a file."""
        number, _, etag = path.name.partition("-")
        return cls(int(number), etag, path)


class Upload(NamedTuple):
    """An upload under way."""

    id: str
    key: str
    headers: dict[str, str]
    folder: Path

    @property
    def parts(self) -> list[Part]:
        """What was received, by number."""
        return sorted(Part.of(path) for path in self.folder.glob("*-*"))


class Uploads:
    """The uploads of all buckets.

    Args:
        objects: what they become part of.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def create(self, bucket: str, key: str, headers: dict[str, str]) -> str:
        """Begin an upload; returns its id."""
        name = secrets.token_hex(16)
        uploads = self._objects.bucket(bucket) / "uploads"
        uploads.mkdir(exist_ok=True)
        unfinished = self._objects.drafts / name
        unfinished.mkdir()
        (unfinished / "upload").write_text(json.dumps({"key": key, "headers": headers}))
        unfinished.replace(uploads / name)
        return name

    def list(self, bucket: str) -> list[Upload]:
        """The uploads of a bucket, by key."""
        folders = (self._objects.bucket(bucket) / "uploads").glob("*")
        return sorted(map(self._read, folders), key=lambda upload: (upload.key, upload.id))

    def get(self, bucket: str, key: str, name: str) -> Upload:
        """One upload."""
        folder = self._objects.bucket(bucket) / "uploads" / name
        if not re.fullmatch("[0-9a-f]{32}", name) or not folder.is_dir():
            raise Fault("NoSuchUpload")
        upload = self._read(folder)
        if upload.key != key:
            raise Fault("NoSuchUpload")
        return upload

    def put(self, upload: Upload, number: int, draft: Draft) -> None:
        """Take a draft as a part, in the place of one with the same number."""
        if not 1 <= number <= LAST_PART:
            raise Fault("InvalidArgument", f"Part number must be an integer between 1 and {LAST_PART}")
        kept = upload.folder / f"{number:05d}-{draft.etag}"
        draft.path.replace(kept)
        for other in upload.folder.glob(f"{number:05d}-*"):
            if other != kept:
                other.unlink(missing_ok=True)

    def complete(
        self, bucket: str, upload: Upload, wanted: Sequence[tuple[int, str]], if_none_match: str = ""
    ) -> Entry:
        """Make the parts one object.

        Args:
            bucket: where to.
            upload: whose parts.
            wanted: number and ETag of each part, in order.
            if_none_match: ``*`` to write only what is not there.
        """
        parts = _chosen(upload.parts, wanted)
        digest = hashlib.md5(usedforsecurity=False)
        for part in parts:
            digest.update(bytes.fromhex(part.etag))
        with self._objects.draft() as path:
            self._objects.receive(path, _blocks(parts))
            draft = Draft(path, f"{digest.hexdigest()}-{len(parts)}", upload.headers)
            entry = self._objects.put(bucket, upload.key, draft, if_none_match)
        self.abort(upload)
        return entry

    def abort(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        shutil.rmtree(upload.folder, ignore_errors=True)

    def _read(self, folder: Path) -> Upload:
        told = json.loads((folder / "upload").read_text())
        return Upload(folder.name, told["key"], told["headers"], folder)


def _chosen(there: Sequence[Part], wanted: Sequence[tuple[int, str]]) -> list[Part]:
    numbers = [number for number, _ in wanted]
    if not numbers:
        raise Fault("MalformedXML")
    if numbers != sorted(set(numbers)):
        raise Fault("InvalidPartOrder")
    parts = {(part.number, part.etag): part for part in there}
    if any((number, etag) not in parts for number, etag in wanted):
        raise Fault("InvalidPart")
    chosen = [parts[one] for one in wanted]
    if any(part.path.stat().st_size < SMALLEST_PART for part in chosen[:-1]):
        raise Fault("EntityTooSmall")
    return chosen


def _blocks(parts: Sequence[Part]) -> Iterator[bytes]:
    for part in parts:
        with part.path.open("rb") as stream:
            while block := stream.read(BLOCK):
                yield block
