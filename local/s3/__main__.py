"""``python -m local.s3 --folder F --port P``: serve until SIGTERM or Ctrl-C.

Environment: AWS_SECRET_ACCESS_KEY, the secret that clients must sign with.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.s3.server import HOST, KEY_ID, SECRET, Server
from local.stand_in import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.s3", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the objects are kept")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--key-id", default=KEY_ID, help="access key id that clients must sign with")
    parser.add_argument(
        "--public", action="append", default=[], metavar="PREFIX",
        help="beginning of keys that anybody on this machine may read, for a browser has no signature",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    secret = os.environ.get("AWS_SECRET_ACCESS_KEY", SECRET)
    return serve(
        lambda: Server(options.folder, options.port, options.key_id, tuple(options.public), secret),
        options.port,
        f"S3 stand-in at http://{HOST}:{{port}}, objects in {options.folder}",
    )


if __name__ == "__main__":
    sys.exit(main())
