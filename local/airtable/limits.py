"""Five requests a second, or silence for half a minute; and who asked for how much."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from local.airtable.faults import Fault

RATE = 5  # requests a second, for all clients of the base together
PENALTY = 30.0  # seconds, after one request too many
_WINDOW = 1.0


@dataclass
class Count:
    """What one token did.

    Attributes:
        requests: that reached the base, refused ones included.
        writes: requests that create, change or delete.
        deletes: requests that delete.
        refused: answers 429, whatever their cause.
        records: records that were written.
        busiest: largest number of requests in any window of one second.
    """

    requests: int = 0
    writes: int = 0
    deletes: int = 0
    refused: int = 0
    records: int = 0
    busiest: int = 0
    recent: deque[float] = field(default_factory=deque, repr=False)

    def told(self) -> dict[str, int]:
        """The numbers by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "recent"}


class Limits:
    """The limits of one base.

    Args:
        rate: requests in any second.
        penalty: seconds during which every request is refused, after one too many.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        rate: int = RATE,
        penalty: float = PENALTY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate, self.penalty = rate, penalty
        self._clock, self._lock = clock, threading.Lock()
        self._served: deque[float] = deque()
        self._until = -math.inf
        self._counts: dict[str, Count] = {}
        self._total = Count()
        self.statuses: Counter[int] = Counter()

    def enter(self, token: str, method: str) -> None:
        """Count a request, and refuse it if it is one too many.

        Raises:
            Fault: RATE_LIMIT_REACHED.
        """
        with self._lock:
            now = self._clock()
            for count in (self._count(token), self._total):
                self._note(count, method, now)
            if now < self._until:
                raise self._refusal(token, now)
            while self._served and now - self._served[0] >= _WINDOW:
                self._served.popleft()
            if len(self._served) >= self.rate:
                self._until = now + self.penalty
                raise self._refusal(token, now)
            self._served.append(now)

    def storm(self, seconds: float) -> None:
        """Refuse everything for a while, as if another client had asked too often."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def wrote(self, token: str, records: int) -> None:
        """Count records that were written."""
        with self._lock:
            for count in (self._count(token), self._total):
                count.records += records

    def answered(self, status: int) -> None:
        """Count an answer."""
        with self._lock:
            self.statuses[status] += 1

    def count(self, token: str) -> Count:
        """What one token did; its numbers go on."""
        with self._lock:
            return self._count(token)

    @property
    def total(self) -> Count:
        """What all tokens did together."""
        return self._total

    def told(self) -> dict[str, Any]:
        """All numbers: by token, of which the beginning of its SHA-256 is told, and of all together."""
        with self._lock:
            return {
                "tokens": {_named(token): one.told() for token, one in self._counts.items()},
                "total": self._total.told(),
                "answers": {str(status): n for status, n in sorted(self.statuses.items())},
            }

    def reset(self) -> None:
        """Forget all numbers; a penalty under way goes on."""
        with self._lock:
            self._counts.clear()
            self._total = Count()
            self.statuses.clear()

    def _count(self, token: str) -> Count:
        return self._counts.setdefault(token, Count())

    def _note(self, count: Count, method: str, now: float) -> None:
        count.requests += 1
        count.writes += method in ("POST", "PATCH", "PUT", "DELETE")
        count.deletes += method == "DELETE"
        while count.recent and now - count.recent[0] >= _WINDOW:
            count.recent.popleft()
        count.recent.append(now)
        count.busiest = max(count.busiest, len(count.recent))

    def _refusal(self, token: str, now: float) -> Fault:
        for count in (self._count(token), self._total):
            count.refused += 1
        wait = max(1, math.ceil(self._until - now))
        return Fault("RATE_LIMIT_REACHED", headers={"Retry-After": str(wait)})


def _named(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:8]
