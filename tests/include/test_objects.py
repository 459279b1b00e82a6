"""What is needed of S3, over HTTP against the stand-in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from include.errors import BadParameter, BqxError
from include.objects import FolderStore, ObjectStore, bucket_and_prefix
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


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://my-bucket/bars/m1/", ("my-bucket", "bars/m1")),
        ("S3://my.bucket", ("my.bucket", "")),
        ("/data/bars", None),
        ("bars/s3://x", None),
    ],
)
def test_an_address_names_bucket_and_folder(address: str, found: tuple[str, str] | None) -> None:
    assert bucket_and_prefix(address) == found


@pytest.mark.parametrize("address", ["s3://", "s3:///bars", "s3://My_Bucket/bars", "s3://a/bars"])
def test_an_address_without_a_bucket_is_refused(address: str) -> None:
    with pytest.raises(BadParameter, match="names no bucket: write s3://bucket/folder"):
        bucket_and_prefix(address)


def test_a_link_leads_to_the_object_or_to_the_console(store: ObjectStore) -> None:
    endpoint = store.client.meta.endpoint_url
    assert store.link("reports/a b+c.html") == f"{endpoint}/bqx-test/reports/a%20b%2Bc.html"
    aws = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="secret")
    link = ObjectStore(aws, "bqx", "reports").link("reports/plan/a+b/plan.html")
    assert link == (
        "https://eu-west-1.console.aws.amazon.com/s3/object/bqx"
        "?region=eu-west-1&prefix=reports%2Fplan%2Fa%2Bb%2Fplan.html"
    )
    assert "secret" not in link
    assert "Signature" not in link


def test_a_folder_answers_as_a_bucket_does(tmp_path: Path) -> None:
    folder = FolderStore(tmp_path / "not" / "there")
    assert folder.get("a/b.txt") is None
    assert list(folder.list("")) == []
    folder.put("a/b.txt", b"one")
    folder.put("a/c.txt", b"two")
    folder.put("a/c.txt", b"three")
    assert [(found.key, found.bytes) for found in folder.list("a/")] == [("a/b.txt", 3), ("a/c.txt", 5)]
    assert [found.key for found in folder.list("a/c")] == ["a/c.txt"]
    folder.delete(["a/b.txt", "a/b.txt", "never"])
    assert folder.get("a/c.txt") == b"three"
    folder.delete(["a/c.txt"])
    assert list(folder.path.iterdir()) == []
