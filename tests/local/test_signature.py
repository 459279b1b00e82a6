"""Only who knows the secret is answered, and only what was signed; real clients against the S3 stand-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.s3.server import Server
from local.signature import Signature
from tests.local.test_s3 import BUCKET, ask, get, keys, put, refused
from tests.s3 import connect, served, signed


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


@pytest.mark.parametrize("key", ["a", "a/b é+%~.txt", "x" * 900])
def test_who_does_not_know_the_secret_is_refused(s3: Any, server: Server, key: str) -> None:
    put(s3, key, b"ours")
    for secret in ("", "secre", "secret "):
        stranger = connect(server.server_port, secret=secret or "x")
        with refused("SignatureDoesNotMatch", 403):
            stranger.list_objects_v2(Bucket=BUCKET, Prefix="a b", Delimiter="/")
        with refused("SignatureDoesNotMatch", 403):
            put(stranger, key, b"theirs")
        with refused("SignatureDoesNotMatch", 403):
            stranger.get_object(Bucket=BUCKET, Key=key)
        stranger.close()
    assert get(s3, key) == b"ours"


def test_a_signature_is_of_one_request(s3: Any, server: Server) -> None:
    """What was signed may not be changed on its way: method, key, query, a header."""
    put(s3, "a", b"text")
    url = f"http://127.0.0.1:{server.server_port}/{BUCKET}/a?versionId=null"
    headers = signed("GET", url, headers={"Range": "bytes=0-1", "x-amz-meta-of": "a"})
    assert ask(server, "GET", f"/{BUCKET}/a?versionId=null", headers=headers) == (206, "te")
    for method, path, changed in (
        ("DELETE", f"/{BUCKET}/a?versionId=null", {}),
        ("GET", f"/{BUCKET}/b?versionId=null", {}),
        ("GET", f"/{BUCKET}/a?versionId=nul", {}),
        ("GET", f"/{BUCKET}/a", {}),
        ("GET", f"/{BUCKET}/a?versionId=null", {"x-amz-meta-of": "b"}),
        ("GET", f"/{BUCKET}/a?versionId=null", {"X-Amz-Date": "20260101T000000Z"}),
        ("GET", f"/{BUCKET}/a?versionId=null", {"x-amz-content-sha256": "0" * 64}),
    ):
        status, text = ask(server, method, path, headers=headers | changed)
        assert (status, re.findall("<Code>(.*)</Code>", text)) == (403, ["SignatureDoesNotMatch"])
    assert keys(s3) == ["a"]


def test_a_presigned_address_opens_until_it_is_over(s3: Any, server: Server) -> None:
    client = connect(server.server_port, signature_version="s3v4")
    where = {"Bucket": BUCKET, "Key": "a/b é+%"}
    put(s3, where["Key"], b"text")

    def path(seconds: int) -> str:
        url = client.generate_presigned_url("get_object", where, ExpiresIn=seconds)
        return str(url).partition(f":{server.server_port}")[2]

    assert ask(server, "GET", path(60)) == (200, "text")
    assert ask(server, "GET", path(60).replace("X-Amz-Expires=60", "X-Amz-Expires=61"))[0] == 403
    assert ask(server, "PUT", path(60), b"x")[0] == 403
    assert ask(server, "GET", path(60)[:-1] + "x")[0] == 403
    signature = Signature.of(path(60), {})
    assert signature is not None
    now = datetime.now(UTC)
    assert [signature.is_over(now + timedelta(seconds=late)) for late in (0, 50, 62)] == [False, False, True]
    assert ask(server, "GET", path(-1))[0] == 403
    client.close()


@pytest.mark.parametrize(
    "header",
    [
        "", "Basic YTpi", "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
        f"AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature={'0' * 64}",
    ],
)  # fmt: skip
def test_what_is_no_signature_is_none(header: str) -> None:
    assert Signature.of("/", {"Authorization": header}) is None
