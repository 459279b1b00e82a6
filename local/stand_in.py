"""What the stand-ins share: one server owns a folder, and serves it until it is told to stop."""

from __future__ import annotations

import fcntl
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from include.errors import BqxError

HOSTS = ("127.0.0.1", "localhost")


class Served(Protocol):
    """What `serve` needs of a server, as those of the standard library have it."""

    server_port: int

    def serve_forever(self, poll_interval: float) -> None:
        """Serve until `shutdown`."""

    def shutdown(self) -> None:
        """End `serve_forever`."""

    def server_close(self) -> None:
        """Give the port back."""


def is_our_name(host: str) -> bool:
    """Whether a browser that asks for a page knows this machine by a name of its own: the Host header.

    A page from elsewhere could lead its name to this machine, and read here what it may not.
    """
    return host.partition(":")[0].lower() in HOSTS


def own(folder: Path) -> IO[str]:
    """Make a folder and keep other servers out of it until the returned file is closed.

    Raises:
        BqxError: another server has the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    owner = (folder / ".lock").open("a")
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner.close()
        raise BqxError(f"{folder} is served by another process. Stop it, or choose a folder.") from error
    return owner


def serve(make: Callable[[], Served], port: int, greeting: str) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit code.

    Args:
        make: makes the server, bound to its port.
        port: the one that was asked for, for the message if it is taken.
        greeting: printed when it answers; ``{port}`` is where.
    """
    try:
        server = make()
    except BqxError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Port {port} cannot be used: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown waits for the loop, which this handler interrupts: it needs a thread of its own
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(greeting.format(port=server.server_port), flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
    return 0
