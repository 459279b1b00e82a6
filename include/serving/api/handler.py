"""From a request to its answer, for ASGI and AWS Lambda alike: who may ask, how often, what, and the log."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from include.serving.api import openapi, problems, schema
from include.serving.api.capturing import Capturing
from include.serving.api.database import Database
from include.serving.api.predictor import Predictor
from include.serving.api.problems import Problem
from include.serving.api.records import Record, log
from include.serving.api.throttle import Throttle
from include.serving.api.workers import Task, Workers

REQUEST_ID = "x-request-id"
METHODS = {"/predict": "POST", "/health": "GET", "/openapi.json": "GET"}
_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WARMING = 30.0  # seconds; machine code is loaded then, or made
_KEEP_WARM = 20.0  # seconds between two rounds; endpoints were seen to drop a model after 30 s
_LOOK = 5.0  # seconds between two looks whether a pair is served
_WRITING = 5.0  # seconds in which the captures that wait are written
_SHOWN = 3  # mistakes of a request that its answer names


class Head(NamedTuple):
    """A request before its body.

    Attributes:
        method, path: of HTTP; the path without its query.
        headers: by name in lower case.
        caller: who asks, where a gateway has proved that before; empty elsewhere.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    caller: str = ""


class Reply(NamedTuple):
    """What goes back.

    Attributes:
        status: of HTTP.
        body: JSON.
        headers: of the answer.
    """

    status: int
    body: bytes
    headers: dict[str, str]


Answering = Task[Database, BaseModel]


class Handler:
    """The API without its transport.

    Args:
        predictor: knows the answers.
        workers: threads that ask it.
        throttle: how many requests are taken.
        may_ask: whether a request comes from somebody who may ask.
        capturing: takes the answers that are captured; None captures none.
    """

    def __init__(
        self,
        predictor: Predictor,
        workers: Workers[Database],
        throttle: Throttle,
        may_ask: Callable[[Head], bool],
        capturing: Capturing | None = None,
    ) -> None:
        self._capturing = capturing
        self._predictor, self._workers, self._throttle, self._may_ask = predictor, workers, throttle, may_ask
        self._closed = threading.Event()
        self._document = json.dumps(openapi.document()).encode()

    @property
    def patience(self) -> float:
        """Seconds an answer may take."""
        return self._workers.patience

    def arrive(self, head: Head) -> Record:
        """Begin the record of a request: it has the id that the client gives, else a random one."""
        given = head.headers.get(REQUEST_ID, "")
        return Record(given if _ID.fullmatch(given) else uuid.uuid4().hex)

    def admit(self, head: Head) -> None:
        """Let a request in before its body is read.

        Raises:
            Problem: it is not let in.
        """
        if not self._may_ask(head):
            raise problems.unauthorized()
        if head.path not in METHODS:
            raise problems.not_found(head.path)
        if head.method != METHODS[head.path]:
            raise problems.wrong_method(METHODS[head.path])
        if not self._throttle.takes():
            raise problems.too_many(self._throttle.rate)
        if _length(head) > schema.LARGEST:
            raise problems.too_large(schema.LARGEST)

    def start(self, head: Head, body: bytes, record: Record) -> Answering | None:
        """Begin to answer a request that was let in; None if its answer is known already.

        Raises:
            Problem: it cannot be answered.
        """
        record.began = time.perf_counter()
        if len(body) > schema.LARGEST:
            raise problems.too_large(schema.LARGEST)
        predictor = self._predictor
        if head.path == "/predict":
            question = _question(body)
            record.pair, record.request_id = question.pair, question.request_id or record.request_id
            return self._workers.submit(lambda database: predictor.predict(database, question, record))
        if head.path == "/health":
            return self._workers.submit(lambda database: predictor.health(database, record))
        return None

    def reply(self, head: Head, record: Record, answer: BaseModel | None) -> Reply:
        """The reply of an answer; the log has it."""
        body = self._document if answer is None else answer.model_dump_json().encode()
        if record.capture is not None and self._capturing is not None:
            self._capturing.offer(record.capture)
        record.write(head.method, head.path, 200)
        return Reply(200, body, _JSON | {"X-Request-Id": record.request_id})

    def refuse(self, head: Head, record: Record, error: Exception) -> Reply:
        """The reply that tells a problem; the log has it, and the trace of an error that nobody foresaw."""
        if not isinstance(error, Problem):
            log.error("defect", exc_info=error, extra={"told": {"request_id": record.request_id}})
            error = problems.internal()
        told = schema.Problem(error=error.code, message=error.message, request_id=record.request_id)
        record.write(head.method, head.path, error.status, error.code)
        headers = _JSON | {"X-Request-Id": record.request_id} | dict(error.headers)
        return Reply(error.status, told.model_dump_json().encode(), headers)

    def answer(self, head: Head, body: bytes) -> Reply:
        """A whole request, for callers without an event loop."""
        record = self.arrive(head)
        try:
            self.admit(head)
            task = self.start(head, body, record)
            return self.reply(head, record, None if task is None else self._workers.result(task))
        except Exception as error:
            return self.refuse(head, record, error)

    def warm(self) -> bool:
        """Make ready for the first request; False if no pair is served yet.

        Raises:
            Problem: something that is needed is not there.
        """
        return self._workers.result(self._workers.submit(self._predictor.warm), _WARMING)

    def keep_warm(self) -> int:
        """Ask all models, so that none is dropped; returns how many answered.

        Raises:
            Problem: the routing table cannot be read.
        """
        return self._predictor.keep_warm()

    def warm_up(self) -> None:
        """Make ready as soon as a pair is served, and keep all models warm, beside whatever else is done."""
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def write_captures(self) -> None:
        """Write the captures that wait, for a process that is stopped between two requests."""
        if self._capturing is not None:
            self._capturing.flush(_WRITING)

    def close(self) -> None:
        """End the threads."""
        self._closed.set()
        self._workers.close()
        if self._capturing is not None:
            self._capturing.close()

    def _warm_up(self) -> None:
        ready = False
        while not self._closed.is_set():
            try:
                if ready:
                    self.keep_warm()
                else:
                    ready = self.warm()
            except Problem as problem:  # what is missing may come; whoever asks before is told
                log.info("not ready", extra={"told": {"reason": problem.message}})
            except Exception:
                log.exception("defect")
            self._closed.wait(_KEEP_WARM if ready else _LOOK)


def _length(head: Head) -> int:
    told = head.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def _question(body: bytes) -> schema.Question:
    try:
        return schema.Question.model_validate_json(body)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        told = [f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}" for each in mistakes]
        raise problems.invalid(f"{'; '.join(told[:_SHOWN])[:500]}.") from error
