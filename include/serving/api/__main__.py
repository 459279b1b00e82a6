"""``python -m include.serving.api --port P``: serve until SIGTERM or Ctrl-C; `settings` has its variables."""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Sequence

from include.errors import BqxError
from include.serving.api import access, records, settings
from include.serving.api.asgi import Application
from include.serving.api.assembly import make_handler
from include.serving.api.server import make_server


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m include.serving.api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    records.to_standard_output()
    try:
        # Each connection is an open file: clients that keep theirs open must not keep others out.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        may_ask = access.bearer(os.environ.get("BQX_API_TOKEN", ""))
        handler = make_handler(settings.read(os.environ), may_ask)
    except BqxError as error:
        print(error, file=sys.stderr)
        return 1
    handler.warm_up()
    server = make_server(Application(handler), options.host, options.port)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
