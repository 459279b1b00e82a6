"""How many requests are taken in a second: a bucket of tokens that fills at a steady rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Throttle:
    """Lets so many requests through in a second; it never makes anybody wait.

    Args:
        rate: requests a second in the long run.
        burst: how many may come at once after a quiet time.
        clock: seconds, monotonic.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._lock = threading.Lock()
        self._tokens, self._at = float(burst), clock()

    def takes(self) -> bool:
        """Whether one more request is taken now; it counts if so."""
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self.burst), self._tokens + (now - self._at) * self.rate)
            self._at = now
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True
