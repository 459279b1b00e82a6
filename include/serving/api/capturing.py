"""A share of the answers goes to the database, beside the answers and never in their way.

Answers wait in a queue of limited size, and one thread writes them in batches. Where the queue is full an
answer is not captured, and counted. While the database does not answer the thread keeps its batch and tries
again; what the database refuses for another reason is lost, and counted. The count goes into the next row
that is written, so the table itself says what is missing in it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import psycopg

from include.serving.api.records import log
from include.serving.captures import Capture, is_captured

__all__ = ["SHARE", "Capturing"]

SHARE = 0.2  # of the answers
ROOM = 2_000  # captures that may wait: 20 s of 100 answers a second, all of them captured
BATCH = 200  # captures that are written at once
EVERY = 2.0  # seconds that a capture waits for others
PAUSE = 5.0  # seconds between two attempts at a database that does not answer
CLOSING = 5.0  # seconds that the end of the process waits for the last batches
_UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError)


class Writer(Protocol):
    """Where captures go."""

    def __call__(self, captures: Sequence[Capture], lost: int) -> None:
        """Write captures, and how many were lost before them.

        Raises:
            psycopg.Error: they were not written.
        """

    def close(self) -> None:
        """Give everything back."""


class Capturing:
    """Takes captures from any thread; writes them in one of its own.

    Args:
        write: used by the thread alone, which closes it in the end.
        share: of the answers that is captured, 0 to 1.
        room: captures that may wait.
        batch: captures that are written at once.
        every: seconds that a capture waits for others.
        pause: seconds between two attempts at a database that does not answer.
    """

    def __init__(
        self,
        write: Writer,
        *,
        share: float = SHARE,
        room: int = ROOM,
        batch: int = BATCH,
        every: float = EVERY,
        pause: float = PAUSE,
    ) -> None:
        self._write, self._share, self._room = write, share, room
        self._batch, self._every, self._pause = batch, every, pause
        self._changed = threading.Condition()
        self._waiting: deque[Capture] = deque()
        self._closed = self._hurried = False
        self._writing = self._lost = self._told = 0
        self._thread = threading.Thread(target=self._work, name="capture", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many captures were lost so far."""
        with self._changed:
            return self._lost

    def offer(self, capture: Capture) -> bool:
        """Capture an answer if it belongs to the share and there is room; never waits.

        Returns:
            Whether it will be written, unless the database refuses it.
        """
        if not is_captured(capture.request_id, self._share):
            return False
        with self._changed:
            if self._closed or len(self._waiting) >= self._room:
                self._lost += 1
                return False
            self._waiting.append(capture)
            self._changed.notify_all()
            return True

    def flush(self, patience: float) -> bool:
        """Write what waits now, without waiting for more.

        Args:
            patience: seconds.

        Returns:
            Whether all was written, or lost, in that time.
        """
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not (self._waiting or self._writing), patience)
            self._hurried = False
            return done

    def close(self, patience: float = CLOSING) -> None:
        """Write what waits and end the thread; what cannot be written in that time is lost."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(patience)
        with self._changed:
            left = len(self._waiting) + (self._writing if self._thread.is_alive() else 0)
            self._lost += left
            self._waiting.clear()
            lost = self._lost
        if lost:
            _tell(lost, "lost until the end of the process")

    def _work(self) -> None:
        while batch := self._next():
            self._deliver(batch)
            with self._changed:
                self._writing = 0
                self._changed.notify_all()
        self._write.close()

    def _next(self) -> list[Capture]:
        """The next captures to write; none when the end has come and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(self._is_due, self._every)
            taken = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            self._writing = len(taken)
            return taken

    def _is_due(self) -> bool:
        return self._closed or self._hurried or len(self._waiting) >= self._batch

    def _deliver(self, batch: Sequence[Capture]) -> None:
        while True:
            lost = self.lost
            try:
                self._write(batch, lost - self._told)
            except Exception as error:
                if not self._try_again(batch, error):
                    return
            else:
                self._told = lost
                return

    def _try_again(self, batch: Sequence[Capture], error: Exception) -> bool:
        """Wait for the next attempt; False if there is none, and the batch is lost."""
        with self._changed:
            again = isinstance(error, _UNREACHABLE) and not self._closed
            self._lost += 0 if again else len(batch)
            lost = self._lost
        _tell(lost, f"{type(error).__name__}: {error}".strip())
        with self._changed:
            if again:
                self._changed.wait_for(lambda: self._closed, self._pause)
        return again


def _tell(lost: int, reason: str) -> None:
    log.warning("captures", extra={"told": {"lost": lost, "reason": reason}})
