"""What the runs of bqx_retrain say of themselves: did the last one succeed, and what share of ten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from include.monitoring.values import Reading
from include.settings import DEADLINE
from include.storage.connection import Connection, exists, statement

__all__ = ["DECIDED", "FAILED", "NOTHING", "RUNNING", "RUNS", "TABLE", "Run", "judged", "readings"]

TABLE = "retrainings"
RUNNING, DECIDED, FAILED, NOTHING = "running", "decided", "failed", "nothing to do"
RUNS = 10  # of which the share is taken


class Run(NamedTuple):
    """A run that had something to do.

    Attributes:
        name: of the run.
        state: `RUNNING`, `DECIDED` or `FAILED`.
        begun_at: UTC.
    """

    name: str
    state: str
    begun_at: datetime


def readings(connection: Connection, now: datetime) -> list[Reading]:
    """The two values of the retraining.

    Args:
        connection: a session.
        now: of the wall clock, UTC: runs have its time, not that of the data.
    """
    if not exists(connection, TABLE):
        return judged((), now)
    rows = connection.execute(statement("monitoring/read_retrainings"), {"most": RUNS + 1})
    found = [Run(str(name), str(state), begun_at) for name, state, begun_at in rows]  # type: ignore[arg-type]
    return judged(found, now)


def judged(runs: Sequence[Run], now: datetime) -> list[Reading]:
    """The values of some runs, newest first.

    A run has succeeded if it ended with a decision, whatever that was. One that still runs does not count,
    unless it has missed its deadline: nothing is left that could end it.
    """
    ended = [run.state == DECIDED for run in runs if run.state != RUNNING or now > run.begun_at + DEADLINE]
    ended = ended[:RUNS]
    if not ended:
        why = "No retraining has ended yet."
        return [Reading("retraining_failures", None, note=why), Reading("retraining_success", None, note=why)]
    failures = Reading("retraining_failures", float(not ended[0]))
    if len(ended) < RUNS:
        why = f"{len(ended)} of {RUNS} retrainings have ended, {sum(ended)} of them with a decision."
        return [failures, Reading("retraining_success", None, note=why)]
    return [failures, Reading("retraining_success", sum(ended) / RUNS)]
