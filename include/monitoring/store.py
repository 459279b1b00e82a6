"""The table of values: what each run of the monitor found, with its level and why there are no data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from include.monitoring.values import Reading, Value, judge
from include.names import to_datetime
from include.storage.connection import Connection, exists, statement

__all__ = ["TABLE", "Kept", "Point", "ensure_table", "found_by", "history", "keep"]

SHOWN_DAYS = 14  # of a dashboard
TABLE, LATEST = "monitor_values", "monitor_latest"
_CREATE_LOCK = "bqx: create monitor_values"


class Kept(NamedTuple):
    """A reading as it is kept.

    Attributes:
        reading: what was found.
        level: ok, warning, critical or no data.
    """

    reading: Reading
    level: str


class Point(NamedTuple):
    """A reading of the past.

    Attributes:
        minute: epoch minute that counted as now.
        reading: what was found.
    """

    minute: int
    reading: Reading


def ensure_table(connection: Connection) -> None:
    """Make the table unless it is there; several sessions may call this at once."""
    if exists(connection, TABLE, LATEST):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_CREATE_LOCK])
        connection.execute(statement("monitoring/create_values"))


def keep(
    connection: Connection, values: Mapping[str, Value], readings: Iterable[Reading], as_of: int, run: str
) -> list[Kept]:
    """Keep what a run found; a run of the same moment replaces what it finds again.

    Args:
        connection: a session.
        values: all declared ones.
        readings: of them.
        as_of: epoch minute that counted as now.
        run: of the DAG.

    Returns:
        The readings with their levels. Those of single horizons are kept with the level ok or no data: the
        rules are for pairs, and for all pairs.
    """
    kept = [Kept(each, _level(values[each.name], each)) for each in readings]
    rows = [
        each.reading._asdict() | {"level": each.level, "as_of": to_datetime(as_of), "run": run}
        for each in kept
    ]
    ensure_table(connection)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(statement("monitoring/upsert_value"), rows)
    return kept


def found_by(connection: Connection, as_of: int, run: str) -> list[Kept]:
    """What a run found as of a moment; nothing if it kept nothing.

    Args:
        connection: a session.
        as_of: epoch minute that counted as now.
        run: of the DAG.
    """
    if not exists(connection, TABLE):
        return []
    asked = {"as_of": to_datetime(as_of), "run": run}
    rows = connection.execute(statement("monitoring/read_values"), asked)
    found = []
    for name, value, pair, horizon, line, note, level in rows:
        number = None if value is None else float(str(value))
        reading = Reading(str(name), number, str(pair), int(str(horizon)), str(line), str(note))
        found.append(Kept(reading, str(level)))
    return found


def history(connection: Connection, as_of: int, days: int = SHOWN_DAYS) -> list[Point]:
    """What the runs of some days found, the oldest first; single horizons are left out.

    Args:
        connection: a session.
        as_of: epoch minute of the newest run.
        days: so many before it.
    """
    if not exists(connection, TABLE):
        return []
    asked = {"first": to_datetime(as_of - days * 1440), "last": to_datetime(as_of)}
    rows = connection.execute(statement("monitoring/read_history"), asked)
    return [
        Point(
            int(str(minute)),
            Reading(
                str(name), None if value is None else float(str(value)), str(pair), 0, str(line), str(note)
            ),
        )
        for name, pair, line, minute, value, note in rows
    ]


def _level(value: Value, reading: Reading) -> str:
    return judge(value._replace(warning=None, critical=None) if reading.horizon else value, reading.value)
