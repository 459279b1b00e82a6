"""The routing table as the API holds it: read again when it is older than some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from include.serving.api.problems import Problem, unavailable
from include.serving.api.records import log

R = TypeVar("R")

FRESH = 20.0  # seconds that a table is used without another look
LONGEST = 55.0  # seconds that it is used while the bucket does not answer: a change holds within 60
PAUSE = 5.0  # seconds between two looks at a bucket that does not answer
WAIT = 1.0  # seconds that a request waits for the look of another one


class Table(Generic[R]):
    """The last known table.

    Args:
        read: reads it from the bucket.
        clock: seconds, monotonic.
    """

    def __init__(self, read: Callable[[], R], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._known: tuple[R, float] | None = None
        self._next_look = clock()

    def __call__(self) -> R:
        """The table in force.

        Raises:
            Problem: it cannot be read, and none is known that is young enough.
        """
        if (fresh := self._younger_than(FRESH)) is not None:
            return fresh
        usable = self._younger_than(LONGEST)
        # One request looks; those that come meanwhile go on with the table they have.
        if not self._lock.acquire(timeout=WAIT if usable is None else 0.0):
            return self._usable(usable)
        try:
            if (fresh := self._younger_than(FRESH)) is not None:  # another one looked while this one waited
                return fresh
            return self._look(usable)
        finally:
            self._lock.release()

    def _look(self, usable: R | None) -> R:
        if self._clock() < self._next_look:
            return self._usable(usable)
        began = self._clock()
        try:
            found = self._read()
        except Problem:
            raise
        except Exception as error:
            self._next_look = self._clock() + PAUSE
            log.warning("routing", extra={"told": {"reason": f"{type(error).__name__}: {error}"}})
            return self._usable(usable)
        self._known = found, began
        return found

    def _younger_than(self, seconds: float) -> R | None:
        known = self._known
        return known[0] if known is not None and self._clock() - known[1] < seconds else None

    @staticmethod
    def _usable(usable: R | None) -> R:
        if usable is None:
            raise unavailable("routing", "The routing table cannot be read from the bucket.")
        return usable
