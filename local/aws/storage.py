"""Objects in S3 as the jobs need them: lists, files down, files up."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Place(NamedTuple):
    """An address in S3; the key may be a prefix."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> Place:
        """The place of ``s3://bucket/key``."""
        url = urlsplit(uri, allow_fragments=False)
        return cls(url.netloc, url.path.removeprefix("/"))

    @property
    def folder(self) -> Place:
        """The prefix that ends where a name in it begins."""
        return Place(self.bucket, f"{self.key.rstrip('/')}/" if self.key else "")

    def below(self, name: str) -> Place:
        """The place of a name in this folder."""
        return Place(self.bucket, self.folder.key + name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Storage:
    """The S3 stand-in as boto3 sees it. Threads may use it at once.

    Args:
        endpoint: its address.
        key_id, secret: to sign with.
    """

    def __init__(self, endpoint: str, key_id: str, secret: str) -> None:
        self._endpoint, self._key = endpoint, (key_id, secret)
        self._lock = threading.Lock()
        self._made: Any = None

    def list(self, place: Place) -> list[str]:
        """Keys that begin as the place does; empty if the bucket is not there."""
        client = self._client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
        try:
            return [one["Key"] for page in pages for one in page.get("Contents", ())]
        except client.exceptions.NoSuchBucket:
            return []

    def read(self, place: Place) -> bytes | None:
        """The content of an object; None if it is not there."""
        stream = self._open(place)
        return None if stream is None else bytes(stream.read())

    def fetch(self, place: Place, path: Path) -> bool:
        """Write an object to a file, and its folders; False if there is no such object."""
        stream = self._open(place)
        if stream is None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        return True

    def send(self, path: Path, place: Place) -> None:
        """Write a file to an object."""
        with path.open("rb") as file:
            self._client().put_object(Bucket=place.bucket, Key=place.key, Body=file)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._made is not None:
                self._made.close()

    def _open(self, place: Place) -> Any:
        client = self._client()
        try:
            return client.get_object(Bucket=place.bucket, Key=place.key)["Body"]
        except (client.exceptions.NoSuchKey, client.exceptions.NoSuchBucket):
            return None

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _client(self._endpoint, *self._key)
            return self._made


def _client(endpoint: str, key_id: str, secret: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=32,
            retries={"total_max_attempts": 3},
            proxies={},
        ),
    )
