"""``python -m include.local.s3 --folder F --port P``: serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from include.errors import BqxError
from include.local.s3.server import HOST, KEY_ID, Server


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m include.local.s3", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the objects are kept")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--key-id", default=KEY_ID, help="access key id that clients must sign with")
    options = parser.parse_args(arguments)
    try:
        server = Server(options.folder, options.port, options.key_id)
    except BqxError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Port {options.port} cannot be used: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown waits for the loop, which this handler interrupts: it needs a thread of its own
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"S3 stand-in at http://{HOST}:{server.server_port}, objects in {options.folder}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
