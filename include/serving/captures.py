"""Captured answers: what a model said to a client, kept to be compared with what came.

They are rows of ``bqx.captures``. Its forecast columns are those of the tables of predictions, so both are
read in the same way. All forecasts of `include.serving.batch` are in those tables and count as captured.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from include.names import to_datetime
from include.serving.routing import fraction
from include.storage.connection import Connection, connect, exists, statement

__all__ = ["TABLE", "Capture", "Said", "Sink", "ensure_table", "is_captured"]

TABLE = "captures"
CONNECTING = 2  # seconds; the least that libpq takes
STATEMENT = "5000"  # milliseconds
HORIZONS = (15, 30, 45, 60, 75)  # minutes; include.storage.tables has them too, and loads the compiler
_CREATE_LOCK = "bqx: create captures"
_ABSENT = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)


class Said(NamedTuple):
    """The forecast of one horizon.

    Attributes:
        minutes: ahead.
        window: of the BQX that is forecast, minutes.
        value, low, high: forecast and its interval in BQX units; None where a model has no interval.
    """

    minutes: int
    window: int
    value: float
    low: float | None
    high: float | None


class Capture(NamedTuple):
    """One answer.

    Attributes:
        pair: for example ``eurusd``.
        minute: of the features, epoch minutes.
        as_of: what time it was for the answer, epoch minutes.
        request_id: of the request.
        version: of the model.
        inputs: SHA-256 of the request to the endpoint, hexadecimal.
        horizons: what was said.
    """

    pair: str
    minute: int
    as_of: int
    request_id: str
    version: str
    inputs: str
    horizons: tuple[Said, ...]


def is_captured(request_id: str, share: float) -> bool:
    """Whether a request belongs to the share that is captured; the same id always does or never does.

    The hash is another one than that of the routing: among captured answers, champion and challenger have
    their shares of the traffic.
    """
    return fraction("capture", request_id) < share


def ensure_table(connection: Connection) -> None:
    """Make the table unless it is there; several sessions may call this at once."""
    if exists(connection, TABLE):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_CREATE_LOCK])
        connection.execute(statement("serving/create_captures"))


class Sink:
    """Writes captures, over one connection that is opened again when it was lost. For one thread.

    Args:
        url: libpq connection string or URL.
    """

    def __init__(self, url: str) -> None:
        self._url = make_conninfo(url, connect_timeout=CONNECTING)
        self._connection: Connection | None = None

    def __call__(self, captures: Sequence[Capture], lost: int) -> None:
        """Write some captures in one transaction; those that are there already stay as they are.

        Args:
            captures: at least one.
            lost: captures that were lost since the last call that succeeded.

        Raises:
            psycopg.Error: they were not written, or the connection was lost before that was known.
        """
        rows = [_row(capture) | {"lost": 0 if number else lost} for number, capture in enumerate(captures)]
        connection = self._opened()
        try:
            _insert(connection, rows)
        except _ABSENT:
            ensure_table(connection)
            _insert(connection, rows)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    def _opened(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = connect(self._url)
            connection.execute("SELECT set_config('statement_timeout', %s, false)", [STATEMENT])
            self._connection = connection
        return self._connection


def _insert(connection: Connection, rows: Sequence[dict[str, object]]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(statement("serving/insert_capture"), rows)


def _row(capture: Capture) -> dict[str, object]:
    row: dict[str, object] = {
        "ts_utc": to_datetime(capture.minute),
        "pair": capture.pair,
        "request_id": capture.request_id,
        "as_of": to_datetime(capture.as_of),
        "version": capture.version,
        "inputs": capture.inputs,
    }
    said = {each.minutes: each for each in capture.horizons}
    for minutes in HORIZONS:
        told = said.get(minutes)
        for name in ("window", "value", "low", "high"):
            row[f"h{minutes}_{name}"] = None if told is None else getattr(told, name)
    return row
