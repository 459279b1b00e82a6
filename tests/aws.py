"""Stand-ins of AWS services over HTTP, and the connection that leads to one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

import pytest


class Service(ThreadingHTTPServer, ABC):
    """Answers what is posted to it.

    Attributes:
        content_type: of its answers.
    """

    content_type: str

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    @abstractmethod
    def answer(self, target: str, body: str) -> tuple[int, str]:
        """Status and text for a request.

        Args:
            target: what the header X-Amz-Target asks for, empty in protocols without it.
            body: of the request.
        """


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, text = self.server.answer(self.headers.get("X-Amz-Target", ""), body)
        self.send_response(status)
        self.send_header("Content-Type", self.server.content_type)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments: object) -> None:
        """Silence."""


S = TypeVar("S", bound=Service)


@contextmanager
def connected(service: S, monkeypatch: pytest.MonkeyPatch) -> Iterator[S]:
    """Serve, and let the connection aws_default lead there."""
    threading.Thread(target=service.serve_forever, daemon=True).start()
    endpoint = f"http%3A%2F%2F127.0.0.1%3A{service.server_port}"
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT", f"aws://key:secret@/?region_name=eu-west-1&endpoint_url={endpoint}"
    )
    yield service
    service.shutdown()
    service.server_close()
