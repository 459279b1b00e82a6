"""The session of one thread with PostgreSQL: read only, with time limits, opened again when it was lost."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from include.serving.api.problems import unavailable
from include.serving.api.records import log
from include.storage.connection import Connection, connect

T = TypeVar("T")

CONNECTING = 2  # seconds; the least that libpq takes
STATEMENT = 1_500  # milliseconds
UNHEARD = 2_000  # milliseconds until the loss of the server's machine is noticed


class Database:
    """Reads from one database, one statement at a time.

    Args:
        url: libpq connection string or URL.
    """

    def __init__(self, url: str) -> None:
        self._url = make_conninfo(url, connect_timeout=CONNECTING, tcp_user_timeout=UNHEARD)
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._is_cut = False

    def read(self, function: Callable[[Connection], T]) -> T:
        """Call a function with an open connection; once more if the connection was lost since the last call.

        Raises:
            Problem: the database does not answer.
        """
        with self._lock:
            self._is_cut = False
            kept = self._connection
        try:
            if kept is not None:
                try:
                    return function(kept)
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    if not kept.closed or self._is_cut:  # a statement ran out of time, or its request did
                        raise
            return function(self._open())
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            log.warning("database", extra={"told": {"reason": f"{type(error).__name__}: {error}".strip()}})
            raise unavailable("database", "The database does not answer, or not in time.") from error
        finally:
            self._forget_if_broken()

    def cut(self) -> None:
        """End the statement that waits now, whatever the server does: the connection is gone then."""
        with self._lock:
            self._is_cut = True
            if self._connection is None or self._connection.closed:
                return
            with (
                suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(self._connection.fileno())) as end,
            ):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        self.close()
        connection = connect(self._url)
        connection.execute(
            "SELECT set_config('statement_timeout', %s, false), "
            "set_config('default_transaction_read_only', 'on', false)",
            [str(STATEMENT)],
        )
        with self._lock:
            self._connection = connection
        return connection

    def _forget_if_broken(self) -> None:
        with self._lock:
            if self._connection is not None and self._connection.closed:
                self._connection = None
