"""One connection of a client: what it asks for, who it is, what trouble it meets, how it is answered."""

from __future__ import annotations

import json
import socket
import struct
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local.airtable.faults import Fault
from local.airtable.limits import Limits
from local.airtable.trouble import Kind, Trouble

LARGEST = 1 << 20  # bytes of a request
_LINGER = struct.pack("ii", 1, 0)  # close with a reset, not with a good-bye
Answer = tuple[int, str, bytes]  # status, content type, body


class Connection(BaseHTTPRequestHandler, ABC):
    """What all operations have in common."""

    protocol_version = "HTTP/1.1"
    server_version = "bqx-airtable"
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        """Answer one request; whatever goes wrong becomes an error of Airtable."""
        trouble = self._trouble()
        if trouble.down:
            self._cut()
            return
        self._headers: Mapping[str, str] = {}
        kind, fault = None, Fault("SERVICE_UNAVAILABLE")
        try:
            self._read()
            if self.parts[:1] == ["v0"]:
                self._enter()
                kind, fault = trouble.draw(self.command != "GET" and self.parts[-1] != "listRecords")
            answer = self._failed(fault) if kind is Kind.BEFORE else self._done()
        except Fault as refused:
            answer = self._failed(refused)
        except (ConnectionError, TimeoutError):
            raise  # nobody listens any more
        except Exception as error:
            traceback.print_exc()  # ours, not the client's
            answer = self._failed(Fault("INTERNAL_SERVER_ERROR", f"{type(error).__name__}: {error}"))
        if self.parts[:1] == ["v0"]:
            self._limits().answered(fault.status if kind is Kind.AFTER else answer[0])
        trouble.wait()
        if kind in (Kind.RESET, Kind.SILENT):
            self._cut(answer if kind is Kind.RESET else None)
        else:
            self._send(self._failed(fault) if kind is Kind.AFTER else answer)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Silence: requests carry tokens, and answers say enough."""

    @abstractmethod
    def _trouble(self) -> Trouble:
        """What requests meet."""

    @abstractmethod
    def _limits(self) -> Limits:
        """Who counts them."""

    @abstractmethod
    def _enter(self) -> None:
        """Check who asks, and how often."""

    @abstractmethod
    def _done(self) -> Answer:
        """Do what was asked for."""

    def document(self) -> dict[str, Any]:
        """The body of the request."""
        try:
            sent = json.loads(self.body or b"{}")
        except ValueError as problem:
            raise Fault("INVALID_REQUEST_UNKNOWN", "Could not parse request body") from problem
        if not isinstance(sent, dict):
            raise Fault("INVALID_REQUEST_UNKNOWN")
        return sent

    def _read(self) -> None:
        url = urlsplit(self.path)
        self.parts = [unquote(part) for part in url.path.split("/") if part]
        self.query = parse_qs(url.query, keep_blank_values=True)
        self.body = b""
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST:
            self.close_connection = True
            raise Fault("REQUEST_TOO_LARGE")
        self.body = self.rfile.read(length)

    def _failed(self, fault: Fault) -> Answer:
        self._headers = fault.headers
        return fault.status, "application/json", fault.body

    def _send(self, answer: Answer) -> None:
        status, kind, body = answer
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            **self._headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _cut(self, answer: Answer | None = None) -> None:
        """End the connection at once, in the middle of an answer if there is one."""
        if answer is not None:
            status, kind, body = answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        self.connection.close()
