"""The outbox: records wait in the bucket until a tracking server has taken them.

A record is an object of its own, named after its training job and its content. It is deleted when it has
been delivered, and not before: a server that is down, or a task that is killed, loses nothing.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from include.objects import ObjectStore
from include.tracking.run import TrackedRun, Tracker

log = logging.getLogger(__name__)

FOLDER = "tracking/outbox/"
_PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]*@")
PATIENCE = 3  # records refused in a row until the server is left alone


class Delivery(NamedTuple):
    """What became of the records.

    Attributes:
        tracked: records that the server has taken.
        waiting: records that stay in the outbox.
        problem: the first reason why; empty if none waits.
    """

    tracked: int
    waiting: int
    problem: str


def put(bucket: ObjectStore, runs: Iterable[TrackedRun]) -> None:
    """Let records wait for delivery; a record that waits already is kept once.

    Args:
        bucket: the whole bucket.
        runs: the records.
    """
    for run in runs:
        body = run.to_json().encode()
        bucket.put(f"{FOLDER}{run.name}/{hashlib.sha256(body).hexdigest()[:16]}.json", body)


def deliver(bucket: ObjectStore, connect: Callable[[], Tracker]) -> Delivery:
    """Deliver what waits, the oldest record first.

    Nothing that goes wrong at the server is raised: the records wait for the next time.

    Args:
        bucket: the whole bucket.
        connect: opens the tracking server; only called if something waits.
    """
    waiting = sorted(bucket.list(FOLDER), key=lambda record: (record.modified, record.key))
    if not waiting:
        return Delivery(0, 0, "")
    try:
        tracker = connect()
    except Exception as error:  # whatever it is, training is not to be stopped by it
        return Delivery(0, len(waiting), _reason(error))
    delivered, problem, refusals = 0, "", 0
    for record in waiting:
        try:
            tracker.deliver(TrackedRun.of(bucket.get(record.key) or b""), record.modified)
            bucket.delete([record.key])
        except Exception as error:  # as above
            log.warning("Record %s was not delivered: %s", bucket.uri(record.key), _reason(error))
            problem, refusals = problem or _reason(error), refusals + 1
            if refusals == PATIENCE:
                break
        else:
            delivered, refusals = delivered + 1, 0
    return Delivery(delivered, len(waiting) - delivered, problem)


def _reason(error: Exception) -> str:
    """The first line, without the password of an address: those after it are the library's advice."""
    line = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
    return _PASSWORD.sub(r"\1:***@", line)
