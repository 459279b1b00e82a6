"""Where objects are kept: a place in a bucket of S3, or a folder that answers in the same way."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode, urlsplit

from include import pages
from include.errors import BadParameter, BqxError

_AT_ONCE = 1000  # keys of one deletion, at most
_TRIES = 6
_ABSENT = ("404", "NoSuchKey", "NoSuchBucket")
_TAKEN = ("412", "PreconditionFailed")
_CONFLICT = ("409", "ConditionalRequestConflict")  # two conditional writes at once: S3 asks to try again
_SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION_OF_NONE = ("us-east-1", "aws-global")  # must not be named when a bucket is created


class Found(NamedTuple):
    """An object of a listing.

    Attributes:
        key: its whole name in the bucket.
        bytes: its size.
        modified: when it was written, UTC.
    """

    key: str
    bytes: int
    modified: datetime


class Store(Protocol):
    """What a bucket and a folder have in common."""

    def key(self, *parts: str) -> str:
        """Key of something below the place that is meant."""

    def get(self, key: str) -> bytes | None:
        """The bytes of an object, None if there is none."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object; a reader sees the old one, then the new one, never half of it."""

    def list(self, prefix: str) -> Iterator[Found]:
        """Every object whose key begins so, by key."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there do not matter."""

    def link(self, key: str) -> str:
        """The address under which a person opens an object."""


class ObjectStore(NamedTuple):
    """A place in a bucket.

    Attributes:
        client: boto3 client of S3; whoever makes it decides on credentials, endpoint and retries.
        bucket: name of the bucket.
        prefix: folder in it that is meant; empty for the whole bucket.
    """

    client: Any
    bucket: str
    prefix: str = "datasets"

    def ensure_bucket(self) -> bool:
        """Create the bucket unless it exists; returns True if it was created.

        Raises:
            BqxError: it belongs to somebody else, or may not be used.
        """
        try:
            self.client.head_bucket(Bucket=self.bucket)
            return False
        except self.client.exceptions.ClientError as error:
            if _code(error) not in _ABSENT:
                raise self._unusable(error) from error
        region = self.client.meta.region_name
        place = (
            {} if region in _REGION_OF_NONE else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        try:
            self.client.create_bucket(Bucket=self.bucket, **place)
        except self.client.exceptions.ClientError as error:
            if _code(error) == "BucketAlreadyOwnedByYou":  # another task was faster
                return False
            raise self._unusable(error) from error
        return True

    def key(self, *parts: str) -> str:
        """Key of something below the prefix."""
        return "/".join(part for part in (self.prefix, *parts) if part)

    def uri(self, key: str) -> str:
        """The object as ``s3://bucket/key``."""
        return f"{_SCHEME}{self.bucket}/{key}"

    def link(self, key: str) -> str:
        """The address under which a person opens an object: a page of the AWS console, or the object itself.

        A presigned address is not used: it holds a signature, and links are written to logs and XComs.
        """
        endpoint = self.client.meta.endpoint_url
        if (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            region = self.client.meta.region_name
            asked = urlencode({"region": region, "prefix": key})
            return f"https://{region}.console.aws.amazon.com/s3/object/{self.bucket}?{asked}"
        return f"{endpoint.rstrip('/')}/{self.bucket}/{quote(key)}"

    def get(self, key: str) -> bytes | None:
        """The bytes of an object, None if there is none."""
        try:
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.client.exceptions.ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return body

    def put(self, key: str, body: bytes) -> None:
        """Write an object. The store itself checks that what arrives has the right SHA-256."""
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self.client.put_object(
            Bucket=self.bucket, Key=key, Body=body, ChecksumSHA256=checksum, ContentType=_content_type(key)
        )

    def get_tagged(self, key: str) -> tuple[bytes, str] | None:
        """The bytes of an object and its ETag, for `replace`; None if there is none."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
        except self.client.exceptions.ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return answer["Body"].read(), str(answer["ETag"])

    def put_once(self, key: str, body: bytes) -> bool:
        """Write an object unless one is there; returns False if so. Of several writers one wins."""
        return self._put_where(key, body, IfNoneMatch="*")

    def replace(self, key: str, body: bytes, etag: str | None) -> bool:
        """Write an object if it is still the one that was read; returns False if it is not.

        Args:
            key: of the object.
            body: what it becomes.
            etag: from `get_tagged`; None if there was no object.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        return self._put_where(key, body, **condition)

    def _put_where(self, key: str, body: bytes, **condition: str) -> bool:
        """Write an object under a condition; returns False if it does not hold."""
        for number in range(_TRIES):
            try:
                self.client.put_object(
                    Bucket=self.bucket, Key=key, Body=body, ContentType=_content_type(key), **condition
                )
                return True
            except self.client.exceptions.ClientError as error:
                if _code(error) in _TAKEN or ("IfMatch" in condition and _code(error) == "NoSuchKey"):
                    return False
                if _code(error) not in _CONFLICT or number == _TRIES - 1:
                    raise
            time.sleep(random.uniform(0.05, 0.1 * 2**number))
        raise AssertionError("unreachable")

    def list(self, prefix: str) -> Iterator[Found]:
        """Every object whose key begins so, by key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            for one in page.get("Contents", ()):
                yield Found(one["Key"], one["Size"], one["LastModified"])

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there do not matter.

        Raises:
            BqxError: some could not be deleted.
        """
        for begin in range(0, len(keys), _AT_ONCE):
            some = [{"Key": key} for key in keys[begin : begin + _AT_ONCE]]
            answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
            if errors := answer.get("Errors"):
                first = errors[0]
                raise BqxError(
                    f"{len(errors)} objects of bucket {self.bucket} could not be deleted, the first is "
                    f"{first['Key']}: {first['Code']}. Check the permission s3:DeleteObject and run again."
                )

    def _unusable(self, error: Exception) -> BqxError:
        return BqxError(
            f"Bucket {self.bucket} cannot be used ({_code(error)}). It may belong to another account: choose "
            "another name, or ask for the permissions s3:ListBucket and s3:CreateBucket."
        )


class FolderStore(NamedTuple):
    """A folder whose files are the objects.

    Attributes:
        path: of the folder; it is made when something is written.
    """

    path: Path

    def key(self, *parts: str) -> str:
        """Key of something in the folder: its path below it."""
        return "/".join(parts)

    def link(self, key: str) -> str:
        """The path of the file."""
        return str(self.path / key)

    def get(self, key: str) -> bytes | None:
        """The bytes of a file, None if there is none."""
        try:
            return (self.path / key).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, key: str, body: bytes) -> None:
        """Write a file that everybody may read; a reader never sees half of it."""
        pages.write(self.path / key, body)

    def list(self, prefix: str) -> Iterator[Found]:
        """Every file whose key begins so, by key; links to folders are not followed."""
        folder = self.path / prefix.rpartition("/")[0]
        paths = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
        for path in sorted(paths):
            key = path.relative_to(self.path).as_posix()
            if key.startswith(prefix):
                told = path.lstat()
                yield Found(key, told.st_size, datetime.fromtimestamp(told.st_mtime, UTC))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete files, and the folders that are empty then."""
        for key in keys:
            path = self.path / key
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self.path or not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()


def bucket_and_prefix(address: str) -> tuple[str, str] | None:
    """Bucket and folder of an address such as ``s3://bucket/bars``; None if it is no address of S3.

    Raises:
        BadParameter: it is one of S3, but names no bucket.
    """
    if not address.lower().startswith(_SCHEME):
        return None
    bucket, _, prefix = address[len(_SCHEME) :].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise BadParameter(
            f"{address} names no bucket: write s3://bucket/folder. The name of a bucket has 3 to 63 "
            "lowercase letters, digits, hyphens and dots."
        )
    return bucket, prefix.strip("/")


def _content_type(key: str) -> str:
    """What a browser is told that an object is, so that it shows the text instead of saving it."""
    kind = "text/plain" if key.endswith((".md", ".csv")) else mimetypes.guess_type(key)[0]
    if kind is None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])
