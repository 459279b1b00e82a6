"""The S3 stand-in for tests: a server in a thread, and a client of it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from local.s3.server import KEY_ID, SECRET, Server
from local.state import State, write_private


def signed(
    method: str,
    url: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    service: str = "s3",
    secret: str = SECRET,
) -> dict[str, str]:
    """Headers of a request as botocore signs it, for what its clients do not send."""
    told = dict(headers or {})
    if service == "s3":
        told.setdefault("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    request = AWSRequest(method, url, told, body)
    auth = SigV4Auth(Credentials(KEY_ID, secret), service, "us-east-1")
    auth._normalize_url_path = lambda path: path  # of S3; the others here have none that differs
    auth.add_auth(request)
    return dict(request.headers)


def know(state: State) -> None:
    """Let what is told to Airflow of this folder lead to servers that tests make."""
    write_private(state.run / "s3.secret", SECRET)


def connect(port: int, key: str = KEY_ID, secret: str = SECRET, **settings: Any) -> Any:
    """A boto3 client that tries once."""
    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        max_pool_connections=20,
        **settings,
    )
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=config,
    )


@contextmanager
def served(folder: Path, public: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server of a folder, while the block runs; anybody may read what lies below `public`."""
    with Server(folder, public=public) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A server in a process of its own, and a client of it."""
    command = [sys.executable, "-m", "local.s3", "--folder", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        port = int(re.findall(r":(\d+),", child.stdout.readline())[0])
        client = connect(port)
        try:
            yield child, client
        finally:
            client.close()
            child.kill()
