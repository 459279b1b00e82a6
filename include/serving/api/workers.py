"""Threads that answer: so many and no more, with a waiting room of limited size. Nothing waits for ever."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Generic, Protocol, TypeVar

from include.serving.api.problems import busy, late

T = TypeVar("T")


class Session(Protocol):
    """What one thread keeps between two requests."""

    def cut(self) -> None:
        """End what waits in this session now; called from another thread."""

    def close(self) -> None:
        """Give everything back."""


S = TypeVar("S", bound=Session)


class Task(Generic[S, T]):
    """One thing to do.

    Attributes:
        future: its result; cancelled if nobody began it in time.
    """

    def __init__(self, job: Callable[[S], T]) -> None:
        self.future: Future[T] = Future()
        self._job, self._lock = job, threading.Lock()
        self._session: S | None = None

    def run(self, session: S) -> None:
        """Do it, unless it was given up while it waited."""
        if not self.future.set_running_or_notify_cancel():
            return
        with self._lock:
            self._session = session
        try:
            result = self._job(session)
        except BaseException as error:
            self._leave()
            self.future.set_exception(error)
        else:
            self._leave()
            self.future.set_result(result)

    def give_up(self) -> None:
        """Nobody waits for the result any more: do not begin it, or free the thread that is at it."""
        if self.future.cancel():
            return
        with self._lock:  # the session may be at the next task already
            if self._session is not None:
                self._session.cut()

    def _leave(self) -> None:
        with self._lock:
            self._session = None


class Workers(Generic[S]):
    """Threads with a session each.

    Args:
        open_session: makes the session of a thread; it must not wait for anything.
        threads: how many tasks are done at once.
        room: how many may wait besides.
        patience: seconds until the result of a task is of no use.
    """

    def __init__(self, open_session: Callable[[], S], *, threads: int, room: int, patience: float) -> None:
        self.patience = patience
        self._queue: queue.SimpleQueue[Task[S, Any] | None] = queue.SimpleQueue()
        self._slots = threading.BoundedSemaphore(threads + room)
        self._threads = [
            threading.Thread(target=self._work, args=(open_session,), name=f"answer-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[S], T]) -> Task[S, T]:
        """Let a thread do something.

        Raises:
            Problem: as many wait as may.
        """
        if not self._slots.acquire(blocking=False):
            raise busy()
        task: Task[S, T] = Task(job)
        self._queue.put(task)
        return task

    def result(self, task: Task[S, T], patience: float | None = None) -> T:
        """Wait for a result, for callers that are no event loop.

        Args:
            task: from `submit`.
            patience: seconds, if others than usual.

        Raises:
            Problem: it took too long; and whatever the task raised.
        """
        seconds = self.patience if patience is None else patience
        wait([task.future], seconds)
        if task.future.done():
            return task.future.result()
        task.give_up()
        raise late(seconds)

    def close(self) -> None:
        """End the threads once they are done with what was submitted."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(self.patience)

    def _work(self, open_session: Callable[[], S]) -> None:
        session = open_session()
        while (task := self._queue.get()) is not None:
            try:
                task.run(session)
            finally:
                self._slots.release()
        session.close()
