"""The table of retrainings: which run decides which cycle. A cycle is the end of the data that is learned."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, cast

from include.monitoring.retrainings import TABLE
from include.names import to_datetime, to_minute
from include.storage.connection import Connection, exists, statement

__all__ = ["Cycle", "begin", "claim", "conclude", "ensure_table", "last_decided"]

_CREATE_LOCK = "bqx: create retrainings"


class Cycle(NamedTuple):
    """What a run decides about.

    Attributes:
        run: of the DAG.
        as_of: epoch minute that counted as now; 0 where it does not matter.
        end: epoch minute just after its data.
    """

    run: str
    as_of: int
    end: int


def ensure_table(connection: Connection) -> None:
    """Make the table unless it is there; several sessions may call this at once."""
    if exists(connection, TABLE):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_CREATE_LOCK])
        connection.execute(statement("retraining/create_table"))


def begin(connection: Connection, run: str, kind: str) -> None:
    """Note that a run has begun; a task that is run again may say so again."""
    ensure_table(connection)
    connection.execute(statement("retraining/begin"), {"run": run, "kind": kind})


def claim(connection: Connection, run: str, as_of: int, end: int) -> Cycle:
    """The cycle of a run: the one it had when it was asked for the first time."""
    asked = {"run": run, "as_of": to_datetime(as_of), "data_end": to_datetime(end)}
    row = connection.execute(statement("retraining/claim"), asked).fetchone()
    assert row is not None, "a run begins before it is planned"
    return Cycle(run, *(to_minute(moment) for moment in row))  # type: ignore[arg-type]


def last_decided(connection: Connection, run: str) -> Cycle | None:
    """The newest cycle that another run has decided; None if there is none."""
    row = connection.execute(statement("retraining/last_decided"), {"run": run}).fetchone()
    return None if row is None else Cycle(str(row[0]), 0, to_minute(cast(datetime, row[1])))


def conclude(connection: Connection, run: str, state: str, summary: str, report: str = "") -> None:
    """Note how a run ended; said again after it was mended."""
    asked = {"run": run, "state": state, "summary": summary, "report": report}
    connection.execute(statement("retraining/conclude"), asked)
