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
from botocore.config import Config

from local.s3.server import KEY_ID, Server


def connect(port: int, key: str = KEY_ID, **settings: Any) -> Any:
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
        aws_secret_access_key="secret",
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
