"""Traffic to the Airtable stand-in: several processes of ours, and somebody else who wants his share."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import NamedTuple

from include.plan.apply import Applied, apply
from include.plan.limiter import SharedLimiter
from include.plan.live import Change, Snapshot
from local.airtable.limits import RATE, Count
from local.airtable.server import BASE_ID, TOKEN, Access, Server
from tests.include.plan.changes import Plan, differences, patient
from tests.include.plan.clients import client, tasks

THIEF = "patThief000000001.other"


class Run(NamedTuple):
    """What a run of several processes came to."""

    applied: list[Applied]
    count: Count
    seconds: float


def run(server: Server, database_url: str, plan: Plan, processes: int, *, stolen: float = 0.0) -> Run:
    """Carry out a plan in several processes at once, which share a limiter.

    Args:
        server: still without a limit; it gets the real one.
        database_url: where the processes meet.
        plan: what is wanted.
        processes: how many.
        stolen: requests a second that somebody else sends.
    """
    snapshot = client(server).snapshot(["Tasks"])
    time.sleep(1.1)  # what was asked until here does not count against the limit
    server.limits.rate = RATE
    server.limits.reset()
    changes = differences(plan, snapshot)
    shares = [changes[number::processes] for number in range(processes)]
    limiter = SharedLimiter(database_url, "base")
    with get_context("spawn").Pool(processes) as pool, _thief(server, stolen):
        pool.map(abs, range(processes), chunksize=1)  # started
        begun = time.monotonic()
        jobs = [(server.endpoint, limiter, share, snapshot) for share in shares]
        applied = pool.starmap(_apply, jobs, chunksize=1)
        seconds = time.monotonic() - begun
    return Run(applied, server.limits.count(TOKEN), seconds)


def _apply(endpoint: str, limiter: SharedLimiter, changes: Sequence[Change], snapshot: Snapshot) -> Applied:
    return apply(patient(endpoint, limiter), changes, snapshot)


def landed(server: Server, plan: Plan) -> bool:
    """Whether the stand-in holds exactly the plan."""
    held = tasks(server)
    return {key: [dict(fields)] for key, fields in _full(plan).items()} == held


def _full(plan: Plan) -> Plan:
    return {key: {"Task ID": key, **fields} for key, fields in plan.items()}


@contextmanager
def _thief(server: Server, rate: float) -> Iterator[None]:
    """Somebody who sends so many requests a second, whatever he is answered."""
    if not rate:
        yield
        return
    server.tokens[THIEF] = Access()
    stop = threading.Event()

    def steal() -> None:
        while not stop.wait(1.0 / rate):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            headers = {"Authorization": f"Bearer {THIEF}"}
            connection.request("GET", f"/v0/{BASE_ID}/Plans?maxRecords=1", headers=headers)
            connection.getresponse().read()
            connection.close()

    thread = threading.Thread(target=steal)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
