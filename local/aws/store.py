"""The jobs of a kind on disk: one row each, one document a row."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from local.aws.kinds import Kind

Document = dict[str, Any]
T = TypeVar("T")
_TABLE = """
CREATE TABLE IF NOT EXISTS job (
    name TEXT PRIMARY KEY,
    active INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID
"""


class Store:
    """All jobs of a kind. Threads may use it at once.

    Args:
        path: of the SQLite file.
        kind: of the jobs.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.kind = kind
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_TABLE)
        self._connection.execute("CREATE INDEX IF NOT EXISTS active ON job (name) WHERE active")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(self, job: Document, check: Callable[[Sequence[Document]], None]) -> None:
        """Add a job, if its name is free.

        Args:
            job: its document.
            check: refuses it, or not, in view of the jobs that are active.

        Raises:
            ServiceError: ResourceInUse.
        """
        with self._lock:
            if self.find(self.kind.name(job)) is not None:
                raise self.kind.in_use(job)
            check(self.active())
            self._write(job)

    def get(self, name: str) -> Document:
        """One job.

        Raises:
            ServiceError: there is none.
        """
        job = self.find(name)
        if job is None:
            raise self.kind.missing(name)
        return job

    def find(self, name: str) -> Document | None:
        """One job; None if there is none."""
        found = self._select("SELECT document FROM job WHERE name = ?", name)
        return found[0] if found else None

    def change(self, name: str, change: Callable[[Document], T]) -> T:
        """Change a job in one step; returns what the change returns.

        Raises:
            ServiceError: there is none, or the change refuses.
        """
        with self._lock:
            job = self.get(name)
            result = change(job)
            self._write(job)
            return result

    def delete(self, name: str) -> None:
        """Forget a job that has ended.

        Raises:
            ServiceError: there is none, or it is active.
        """
        with self._lock:
            job = self.get(name)
            if self.kind.is_active(job):
                raise self.kind.rejected(job)
            self._connection.execute("DELETE FROM job WHERE name = ?", (name,))

    def remove(self, name: str) -> None:
        """Forget a job, whatever its status is."""
        with self._lock:
            self._connection.execute("DELETE FROM job WHERE name = ?", (name,))

    def some(self, names: Sequence[str]) -> list[Document]:
        """The jobs of some names that are there, in their order."""
        return [job for name in names if (job := self.find(name)) is not None]

    def all(self) -> list[Document]:
        """Every job."""
        return self._select("SELECT document FROM job")

    def active(self) -> list[Document]:
        """The jobs that have not ended."""
        return self._select("SELECT document FROM job WHERE active")

    def _select(self, statement: str, *values: str) -> list[Document]:
        with self._lock:
            return [json.loads(text) for (text,) in self._connection.execute(statement, values)]

    def _write(self, job: Document) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO job VALUES (?, ?, ?)",
            (self.kind.name(job), int(self.kind.is_active(job)), json.dumps(job)),
        )
