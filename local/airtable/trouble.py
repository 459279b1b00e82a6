"""Trouble that tests ask for: what a network and a busy service do to a client now and then."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import Enum

from local.airtable.faults import Fault


class Kind(Enum):
    """What happens to a request."""

    BEFORE = "refused before it was done"
    AFTER = "done, and then answered with an error"
    RESET = "done, and its answer is cut in the middle"
    SILENT = "done, and never answered"


@dataclass
class Trouble:
    """What the next requests meet. Threads may use it at once.

    Attributes:
        down: nothing is answered, connections end at once.
        delay: seconds that every answer takes, after the request was done.
    """

    down: bool = False
    delay: float = 0.0
    _planned: list[tuple[Kind, str, bool]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(
        self, kind: Kind, times: int = 1, code: str = "SERVICE_UNAVAILABLE", *, writes: bool = True
    ) -> None:
        """Let the next requests meet trouble.

        Args:
            kind: which.
            times: how many requests.
            code: error to answer with, where one is answered.
            writes: reads are spared.
        """
        with self._lock:
            self._planned += [(kind, code, writes)] * times

    @property
    def left(self) -> int:
        """How many requests will still meet planned trouble."""
        return len(self._planned)

    def clear(self) -> None:
        """No more trouble."""
        with self._lock:
            self._planned.clear()
            self.down, self.delay = False, 0.0

    def draw(self, is_write: bool) -> tuple[Kind | None, Fault]:
        """What this request meets, and the fault to answer with."""
        with self._lock:
            for index, (kind, code, writes) in enumerate(self._planned):
                if is_write or not writes:
                    del self._planned[index]
                    return kind, Fault(code)
        return None, Fault("SERVICE_UNAVAILABLE")

    def wait(self) -> None:
        """Take as long as asked."""
        if self.delay:
            time.sleep(self.delay)
