"""One connection of a client: who it is, what it asks for, how it is answered."""

from __future__ import annotations

import secrets
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import BinaryIO, cast
from urllib.parse import parse_qs, unquote, urlsplit

from local.s3 import documents as xml
from local.s3.faults import Fault
from local.s3.wire import Body
from local.signature import UNSIGNED, Signature


class Connection(BaseHTTPRequestHandler, ABC):
    """What all operations have in common."""

    protocol_version = "HTTP/1.1"
    server_version = "bqx-s3"
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        """Answer one request; whatever goes wrong becomes an error of S3."""
        url = urlsplit(self.path)
        self.bucket, _, self.key = unquote(url.path).removeprefix("/").partition("/")
        self.query = {name: values[0] for name, values in parse_qs(url.query, True).items()}
        self.request_id = secrets.token_hex(8).upper()
        self._begun = False
        try:
            self.body = Body(cast(BinaryIO, self.rfile), self.headers)
            self._authorize()
            self._operation()()
            self.body.drain()
        except Fault as fault:
            self._refuse(fault)
        except (ConnectionError, TimeoutError):
            raise  # nobody listens any more
        except OSError as error:
            self._refuse(Fault("InternalError", f"{type(error).__name__}: {error}"))
        except Exception as error:
            traceback.print_exc()  # ours, not the client's; who knows what was read of the body
            self.close_connection = True
            self._refuse(Fault("InternalError", f"{type(error).__name__}: {error}"))

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Silence: thousands of requests say nothing to anybody."""

    @abstractmethod
    def _key(self) -> tuple[str, str]:
        """Key id and secret that clients must sign with."""

    @abstractmethod
    def _operation(self) -> Callable[[], None]:
        """What answers this request."""

    @abstractmethod
    def _is_public(self) -> bool:
        """Whether anybody may have what is asked for."""

    def _authorize(self) -> None:
        if "Authorization" not in self.headers and self._is_public():
            return
        signature = Signature.of(self.path, self.headers)
        if signature is None or signature.is_over(datetime.now(UTC)):
            raise Fault("AccessDenied")
        key_id, secret = self._key()
        if signature.key_id != key_id:
            raise Fault("InvalidAccessKeyId")
        payload = self.headers.get("x-amz-content-sha256", UNSIGNED)  # what the body must then have
        if not signature.fits(self.command, self.path, self.headers, payload, secret):
            raise Fault("SignatureDoesNotMatch")

    def _refuse(self, fault: Fault) -> None:
        if self._begun:  # too late for another answer: the client sees that this one is short
            self.close_connection = True
            return
        try:
            if not self.close_connection:
                self.body.drain()
        except (Fault, OSError):
            self.close_connection = True
        text = b"" if fault.status == 304 else xml.error(fault, f"/{self.bucket}/{self.key}", self.request_id)
        self._answer(text, status=fault.status)

    def _answer(self, text: bytes = b"", headers: dict[str, str] | None = None, status: int = 200) -> None:
        """Send a short answer, or an empty one."""
        self._begin(status, len(text), {"Content-Type": "application/xml"} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(text)

    def _begin(self, status: int, size: int, headers: dict[str, str]) -> None:
        self._begun = True
        self.send_response(status)
        for name, value in {"x-amz-request-id": self.request_id, "Content-Length": str(size)}.items():
            self.send_header(name, value)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
