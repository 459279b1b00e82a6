"""What is needed of S3, over HTTP against the stand-in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.dataset.store import ObjectStore
from include.errors import BqxError
from tests.include.dataset.stores import empty_store
from tests.s3 import connect


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path / "s3") as store:
        yield store


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def answer_with(store: ObjectStore, event: str, status: int, code: str, times: int) -> list[int]:
    """Let the first requests of a kind fail; returns a list that has one entry for each of them."""
    failed: list[int] = []

    def fail(**_: Any) -> Any:
        if len(failed) == times:
            return None
        failed.append(status)
        error = {"Code": code, "Message": "no"}
        raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, event)

    store.client.meta.events.register(f"before-call.s3.{event}", fail)
    return failed


def test_the_bucket_is_created_once(store: ObjectStore) -> None:
    other = store._replace(bucket="another")
    assert other.ensure_bucket() is True
    assert other.ensure_bucket() is False
    assert store.ensure_bucket() is False


def test_a_bucket_somebody_else_has_just_made_is_no_error(store: ObjectStore) -> None:
    answer_with(store, "HeadBucket", 404, "404", 1)
    assert store.ensure_bucket() is False


def test_a_bucket_that_may_not_be_used_is_named(store: ObjectStore) -> None:
    port = int(store.client.meta.endpoint_url.rpartition(":")[2])
    stranger = connect(port, key="stranger")
    with pytest.raises(BqxError, match=r"Bucket bqx-test cannot be used \(403\).*choose another name"):
        ObjectStore(stranger, "bqx-test").ensure_bucket()
    stranger.close()
    with pytest.raises(BqxError, match="Bucket No_Name cannot be used"):
        store._replace(bucket="No_Name").ensure_bucket()


def test_what_was_put_comes_back(store: ObjectStore) -> None:
    assert store.get("a") is None
    store.put("a", b"text")
    assert store.get("a") == b"text"


def test_the_store_refuses_bytes_that_are_not_those_announced(store: ObjectStore) -> None:
    def damage(params: dict[str, Any], **_: Any) -> None:
        params["Body"] = b"tex!"

    store.client.meta.events.register("before-parameter-build.s3.PutObject", damage)
    with pytest.raises(ClientError, match="BadDigest"):
        store.put("a", b"text")
    assert store.get("a") is None


def test_written_once(store: ObjectStore) -> None:
    assert store.put_once("a", b"1") is True
    assert store.put_once("a", b"2") is False
    assert store.get("a") == b"1"


def test_two_conditional_writes_at_once_are_tried_again(store: ObjectStore) -> None:
    failed = answer_with(store, "PutObject", 409, "ConditionalRequestConflict", 2)
    assert store.put_once("a", b"1") is True
    assert len(failed) == 2


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (503, "SlowDown")])
def test_other_errors_are_not_swallowed(store: ObjectStore, status: int, code: str) -> None:
    for event in ("PutObject", "GetObject", "HeadObject"):
        answer_with(store, event, status, code, 10)
    for ask in (lambda: store.put_once("a", b"1"), lambda: store.get("a"), lambda: store.put("a", b"1")):
        with pytest.raises(ClientError, match=code):
            ask()


def test_listing_and_deleting_go_in_pages(store: ObjectStore) -> None:
    keys = [f"d/{number:04d}" for number in range(1001)]
    for key in keys:
        store.client.put_object(Bucket=store.bucket, Key=key, Body=b"12")
    store.client.put_object(Bucket=store.bucket, Key="e", Body=b"")
    found = list(store.list("d/"))
    assert [one.key for one in found] == keys
    assert {one.bytes for one in found} == {2}
    store.delete([*keys, "never there"])
    assert [one.key for one in store.list("")] == ["e"]


def test_what_could_not_be_deleted_is_said(store: ObjectStore) -> None:
    answer = {"Errors": [{"Key": "a", "Code": "AccessDenied"}]}
    store.client.meta.events.register(
        "after-call.s3.DeleteObjects", lambda parsed, **_: parsed.update(answer)
    )
    with pytest.raises(
        BqxError, match=r"1 objects of bucket bqx-test could not be deleted.* a: AccessDenied"
    ):
        store.delete(["a"])
