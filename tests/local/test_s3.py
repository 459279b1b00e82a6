"""The S3 stand-in, asked by boto3, by pyarrow and by hand over real HTTP."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import signal
import socket
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from include.errors import BqxError
from local.s3.__main__ import main
from local.s3.objects import _LONGEST_NAME, Draft, _key, _parts
from local.s3.server import KEY_ID, Server
from tests.s3 import connect, process, served, signed

BUCKET = "bqx-test"
MIB = 1 << 20
STRANGE = [
    "a", "a/b", "a//b", "a/", "/a", "../../escape", "a/../b", "./a", "a b+c%2F&<>\"'é€😀", "a@", "a@b",
    "x" * 1024, "y" * _LONGEST_NAME + "..", "z" * _LONGEST_NAME + "./w", "q/" * 500, "%", "%25", "a+/b",
    "~$`|\\:*?",
]  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def s3(server: Server) -> Iterator[Any]:
    client = connect(server.server_port)
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


def put(s3: Any, key: str, body: bytes = b"", **more: Any) -> Any:
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)


def get(s3: Any, key: str, **more: Any) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key, **more)["Body"].read()


def keys(s3: Any, **more: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, **more)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


@contextmanager
def refused(code: str, status: int) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert answer["ResponseMetadata"]["RequestId"]


def test_an_object_comes_back_as_it_was_put(s3: Any) -> None:
    body = os.urandom(3 * MIB + 17)
    put(s3, "a/b.bin", body, ContentType="text/x", Metadata={"rows": "17", "sha256": "abc"})
    answer = s3.get_object(Bucket=BUCKET, Key="a/b.bin")
    assert answer["Body"].read() == body
    head = s3.head_object(Bucket=BUCKET, Key="a/b.bin")
    for one in (answer, head):
        assert one["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert one["ContentLength"] == len(body)
        assert one["Metadata"] == {"rows": "17", "sha256": "abc"}
        assert one["ContentType"] == "text/x"
    assert answer["ChecksumCRC32"] == b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    put(s3, "a/b.bin", b"other")
    assert get(s3, "a/b.bin") == b"other"


def test_buckets(s3: Any) -> None:
    s3.create_bucket(Bucket="another", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["another", BUCKET]
    s3.head_bucket(Bucket=BUCKET)
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    with refused("BucketAlreadyOwnedByYou", 409):
        s3.create_bucket(Bucket=BUCKET)
    with refused("404", 404):
        s3.head_bucket(Bucket="nowhere")
    with refused("InvalidBucketName", 400):
        s3.create_bucket(Bucket="Capital")
    put(s3, "a")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=BUCKET)
    s3.delete_bucket(Bucket="another")
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket="another")


def test_what_is_not_there(s3: Any) -> None:
    with refused("NoSuchKey", 404):
        get(s3, "nothing")
    with refused("404", 404):
        s3.head_object(Bucket=BUCKET, Key="nothing")
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket="nowhere", Key="a", Body=b"x" * MIB)
    with refused("NoSuchUpload", 404):
        s3.upload_part(Bucket=BUCKET, Key="a", UploadId="../../x", PartNumber=1, Body=b"")
    with refused("NotImplemented", 501):
        s3.get_object_tagging(Bucket=BUCKET, Key="a")
    s3.delete_object(Bucket=BUCKET, Key="nothing")  # as the real one: no error


def test_every_key_is_safe_and_stays_itself(s3: Any, server: Server, tmp_path: Path) -> None:
    for number, key in enumerate(STRANGE):
        assert _key("/".join(_parts(key))) == key
        server.objects.put(BUCKET, key, _draft(server, str(number).encode()))
    assert keys(s3) == sorted(STRANGE, key=str.encode)
    outside = [path for path in tmp_path.rglob("*") if (tmp_path / "s3" / BUCKET) not in path.parents]
    assert {path.name for path in outside} == {"s3", BUCKET, ".lock", ".drafts"}
    for number, key in enumerate(STRANGE):
        if not key.startswith((".", "/")) and "/.." not in key:  # what botocore does not normalize
            assert get(s3, key) == str(number).encode(), key
    for key in STRANGE:
        server.objects.delete(BUCKET, key)
    assert keys(s3) == []
    assert list((tmp_path / "s3" / BUCKET / "objects").iterdir()) == []


def _draft(server: Server, text: bytes) -> Draft:
    path = server.objects.folder / ".drafts" / hashlib.md5(text).hexdigest()
    path.write_bytes(text)
    return Draft(path, hashlib.md5(text).hexdigest(), {})


def test_a_key_may_be_too_long(s3: Any) -> None:
    with refused("KeyTooLongError", 400):
        put(s3, "é" * 513)


def test_written_once(s3: Any) -> None:
    first = put(s3, "manifest.json", b"1", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        put(s3, "manifest.json", b"2" * MIB, IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        put(s3, "manifest.json", b"2", IfMatch='"0"')
    assert get(s3, "manifest.json") == b"1"
    put(s3, "manifest.json", b"2", IfMatch=first["ETag"])
    with refused("NoSuchKey", 404):
        put(s3, "another", b"2", IfMatch=first["ETag"])


def test_of_many_first_writers_one_wins(s3: Any) -> None:
    def write(number: int) -> int | None:
        try:
            put(s3, "one", str(number).encode(), IfNoneMatch="*")
        except ClientError as error:
            return None if error.response["Error"]["Code"] == "PreconditionFailed" else -1
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [one for one in pool.map(write, range(16)) if one is not None]
    assert get(s3, "one") == str(winners[0]).encode()
    assert len(winners) == 1
    assert winners[0] >= 0


def test_conditional_reads(s3: Any) -> None:
    etag = put(s3, "a", b"1")["ETag"]
    assert get(s3, "a", IfMatch=etag) == b"1"
    with refused("PreconditionFailed", 412):
        get(s3, "a", IfMatch='"0"')
    with refused("304", 304):
        get(s3, "a", IfNoneMatch=etag)


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=90-", 90, 100), ("bytes=-7", 93, 100),
     ("bytes=95-1000", 95, 100), ("bytes=-1000", 0, 100)],
)  # fmt: skip
def test_ranges(s3: Any, asked: str, begin: int, end: int) -> None:
    body = os.urandom(100)
    put(s3, "a", body)
    answer = s3.get_object(Bucket=BUCKET, Key="a", Range=asked)
    assert answer["Body"].read() == body[begin:end]
    assert answer["ContentRange"] == f"bytes {begin}-{end - 1}/100"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


@pytest.mark.parametrize("asked", ["items=0-1", "bytes=0-1,5-6", "bytes=-"])
@pytest.mark.parametrize("body", [b"", b"12345678"])
def test_what_is_no_range_is_ignored(s3: Any, asked: str, body: bytes) -> None:
    put(s3, "a", body)
    answer = s3.get_object(Bucket=BUCKET, Key="a", Range=asked)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "ContentRange" not in answer
    assert answer["Body"].read() == body


def test_a_range_behind_the_end(s3: Any) -> None:
    put(s3, "a", b"123")
    with refused("InvalidRange", 416):
        get(s3, "a", Range="bytes=3-")


def test_listings_have_pages_prefixes_and_groups(s3: Any, server: Server) -> None:
    names = sorted([f"d/{n:04d}" for n in range(1203)] + ["d-1", "d.1", "e/f/g", "e/f/h", "e/i", "z é+&"])
    for name in names:
        server.objects.put(BUCKET, name, _draft(server, b"1"))
    first = s3.list_objects_v2(Bucket=BUCKET)
    assert (first["KeyCount"], first["IsTruncated"]) == (1000, True)
    assert keys(s3) == names
    assert keys(s3, Prefix="d/1") == [name for name in names if name.startswith("d/1")]
    assert keys(s3, StartAfter="d/1200") == names[names.index("d/1200") + 1 :]
    for size in (1, 2, 1000):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Delimiter="/", PaginationConfig={"PageSize": size}
        )
        found = [
            one.get("Key", one.get("Prefix"))
            for page in pages
            for one in page.get("Contents", []) + page.get("CommonPrefixes", [])
        ]
        assert sorted(found) == ["d-1", "d.1", "d/", "e/", "z é+&"]
    inner = s3.list_objects_v2(Bucket=BUCKET, Prefix="e/", Delimiter="/")
    assert [one["Prefix"] for one in inner["CommonPrefixes"]] == ["e/f/"]
    assert [one["Key"] for one in inner["Contents"]] == ["e/i"]
    old = s3.get_paginator("list_objects").paginate(Bucket=BUCKET)
    assert [one["Key"] for page in old for one in page["Contents"]] == names


def test_deleting_many(s3: Any) -> None:
    for name in ("a", "b/c", "b/d<&>"):
        put(s3, name)
    wanted = {"Objects": [{"Key": "a"}, {"Key": "b/d<&>"}, {"Key": "never there"}]}
    answer = s3.delete_objects(Bucket=BUCKET, Delete=wanted)
    assert [one["Key"] for one in answer["Deleted"]] == ["a", "b/d<&>", "never there"]
    assert keys(s3) == ["b/c"]


def test_copies(s3: Any) -> None:
    put(s3, "a é", b"123", Metadata={"x": "1"})
    source = {"Bucket": BUCKET, "Key": "a é"}
    s3.copy_object(Bucket=BUCKET, Key="b", CopySource=source)
    s3.copy_object(
        Bucket=BUCKET, Key="c", CopySource=source, MetadataDirective="REPLACE", Metadata={"y": "2"}
    )
    assert get(s3, "b") == get(s3, "c") == b"123"
    assert s3.head_object(Bucket=BUCKET, Key="b")["Metadata"] == {"x": "1"}
    assert s3.head_object(Bucket=BUCKET, Key="c")["Metadata"] == {"y": "2"}


def test_a_large_file_goes_in_parts(s3: Any, tmp_path: Path) -> None:
    body = os.urandom(13 * MIB)
    (tmp_path / "large").write_bytes(body)
    parts = TransferConfig(multipart_threshold=MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(str(tmp_path / "large"), BUCKET, "large", Config=parts)
    digests = [hashlib.md5(body[at : at + 5 * MIB]).digest() for at in range(0, len(body), 5 * MIB)]
    head = s3.head_object(Bucket=BUCKET, Key="large")
    assert head["ETag"] == f'"{hashlib.md5(b"".join(digests)).hexdigest()}-3"'
    s3.download_file(BUCKET, "large", str(tmp_path / "back"), Config=parts)
    assert (tmp_path / "back").read_bytes() == body


def test_multipart_uploads_by_hand(s3: Any) -> None:
    where = {"Bucket": BUCKET, "Key": "a"}
    upload = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    small = s3.upload_part(**upload, PartNumber=1, Body=b"small")["ETag"]
    last = s3.upload_part(**upload, PartNumber=2, Body=b"last")["ETag"]
    others = {key: s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"] for key in "dcbe"}
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == list("abcde")
    for key, other in others.items():
        s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=other)
    assert [one["PartNumber"] for one in s3.list_parts(**upload)["Parts"]] == [1, 2]

    def complete(*parts: tuple[int, str], **more: Any) -> None:
        told = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": told}, **more)

    with refused("EntityTooSmall", 400):
        complete((1, small), (2, last))
    with refused("InvalidPartOrder", 400):
        complete((2, last), (1, small))
    with refused("InvalidPart", 400):
        complete((1, small), (3, last))
    with refused("InvalidArgument", 400):
        s3.upload_part(**upload, PartNumber=10_001, Body=b"")
    assert keys(s3) == []
    large = s3.upload_part(**upload, PartNumber=1, Body=b"1" * (5 * MIB))["ETag"]  # in the place of small
    with refused("InvalidPart", 400):
        complete((1, small), (2, last))
    put(s3, "a", b"somebody was first")
    with refused("PreconditionFailed", 412):
        complete((1, large), (2, last), IfNoneMatch="*")
    complete((1, large), (2, last))
    assert get(s3, "a") == b"1" * (5 * MIB) + b"last"
    with refused("NoSuchUpload", 404):
        complete((1, large), (2, last))


def test_an_aborted_upload_leaves_nothing(s3: Any, tmp_path: Path) -> None:
    where = {"Bucket": BUCKET, "Key": "a"}
    upload = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"small")
    s3.abort_multipart_upload(**upload)
    assert list((tmp_path / "s3" / BUCKET / "uploads").iterdir()) == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_strangers_are_refused(s3: Any, server: Server) -> None:
    stranger = connect(server.server_port, key="AKIASTRANGER")
    with refused("InvalidAccessKeyId", 403):
        stranger.list_buckets()
    with refused("InvalidAccessKeyId", 403):
        put(stranger, "a", b"x" * MIB)
    status, text = ask(server, "GET", "/")
    assert status == 403
    assert "<Code>AccessDenied</Code>" in text
    assert "<RequestId>" in text
    assert keys(s3) == []


def ask(
    server: Server, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def crc32(text: bytes) -> str:
    return b64encode(zlib.crc32(text).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("told", [b"hello world", b"hello wOrld"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_chunks_with_a_trailing_checksum(s3: Any, server: Server, told: bytes, framing: str) -> None:
    text = b"hello world"
    trailer = f"x-amz-checksum-crc32:{crc32(told)}\r\n\r\n".encode()
    body = b"5;chunk-signature=ab\r\nhello\r\n6\r\n world\r\n0\r\n" + trailer
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "x-amz-decoded-content-length": str(len(text)),
        "Content-Encoding": "aws-chunked",
    }
    if framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
        body = b"7\r\n" + body[:7] + b"\r\n" + b"%x\r\n" % len(body[7:]) + body[7:] + b"\r\n0\r\n\r\n"
    url = f"http://127.0.0.1:{server.server_port}/{BUCKET}/a"
    status, answer = ask(server, "PUT", f"/{BUCKET}/a", body, signed("PUT", url, body, headers))
    if told == text:
        assert (status, get(s3, "a")) == (200, text)
        assert "ContentEncoding" not in s3.head_object(Bucket=BUCKET, Key="a")
    else:
        assert (status, re.findall("<Code>(.*)</Code>", answer), keys(s3)) == (400, ["BadDigest"], [])


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("x-amz-checksum-crc32", crc32(b"other"), "BadDigest"),
        ("Content-MD5", b64encode(hashlib.md5(b"other").digest()).decode(), "BadDigest"),
        ("x-amz-content-sha256", hashlib.sha256(b"other").hexdigest(), "XAmzContentSHA256Mismatch"),
    ],
)
def test_a_body_that_is_not_what_was_sent(
    s3: Any, server: Server, header: str, value: str, code: str
) -> None:
    url = f"http://127.0.0.1:{server.server_port}/{BUCKET}/a"
    headers = signed("PUT", url, b"text", {header: value})
    status, answer = ask(server, "PUT", f"/{BUCKET}/a", b"text", headers)
    assert (status, re.findall("<Code>(.*)</Code>", answer), keys(s3)) == (400, [code], [])


@pytest.mark.filterwarnings("default")
def test_pyarrow_reads_and_writes(s3: Any, server: Server) -> None:
    fs = pytest.importorskip("pyarrow.fs")
    files = fs.S3FileSystem(
        access_key=KEY_ID,
        secret_key="secret",
        endpoint_override=f"127.0.0.1:{server.server_port}",
        scheme="http",
        region="us-east-1",
    )
    body = os.urandom(11 * MIB)
    with files.open_output_stream(f"{BUCKET}/d/large") as stream:
        stream.write(body)
    assert get(s3, "d/large") == body
    with files.open_input_file(f"{BUCKET}/d/large") as stream:
        stream.seek(MIB)
        assert stream.read(100) == body[MIB : MIB + 100]
    found = files.get_file_info(fs.FileSelector(BUCKET, recursive=True))
    assert {one.path for one in found} == {f"{BUCKET}/d", f"{BUCKET}/d/large"}
    files.delete_file(f"{BUCKET}/d/large")
    assert "d/large" not in keys(s3)


def test_a_killed_server_shows_no_half_object_and_keeps_whole_ones(tmp_path: Path) -> None:
    with process(tmp_path / "s3") as (child, s3):
        s3.create_bucket(Bucket=BUCKET)
        put(s3, "old", b"as it was")
        put(s3, "whole", b"2")
        port = int(s3.meta.endpoint_url.rpartition(":")[2])
        for key in ("old", "new"):
            _upload_half(port, key)
        _wait_for(lambda: len(list((tmp_path / "s3" / ".drafts").iterdir())) == 2)
        child.send_signal(signal.SIGKILL)
        child.wait()
    orphan = tmp_path / "s3" / BUCKET / "objects" / "whole@0123456789abcdef"
    orphan.write_bytes(b"data whose document was never written")
    with process(tmp_path / "s3") as (child, s3):
        assert keys(s3) == ["old", "whole"]
        assert get(s3, "old") == b"as it was"
        assert get(s3, "whole") == b"2"
        assert list((tmp_path / "s3" / ".drafts").iterdir()) == []
        assert not orphan.exists()
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0


def _upload_half(port: int, key: str) -> None:
    """Announce 4 MiB, send 2, and stay silent; the socket lives as long as the test."""
    line = socket.create_connection(("127.0.0.1", port))
    _open.append(line)
    headers = signed("PUT", f"http://x/{BUCKET}/{key}") | {"Host": "x", "Content-Length": str(4 * MIB)}
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    line.sendall(f"PUT /{BUCKET}/{key} HTTP/1.1\r\n{told}\r\n".encode() + b"x" * (2 * MIB))


_open: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _close_sockets() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_dies_leaves_nothing(s3: Any, server: Server, tmp_path: Path) -> None:
    _upload_half(server.server_port, "new")
    drafts = tmp_path / "s3" / ".drafts"
    _wait_for(lambda: list(drafts.iterdir()))
    _open.pop().close()
    _wait_for(lambda: not list(drafts.iterdir()))
    assert keys(s3) == []


def test_two_servers_cannot_have_one_folder(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BqxError, match="served by another process"):
        Server(tmp_path / "s3")


def test_a_restart_keeps_the_objects(tmp_path: Path) -> None:
    with served(tmp_path / "s3") as server:
        s3 = connect(server.server_port)
        s3.create_bucket(Bucket=BUCKET)
        put(s3, "a/b", b"1", Metadata={"x": "1"})
        s3.close()
    with served(tmp_path / "s3") as server:
        s3 = connect(server.server_port)
        answer = s3.get_object(Bucket=BUCKET, Key="a/b")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"1", {"x": "1"})
        s3.close()


def test_what_a_power_cut_left_half_written_is_not_there(tmp_path: Path) -> None:
    with served(tmp_path / "s3") as server:
        s3 = connect(server.server_port)
        s3.create_bucket(Bucket=BUCKET)
        for key in ("whole", "no document", "short"):
            put(s3, key, b"12345")
        s3.close()
    objects = tmp_path / "s3" / BUCKET / "objects"
    (objects / "no%20document@").write_text("")
    next(objects.glob("short@?*")).write_bytes(b"123")
    with served(tmp_path / "s3") as server:
        s3 = connect(server.server_port)
        assert keys(s3) == ["whole"]
        assert len(list(objects.iterdir())) == 2
        put(s3, "short", b"12345", IfNoneMatch="*")
        s3.close()


def test_reading_goes_on_while_an_object_is_replaced(s3: Any) -> None:
    body = os.urandom(8 * MIB)
    put(s3, "a", body)
    stream = s3.get_object(Bucket=BUCKET, Key="a")["Body"]
    begin = stream.read(MIB)
    put(s3, "a", b"new")
    s3.delete_object(Bucket=BUCKET, Key="a")
    assert begin + stream.read() == body


def test_a_port_that_is_taken_is_said(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(server.server_port)
    assert main(["--folder", str(tmp_path / "other"), "--port", port]) == 1
    assert main(["--folder", str(tmp_path / "s3")]) == 1
    told = capsys.readouterr().err
    assert f"Port {port} cannot be used" in told
    assert "served by another process" in told


@pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves
def test_the_amazon_provider_works_with_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    endpoint = f"http%3A%2F%2F127.0.0.1%3A{server.server_port}"
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT", f"aws://{KEY_ID}:secret@/?region_name=eu-west-1&endpoint_url={endpoint}"
    )
    hook = S3Hook(aws_conn_id="aws_default")
    assert hook.check_for_bucket(BUCKET) is False
    hook.create_bucket(BUCKET, region_name="eu-west-1")
    assert hook.check_for_bucket(BUCKET) is True
    hook.load_string("text", "a/b é.txt", BUCKET)
    (tmp_path / "large").write_bytes(os.urandom(9 * MIB))
    hook.load_file(str(tmp_path / "large"), "a/large", BUCKET)
    with pytest.raises(ValueError, match="already exists"):
        hook.load_string("other", "a/b é.txt", BUCKET)
    assert hook.read_key("a/b é.txt", BUCKET) == "text"
    assert hook.check_for_key("a/c", BUCKET) is False
    hook.copy_object("a/large", "c/large", BUCKET, BUCKET)
    assert hook.list_keys(BUCKET) == ["a/b é.txt", "a/large", "c/large"]
    assert hook.list_prefixes(BUCKET, delimiter="/") == ["a/", "c/"]
    assert hook.get_key("c/large", BUCKET).content_length == 9 * MIB
    hook.delete_objects(BUCKET, ["a/b é.txt", "a/large"])
    assert hook.list_keys(BUCKET) == ["c/large"]
    hook.delete_bucket(BUCKET, force_delete=True)
    assert hook.check_for_bucket(BUCKET) is False


def test_a_request_that_nobody_understands_is_answered_and_logged(
    s3: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    address = urlsplit(s3.meta.endpoint_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", f"/{BUCKET}/a", headers={"Content-Length": "many"})
    answer = connection.getresponse()
    assert (answer.status, b"InternalError" in answer.read()) == (500, True)
    connection.close()
    assert keys(s3) == []


def test_a_browser_may_read_reports_and_nothing_else(tmp_path: Path) -> None:
    with served(tmp_path, public=("reports/",)) as server:
        client = connect(server.server_port)
        client.create_bucket(Bucket=BUCKET)
        for key in ("reports/plan/run/plan.html", "datasets/one/manifest.json"):
            client.put_object(Bucket=BUCKET, Key=key, Body=b"<p>", ContentType="text/html")
        host = f"127.0.0.1:{server.server_port}"

        def status(method: str, path: str) -> int:
            connection = http.client.HTTPConnection(host, timeout=10)
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status

        assert status("GET", f"/{BUCKET}/reports/plan/run/plan.html") == 200
        assert status("HEAD", f"/{BUCKET}/reports/plan/run/plan.html") == 200
        assert status("GET", f"/{BUCKET}/reports/none.html") == 404
        foreign = {"Host": "evil.example"}
        assert ask(server, "GET", f"/{BUCKET}/reports/plan/run/plan.html", headers=foreign)[0] == 403
        for method, path in (
            ("GET", f"/{BUCKET}/datasets/one/manifest.json"), ("GET", f"/{BUCKET}"), ("GET", "/"),
            ("GET", f"/{BUCKET}?list-type=2&prefix=reports/"), ("PUT", f"/{BUCKET}/reports/x.html"),
            ("DELETE", f"/{BUCKET}/reports/plan/run/plan.html"), ("POST", f"/{BUCKET}/reports/x?uploads"),
        ):  # fmt: skip
            assert status(method, path) == 403, (method, path)
        client.close()
