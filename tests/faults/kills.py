"""Killing a worker at a chosen step: a real process, its database calls seen from outside.

A worker is a new Python process (spawned, not forked) that calls one function. Only in that process
psycopg is wrapped: each statement, block of a COPY and commit is told to the parent as a step before
it happens, so a test can wait for the n-th step of some kind and send SIGKILL there. What is tested has
no hooks for this.

Steps are texts: ``execute <sql>``, ``copy <sql>``, ``read`` and ``write`` (a block of a COPY out or in),
``commit`` (about to be sent), ``committed`` (answered, nothing done since) and ``rollback``; and
``s3 <method> <path>`` for a request to an object store, ``aws <operation>`` for one to another service of
AWS, ``answered ...`` for the answer of either.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from aiobotocore.httpsession import AIOHTTPSession
from botocore.httpsession import URLLib3Session
from psycopg import sql

LONGEST_TOLD = 2000  # characters of a statement
PATIENCE = 120.0  # seconds until a worker must have told something


@dataclass(frozen=True)
class Moment:
    """When a worker dies.

    Attributes:
        pattern: regular expression searched in the steps; empty for any step.
        number: which of the steps that match, from 1.
        frozen: the worker waits at that step; otherwise it goes on and its death meets it anywhere.
        delay: seconds between that step and the signal.
        signal: SIGKILL, or SIGTERM for a worker that is shut down.
    """

    pattern: str = ""
    number: int = 1
    frozen: bool = True
    delay: float = 0.0
    signal: signal.Signals = signal.SIGKILL

    def matches(self, step: str) -> bool:
        """Whether a step is one of those it counts."""
        return re.search(self.pattern, step) is not None


class Death(NamedTuple):
    """How a worker ended: the steps it told, and whether it was done before the signal came."""

    steps: list[str]
    finished: bool


class Worker:
    """One function call in a process of its own; leaving the block kills what is left of it.

    Listen to it: the pipe is finite, and a worker nobody listens to comes to stand still.
    """

    def __init__(self, work: Callable[..., Any], *args: Any, moment: Moment | None = None, **kwargs: Any):
        context = get_context("spawn")
        self._pipe, self._other_end = context.Pipe()
        self._process = context.Process(
            target=_run, args=(self._other_end, moment, work, args, kwargs), daemon=True
        )
        self.steps: list[str] = []

    def __enter__(self) -> Worker:
        self._process.start()
        self._other_end.close()  # so that the end of the worker is the end of the pipe
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.close()
        self._pipe.close()

    def wait_for(self, pattern: str) -> None:
        """Return when the worker told a step that matches."""
        while not re.search(pattern, self._next("step", PATIENCE)):
            pass

    def wait_for_moment(self) -> None:
        """Return when the worker came to its moment; a frozen one stays there."""
        self._next("moment", PATIENCE)

    def go_on(self) -> None:
        """Let a frozen worker go on."""
        self._pipe.send("go on")

    def result(self) -> Any:
        """What the function returned, when it has."""
        return self._next("result", PATIENCE)

    def finishes_within(self, seconds: float) -> bool:
        """Listen to the worker for some seconds, or until it is done."""
        try:
            self._next("result", seconds)
        except TimeoutError:
            return False
        return True

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """SIGKILL: no handler, no `finally`, no goodbye to the server. Returns when the process is gone."""
        if self._process.is_alive():
            with suppress(ProcessLookupError):  # it ended since, and another thread's start collected it
                os.kill(self._process.pid or 0, how)
        self._process.join()
        try:
            while True:  # what it told before it died
                self._take()
        except (EOFError, ConnectionResetError):
            pass

    def _next(self, kind: str, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while self._pipe.poll(max(0.0, deadline - time.monotonic())):
            found, value = self._take()
            if found == "error":
                raise AssertionError(f"the worker failed by itself:\n{value}")
            if found == kind:
                return value
        raise TimeoutError(f"no {kind} from the worker in {seconds} s; its last steps: {self.steps[-3:]}")

    def _take(self) -> tuple[str, Any]:
        kind, value = self._pipe.recv()
        if kind == "step":
            self.steps.append(value)
        return kind, value


def kill_at(moment: Moment, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Death:
    """Start a worker and kill it at a moment.

    Raises:
        AssertionError: the worker failed by itself.
        EOFError: it ended without coming to its moment.
    """
    with Worker(work, *args, moment=moment, **kwargs) as worker:
        worker.wait_for_moment()
        finished = worker.finishes_within(moment.delay)
        worker.kill(moment.signal)
        return Death(worker.steps, finished)


def steps_of(work: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[list[str], float]:
    """Steps of an undisturbed worker and the seconds from its first to its end."""
    with Worker(work, *args, moment=Moment(frozen=False), **kwargs) as worker:
        worker.wait_for_moment()
        started = time.monotonic()
        worker.result()
        return worker.steps, time.monotonic() - started


def _run(
    pipe: Pipe, moment: Moment | None, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The whole life of a worker process."""
    tell = _teller(pipe, moment)
    _watch_psycopg(tell)
    _watch_aws(tell)
    try:
        answer = ("result", work(*args, **kwargs))
    except BaseException:
        answer = ("error", traceback.format_exc())
    pipe.send(answer)


def _teller(pipe: Pipe, moment: Moment | None) -> Callable[[str], None]:
    """A function that tells the parent one step, and stops at the moment."""
    matching = 0
    one_at_a_time = threading.Lock()  # a worker may have threads; all of them stop at the moment

    def tell(step: str) -> None:
        nonlocal matching
        step = step[:LONGEST_TOLD]
        with one_at_a_time:
            pipe.send(("step", step))
            if moment is None or not moment.matches(step):
                return
            matching += 1
            if matching == moment.number:
                pipe.send(("moment", step))
                if moment.frozen:
                    pipe.recv()  # "go on", or death

    return tell


def _watch_psycopg(tell: Callable[[str], None]) -> None:
    """Tell what goes through psycopg from now on, in this process."""
    execute, copy = psycopg.Cursor.execute, psycopg.Cursor.copy
    read, write = psycopg.Copy.read, psycopg.Copy.write
    leave = psycopg.Transaction.__exit__

    def told_execute(self: psycopg.Cursor, query: Any, *args: Any, **kwargs: Any) -> Any:
        tell(f"execute {_text(query, self)}")
        return execute(self, query, *args, **kwargs)

    @contextmanager
    def told_copy(self: psycopg.Cursor, statement: Any, *args: Any, **kwargs: Any) -> Iterator[psycopg.Copy]:
        tell(f"copy {_text(statement, self)}")
        with copy(self, statement, *args, **kwargs) as stream:
            yield stream

    def told_read(self: psycopg.Copy) -> Any:
        tell("read")
        return read(self)

    def told_write(self: psycopg.Copy, block: Any) -> None:
        tell("write")
        write(self, block)

    def told_leave(self: psycopg.Transaction, kind: Any, error: Any, trace: Any) -> Any:
        outermost = not self.savepoint_name
        if outermost:
            tell("rollback" if kind else "commit")
        answer = leave(self, kind, error, trace)
        if outermost and not kind:
            tell("committed")
        return answer

    psycopg.Cursor.execute, psycopg.Cursor.copy = told_execute, told_copy
    psycopg.Copy.read, psycopg.Copy.write = told_read, told_write
    psycopg.Transaction.__exit__ = told_leave


def _watch_aws(tell: Callable[[str], None]) -> None:
    """Tell every request that botocore and aiobotocore send from now on, and its answer."""
    send, send_async = URLLib3Session.send, AIOHTTPSession.send

    def told_send(self: URLLib3Session, request: Any) -> Any:
        step = _request(request)
        tell(step)
        answer = send(self, request)
        tell(f"answered {step.removeprefix('s3 ')}")
        return answer

    async def told_send_async(self: AIOHTTPSession, request: Any) -> Any:
        step = _request(request)
        tell(step)
        answer = await send_async(self, request)
        tell(f"answered {step}")
        return answer

    URLLib3Session.send, AIOHTTPSession.send = told_send, told_send_async


def _request(request: Any) -> str:
    """The operation, or method and path where the protocol names none."""
    target = request.headers.get("X-Amz-Target", b"")
    operation = (target if isinstance(target, str) else target.decode()).rpartition(".")[2]
    return f"aws {operation}" if operation else f"s3 {request.method} {urlsplit(request.url).path}"


def _text(query: Any, cursor: psycopg.Cursor) -> str:
    text = query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    return " ".join(" ".join(lines).split())
