"""The ASGI application behind uvicorn, which closes connections of clients that keep it waiting."""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from include.serving.api.asgi import Application

LIMIT = 10.0  # seconds until the head of a request must be there, or what is left of a refused one
IDLE = 30  # seconds that a connection is kept open between two requests
GRACE = 3  # seconds that open requests may take when the server is stopped


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol with a time limit for what a client sends.

    uvicorn itself waits for ever for the rest of a head, and for what is left of a body after its answer.
    """

    limit = LIMIT
    _timer: TimerHandle | None = None
    _is_whole = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A client has come: it must say something soon."""
        super().connection_made(transport)
        self._limit()

    def on_message_begin(self) -> None:
        """The first byte of a request is there."""
        super().on_message_begin()
        self._is_whole = False
        self._limit()

    def on_headers_complete(self) -> None:
        """Its head is there; the application limits the time of its body."""
        self._unlimit()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._is_whole = True
        self._unlimit()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered, perhaps before all of it was there."""
        super().on_response_complete()
        if not self._is_whole:
            self._limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._unlimit()
        super().connection_lost(exc)

    def _limit(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.limit, self.timeout_keep_alive_handler)

    def _unlimit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def make_server(application: Application, host: str, port: int, **options: Any) -> uvicorn.Server:
    """A server; its log goes to `records.log` and its neighbour ``uvicorn.error``.

    Args:
        application: what is served.
        host: address to listen at.
        port: likewise.
        options: of `uvicorn.Config`.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=Guarded,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
        **options,
    )
    return uvicorn.Server(config)
