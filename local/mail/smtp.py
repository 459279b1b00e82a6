"""``python -m local.mail.smtp --folder F --port P``: the SMTP server, as much of RFC 5321 as clients need."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

from local.airflow import HOST
from local.mail.folder import keep
from local.stand_in import own, serve

LONGEST = 1 << 20  # bytes of a line
REFUSED = "451 Requested action aborted: local error in processing"


class Server(ThreadingTCPServer):
    """Takes every mail, for whomever it is.

    Args:
        folder: where mails are written.
        port: 0 for any that is free.

    Attributes:
        refuses: whether it takes no mail now, for tests.
        server_port: where it listens.
        forgets: of how many mails it takes the next ones without saying so, for tests.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self.refuses, self.forgets = folder, False, 0
        self._owner = own(folder)
        try:
            super().__init__((HOST, port), Session)
            self.server_port = int(self.server_address[1])
        except OSError:
            self._owner.close()
            raise

    def server_close(self) -> None:
        """Give port and folder back."""
        super().server_close()
        self._owner.close()

    def handle_error(self, *_: object) -> None:
        """A client that went away is nothing to tell anybody about."""


class Session(StreamRequestHandler):
    """A connection: replies to one command after the other."""

    server: Server

    def handle(self) -> None:
        """Greet, then reply until the client has enough."""
        self._say("220 mail catcher")
        sender, recipients = "", 0
        while line := self.rfile.readline(LONGEST):
            word = line.decode(errors="replace").strip().upper()
            if word.startswith(("EHLO", "HELO")):
                self._say("250-mail catcher", "250 8BITMIME")
            elif word.startswith("MAIL FROM:"):
                sender, recipients = word, 0
                self._say("250 OK")
            elif word.startswith("RCPT TO:") and sender:
                recipients += 1
                self._say("250 OK")
            elif word == "DATA" and recipients:
                self._say("354 End with a line of one dot")
                if not self._take():
                    return
                sender, recipients = "", 0
            elif word in ("RSET", "NOOP"):
                sender, recipients = ("", 0) if word == "RSET" else (sender, recipients)
                self._say("250 OK")
            elif word == "QUIT":
                self._say("221 Bye")
                return
            else:
                self._say("503 Bad sequence" if word in ("DATA",) or "TO:" in word else "502 Not implemented")

    def _take(self) -> bool:
        """Take a mail; False if the client is to hear no more."""
        lines = []
        while line := self.rfile.readline(LONGEST):
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        else:
            return False
        if self.server.refuses:
            self._say(REFUSED)
            return True
        keep(self.server.folder, b"".join(lines))
        if self.server.forgets:
            self.server.forgets -= 1
            return False
        self._say("250 OK")
        return True

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.mail.smtp", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where mails are written")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    options = parser.parse_args(arguments)
    # The address is written like those of the other stand-ins, by which the stack knows that it listens.
    return serve(
        lambda: Server(options.folder, options.port),
        options.port,
        f"Mail catcher listens where http://{HOST}:{{port}} would, mails in {options.folder}",
    )


if __name__ == "__main__":
    sys.exit(main())
