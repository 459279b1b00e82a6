"""One rate limiter for every process that talks to the same Airtable base.

Airtable takes five requests a second for each base and shuts out whoever sends more for 30 seconds. So
there are five permits for each base, and a permit comes back one second after the answer to the request
it was used for. An answer proves that its request had arrived, therefore no second ever sees more than
five requests arrive, however long each was on its way: spacing what we send could not promise that.

The state is one row for each base in PostgreSQL, changed under its lock and dated by the clock of the
server. After a refusal everyone waits, and fewer permits are given out from then on: somebody else is
using the same base, and what is left of its quota has to be found. Permits come back with time.
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import psycopg

from include.errors import AirtableUnavailable
from include.storage.connection import Connection, connect, statement

PERMITS = 5  # requests a second, Airtable's limit for each base
PERIOD = 1.0  # seconds after which a used permit is given out again
LEASE = 60.0  # seconds until the permit of a killed process is given out again; a request is over long before
RECOVERY = 300.0  # seconds without a refusal until one more permit is given out
LONGEST_SLEEP = 0.2  # seconds: somebody may give a permit back earlier than its lease says
PATIENCE = 900.0  # seconds until a caller gives up

T = TypeVar("T")


@dataclass
class Permits:
    """The rules, without any clock of their own. Times are seconds on whatever clock the caller uses.

    Attributes:
        free_at: when each permit may be given out (again).
        open_at: nobody gets a permit before.
        width: how many permits are given out since the last refusal.
        refused_at: when Airtable last refused a request for our being too fast.
    """

    free_at: list[float] = field(default_factory=lambda: [0.0] * PERMITS)
    open_at: float = 0.0
    width: int = PERMITS
    refused_at: float = 0.0

    def take(self, now: float, lease: float = LEASE) -> tuple[int | None, float]:
        """Give out a permit: its number and 0; or None and the seconds after which to ask again."""
        if now < self.open_at:
            return None, self.open_at - now
        usable = range(self._width(now))
        permit = min(usable, key=lambda number: self.free_at[number])
        if self.free_at[permit] > now:
            return None, min(self.free_at[permit] - now, LONGEST_SLEEP)
        self.free_at[permit] = now + lease
        return permit, 0.0

    def give_back(self, permit: int, now: float) -> None:
        """The request of this permit has been answered, or never will be."""
        self.free_at[permit] = now + PERIOD

    def refuse(self, now: float, seconds: float) -> None:
        """Airtable refused a request. Refusals of requests that were on their way together count once."""
        if now >= self.open_at:
            self.width = max(1, self._width(now) // 2)
            self.refused_at = now
        self.open_at = max(self.open_at, now + seconds)

    def _width(self, now: float) -> int:
        return min(PERMITS, self.width + int(max(0.0, now - self.refused_at) // RECOVERY))


class Limiter(Protocol):
    """What a client needs: a turn for each request, and a way to say that Airtable refused one."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a permit; send one request within the block."""
        ...

    def penalty(self, seconds: float) -> None:
        """Airtable answered 429: nobody sends anything for some seconds."""
        ...


class _Waiting(ABC):
    """Waiting for a turn, whoever keeps the state."""

    _sleep: Callable[[float], None]
    _patience: float
    _lease: float

    @abstractmethod
    def _change(self, change: Callable[[Permits, float], T]) -> T:
        """Change the permits, alone; the change is given them and the time."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a permit; send one request within the block.

        Raises:
            AirtableUnavailable: there was none for `PATIENCE` seconds.
        """
        permit = self._wait()
        try:
            yield
        finally:
            with suppress(psycopg.OperationalError):  # the answer counts, and a lease ends by itself
                self._change(lambda permits, now: permits.give_back(permit, now))

    def penalty(self, seconds: float) -> None:
        """Airtable answered 429: nobody sends anything for some seconds."""
        self._change(lambda permits, now: permits.refuse(now, seconds))

    def _wait(self) -> int:
        waited = 0.0
        while waited < self._patience:
            permit, seconds = self._change(lambda permits, now: permits.take(now, self._lease))
            if permit is not None:
                return permit
            seconds += random.uniform(0.0, 0.02)  # so that processes do not ask in step
            self._sleep(seconds)
            waited += seconds
        raise AirtableUnavailable(
            f"No turn to send a request to Airtable for {self._patience:.0f} s: other runs or other programs "
            "with the same base take all of its five requests a second. Run this again later."
        )


class MemoryLimiter(_Waiting):
    """A limiter for the threads of one process: to try a connection, and for tests.

    Args:
        sleep: called with seconds.
        clock: seconds, from any start.
        patience: seconds until a caller gives up.
        lease: seconds until a permit that was not given back is given out again.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
        lease: float = LEASE,
    ) -> None:
        self._sleep, self._clock, self._patience, self._lease = sleep, clock, patience, lease
        self._lock = threading.Lock()
        self._permits = Permits()

    def _change(self, change: Callable[[Permits, float], T]) -> T:
        with self._lock:
            return change(self._permits, self._clock())


class SharedLimiter(_Waiting):
    """The limiter of all processes that reach the same database.

    No connection is kept: there is nothing to close, to carry over a fork or to mend, and at five requests
    a second opening one costs nothing that matters.

    Args:
        url: libpq connection string of the database.
        name: what the row is called; no base id, the table is there for everyone to read.
        sleep: called with seconds.
        patience: seconds until a caller gives up.
        lease: seconds until the permit of a killed process is given out again.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = PATIENCE,
        lease: float = LEASE,
    ) -> None:
        self._url, self._name = url, name
        self._sleep, self._patience, self._lease = sleep, patience, lease

    def _change(self, change: Callable[[Permits, float], T]) -> T:
        with connect(self._url) as connection:
            try:
                return self._locked(connection, change)
            except psycopg.errors.UndefinedTable:
                with connection.transaction():
                    connection.execute(statement("plan/exclude_others"))
                    connection.execute(statement("plan/create_limits"))
                return self._locked(connection, change)

    def _locked(self, connection: Connection, change: Callable[[Permits, float], T]) -> T:
        with connection.transaction():
            base = {"name": self._name, "permits": PERMITS}
            row = connection.execute(statement("plan/lock_limit"), base).fetchone()
            if row is None:
                connection.execute(statement("plan/ensure_limit"), base)
                row = connection.execute(statement("plan/lock_limit"), base).fetchone()
            assert row is not None
            *state, now = row
            permits = Permits(*state)  # type: ignore[arg-type]  # a row is objects; the table has the types
            answer = change(permits, float(str(now)))
            connection.execute(statement("plan/store_limit"), base | vars(permits))
            return answer
