"""What a database holds, in a form that can be compared, and a reader who watches it all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import psycopg
from psycopg import sql

from include.names import Month, partition
from include.storage.connection import connect

_RELATIONS = """
SELECT relname, relkind::text, pg_get_expr(relpartbound, oid) FROM pg_class
WHERE relnamespace = 'bqx'::regnamespace
UNION ALL
SELECT conrelid::regclass || '.' || conname, contype::text, NULL FROM pg_constraint
WHERE connamespace = 'bqx'::regnamespace
"""
_LEAVES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'bqx'::regnamespace AND relispartition AND relkind = 'r' AND relname NOT LIKE 'm1%'
"""
_CONTENTS = "SELECT count(*), coalesce(sum(hashint8extended(hash_record_extended(t, 0), 0)), 0) FROM {} AS t"
_LOG = "SELECT table_name, month, row_count, input_hash FROM bqx.build_log"
_COUNTS = (
    "SELECT to_char(date_trunc('month', ts_utc AT TIME ZONE 'UTC'), 'YYYY-MM'), count(*) FROM {} GROUP BY 1"
)


class Contents(NamedTuple):
    """One month of one table: its exact rows, a hash of all values in any order, and its log entry."""

    rows: int | None
    values: int | None
    logged_rows: int | None
    input_hash: str | None


class State(NamedTuple):
    """Every relation and constraint with its bounds, and the contents of every built month by partition."""

    relations: frozenset[tuple[str, str, str | None]]
    months: dict[str, Contents]


def state_of(url: str) -> State:
    """Read everything that a build may change, but for the moments at which it did."""
    with connect(url) as connection:
        relations = frozenset(connection.execute(_RELATIONS).fetchall())
        logged = {
            partition(table, _month(day)): (rows, input_hash)
            for table, day, rows, input_hash in connection.execute(_LOG)
        }
        stored = {}
        for (name,) in connection.execute(_LEAVES).fetchall():
            query = sql.SQL(_CONTENTS).format(sql.Identifier("bqx", name))
            rows, values = connection.execute(query).fetchone()
            stored[name] = (rows, int(values))
    nothing = (None, None)
    months = {
        name: Contents(*stored.get(name, nothing), *logged.get(name, nothing)) for name in logged | stored
    }
    return State(relations, months)


def assert_between(found: State, old: State, new: State) -> None:
    """Each month is wholly the old one or wholly the new one, and nothing else lies about."""
    for name in old.months | new.months | found.months:
        assert found.months.get(name) in (old.months.get(name), new.months.get(name)), name
    assert found.relations <= old.relations | new.relations


def wait_until_alone(url: str, seconds: float = 30) -> None:
    """Wait until the server has noticed the death of every worker in this database."""
    query = """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'bqx' AND pid <> pg_backend_pid()"""
    deadline = time.monotonic() + seconds
    with connect(url) as connection:
        while connection.execute(query).fetchone() != (0,):
            assert time.monotonic() < deadline, "the server still runs the session of a dead worker"
            time.sleep(0.005)


class Watcher:
    """A reader who counts the rows of each month of some tables again and again, a hundred times a second.

    Attributes:
        seen: per table, every set of months and counts that was seen at once.
        reads: how many queries were answered.
        longest: seconds the slowest of them took.
    """

    def __init__(self, url: str, tables: Sequence[str], pause: float = 0.01):
        self.seen: dict[str, set[frozenset[tuple[str, int]]]] = {table: set() for table in tables}
        self.reads, self.longest = 0, 0.0
        self._url, self._pause = url, pause
        self._error: psycopg.Error | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def assert_saw_only(self, *versions: Mapping[str, Mapping[str, int]]) -> None:
        """No error, and each count of a month that was seen is that of one of the versions.

        Args:
            versions: per table and month (``yyyy-mm``) the number of rows; an absent month has none.
        """
        assert self._error is None, f"a reader was refused: {self._error}"
        assert self.reads, "the reader never read"
        for table, answers in self.seen.items():
            allowed = [version.get(table, {}) for version in versions]
            for answer in map(dict, answers):
                for month in {month for counts in (answer, *allowed) for month in counts}:
                    found = answer.get(month, 0)
                    wanted = {counts.get(month, 0) for counts in allowed}
                    assert found in wanted, f"{table} {month}: a reader saw {found} rows, not {wanted}"

    def _read(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True, application_name="watcher") as connection:
                while not self._stop.is_set():
                    for table, answers in self.seen.items():
                        started = time.monotonic()
                        query = sql.SQL(_COUNTS).format(sql.Identifier("bqx", table))
                        answers.add(frozenset(connection.execute(query).fetchall()))
                        self.longest = max(self.longest, time.monotonic() - started)
                        self.reads += 1
                    self._stop.wait(self._pause)
        except psycopg.Error as error:
            self._error = error


def counts_of(state: State, tables: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows per table and month (``yyyy-mm``), as a watcher should see them."""
    return {
        table: {
            name.removeprefix(f"{table}_").replace("_", "-"): contents.rows
            for name, contents in state.months.items()
            if name.startswith(f"{table}_") and contents.rows
        }
        for table in tables
    }


def _month(day: date) -> Month:
    return Month(day.year, day.month)
