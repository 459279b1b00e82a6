"""The Airtable stand-in for tests: a server in a thread or a process, and pyairtable as its client."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyairtable import Api

from local.airtable.server import TOKEN, Server


def connect(endpoint: str, token: str = TOKEN, timeout: tuple[int, int] = (5, 30)) -> Api:
    """A client that tries once."""
    return Api(token, endpoint_url=endpoint, retry_strategy=None, timeout=timeout)


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[Server]:
    """A server of a folder, while the block runs; ``rate=10**6`` for one without a limit."""
    with Server(folder, **options) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.trouble.clear()
            server.shutdown()
            thread.join()


@contextmanager
def process(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its endpoint; `options` as on the command line."""
    command = [sys.executable, "-m", "local.airtable", "--folder", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        endpoint = re.findall(r"http://[\d.]+:\d+", line)
        assert endpoint, f"no address in {line!r}"
        try:
            yield child, endpoint[0]
        finally:
            child.kill()
