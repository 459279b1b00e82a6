"""The object store that data sets are written to: what is needed of S3, nothing more."""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from include.errors import BqxError

_AT_ONCE = 1000  # keys of one deletion, at most
_TRIES = 6
_ABSENT = ("404", "NoSuchKey", "NoSuchBucket")
_TAKEN = ("412", "PreconditionFailed")
_CONFLICT = ("409", "ConditionalRequestConflict")  # two conditional writes at once: S3 asks to try again
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


class ObjectStore(NamedTuple):
    """A place in a bucket.

    Attributes:
        client: boto3 client of S3; whoever makes it decides on credentials, endpoint and retries.
        bucket: name of the bucket.
        prefix: folder in it that holds the data sets.
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
        return "/".join((self.prefix, *parts))

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
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ChecksumSHA256=checksum)

    def put_once(self, key: str, body: bytes) -> bool:
        """Write an object unless one is there; returns False if so. Of several writers one wins."""
        for number in range(_TRIES):
            try:
                self.client.put_object(
                    Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*", ContentType="application/json"
                )
                return True
            except self.client.exceptions.ClientError as error:
                if _code(error) in _TAKEN:
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


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])
