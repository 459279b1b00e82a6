"""``python -m local.mail --folder F --port P``: pages of the caught mails, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from include.pages import template
from local.airflow import HOST
from local.mail.folder import caught, find
from local.stand_in import is_our_name, serve

_TEMPLATE = Path(__file__).with_name("page.html.j2")


class Pages(ThreadingHTTPServer):
    """Shows the mails of a folder; it only reads.

    Args:
        folder: where the SMTP server writes them.
        port: 0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        super().__init__((HOST, port), Handler)

    def handle_error(self, *_: object) -> None:
        """A client that went away is nothing to tell anybody about."""


class Handler(BaseHTTPRequestHandler):
    """Every path but the first one is the name of a mail."""

    server: Pages

    def do_GET(self) -> None:
        """The list, and the mail that was chosen, else the newest."""
        if not is_our_name(self.headers.get("Host", "")):
            self.send_error(400)
            return
        name = unquote(self.path).strip("/")
        mails = caught(self.server.folder)
        chosen = find(self.server.folder, name) if name else next(iter(mails), None)
        missing = bool(name) and chosen is None
        body = template(_TEMPLATE).render(mails=mails, chosen=chosen).encode()
        self.send_response(404 if missing else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads a log of who looked at mails."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.mail", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the mails are")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    options = parser.parse_args(arguments)
    return serve(
        lambda: Pages(options.folder, options.port),
        options.port,
        f"Mails at http://{HOST}:{{port}}, from {options.folder}",
    )


if __name__ == "__main__":
    sys.exit(main())
