"""Rows that were just made: many requests ask for the same minute of a pair, and it is made once for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

R = TypeVar("R")

SECONDS = 2.0  # a bar that is corrected shows in answers after that time at the latest
MOST = 256  # rows


class Memory(Generic[R]):
    """What was made in the last seconds. Threads may use it at once.

    Args:
        seconds: how long something is kept.
        most: how many are kept.
        clock: seconds, monotonic.
    """

    def __init__(
        self, seconds: float = SECONDS, most: int = MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, R]] = {}  # oldest first

    def get(self, key: Hashable, make: Callable[[], R]) -> R:
        """What is kept under a key, else what is made now; an error is not kept.

        Its age counts from before it was made: what it is made of may have changed since.
        """
        now = self._clock()
        with self._lock:
            known = self._kept.get(key)
        if known is not None and now - known[0] < self._seconds:
            return known[1]
        made = make()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = now, made
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
        return made
