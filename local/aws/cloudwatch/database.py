"""What CloudWatch knows, in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# A datum is a number of values between two bounds; bounds that are equal are the value itself.
_TABLES = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    region TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    unit TEXT NOT NULL,
    latest INTEGER NOT NULL,
    UNIQUE (region, namespace, name, dimensions, unit)
);
CREATE TABLE IF NOT EXISTS datum (
    series INTEGER NOT NULL,
    time INTEGER NOT NULL,
    minimum REAL NOT NULL,
    maximum REAL NOT NULL,
    samples REAL NOT NULL,
    total REAL NOT NULL,
    PRIMARY KEY (series, time, minimum, maximum)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm (
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (region, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    summary TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS history_time ON history (time);
CREATE TABLE IF NOT EXISTS dashboard (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
) WITHOUT ROWID;
"""


class Database:
    """The file. Threads may use it at once.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def read(self, statement: str, *values: Any) -> list[Any]:
        """The rows of a statement."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def write(self, statement: str, *values: Any) -> int:
        """Carry out a statement; returns how many rows it changed."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def write_all(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Carry out a statement for each row of values."""
        with self._lock:
            self._connection.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block together, and no others meanwhile."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            with self._connection:  # commits, or takes back what an exception has interrupted
                self._connection.execute("BEGIN")
                yield
