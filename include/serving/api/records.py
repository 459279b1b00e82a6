"""The log: one line of JSON per request, with the time each part took. No token and no body is ever in it."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from include.serving.captures import Capture

log = logging.getLogger("bqx.api")


@dataclass
class Record:
    """What is noted of one request while it is answered.

    Attributes:
        request_id: its name.
        pair, version: what was asked and which model answered, as far as known.
        began: when it was complete, `time.perf_counter` seconds.
        parts: milliseconds of ``features`` and ``endpoint``.
        capture: the forecast that is answered, None before there is one.
    """

    request_id: str
    pair: str = ""
    version: str = ""
    began: float = field(default_factory=time.perf_counter)
    parts: dict[str, float] = field(default_factory=dict)
    capture: Capture | None = None

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add what the block takes to a part, also if it fails."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.parts[part] = self.parts.get(part, 0.0) + 1000 * (time.perf_counter() - begin)

    def write(self, method: str, path: str, status: int, code: str = "") -> None:
        """Write the line."""
        total = 1000 * (time.perf_counter() - self.began)
        parts = dict(self.parts)  # a worker that was given up may still add to it
        told: dict[str, Any] = {
            "request_id": self.request_id,
            "method": method,
            "path": path[:100],
            "status": status,
            "error": code,
            "pair": self.pair,
            "version": self.version,
            "ms": {
                "features": _rounded(parts.get("features", 0.0)),
                "endpoint": _rounded(parts.get("endpoint", 0.0)),
                "rest": _rounded(max(0.0, total - sum(parts.values()))),
                "total": _rounded(total),
            },
        }
        log.info("request", extra={"told": told})


class Lines(logging.Formatter):
    """Formats a log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
        }
        told |= getattr(record, "told", {})
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def to_standard_output() -> None:
    """Write the log to the standard output, of this module and of the server."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Lines())
    for name in ("bqx.api", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 2)
