"""Long proofs: a migration repeated, a migration that is blocked, and everybody's queries meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from include.migration import steps
from include.migration.steps import REVERT
from include.names import Month, table
from include.pairs import PAIRS as ALL_PAIRS
from include.storage.connection import connect
from local.legacy import FAMILIES, build_legacy
from tests.faults.migrations import carry_out, request, state_of
from tests.faults.states import Watcher
from tests.reports import in_folder

PAIRS = ("eurusd", "gbpusd")
MONTHS = (Month(2024, 7), Month(2024, 8))
ROUNDS = 20
BLOCKED = 10.0  # seconds
READERS = 3

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


def legacy(url: str, pairs: Sequence[str], months: Sequence[Month] = MONTHS) -> None:
    build_legacy(url, pairs=pairs, months=months, step_minutes=360)


@pytest.mark.parametrize("views", [False, True], ids=["plain", "views"])
def test_apply_revert_apply_is_stable(database_url: str, tmp_path: Path, *, views: bool) -> None:
    legacy(database_url, PAIRS)
    before = state_of(database_url)
    carry_out(database_url, tmp_path / "first", request(PAIRS, views=views))
    after = state_of(database_url)
    assert after.schema != before.schema
    for number in range(ROUNDS):
        carry_out(database_url, tmp_path / f"revert {number}", request(PAIRS, REVERT))
        assert state_of(database_url) == before
        carry_out(database_url, tmp_path / f"migrate {number}", request(PAIRS, views=views))
        assert state_of(database_url) == after


@contextmanager
def blocker(url: str, name: str, seconds: float) -> Iterator[list[float]]:
    """Somebody holds a table exclusively for some seconds; gives the moment of the release, when it was."""
    held, released = threading.Event(), list[float]()

    def work() -> None:
        with psycopg.connect(url) as connection:
            lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
            connection.execute(lock.format(sql.Identifier("bqx", name)))
            held.set()
            time.sleep(seconds)
        released.append(time.monotonic())

    thread = threading.Thread(target=work)
    thread.start()
    held.wait()
    yield released
    thread.join()


class Readers:
    """Sessions that ask for July by the parents' old names, which a lock on August does not stop."""

    def __init__(self, url: str, names: Sequence[str]):
        self.waits, self.errors = list[float](), list[psycopg.Error]()
        self._url, self._names, self._stop = url, names, threading.Event()
        self._threads = [threading.Thread(target=self._read, args=[name]) for name in names]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, name: str) -> None:
        query = sql.SQL("SELECT count(*) FROM {} WHERE ts_utc < '2024-08-01 00:00+00'")
        with connect(self._url) as connection:
            while not self._stop.wait(0.005):
                started = time.monotonic()
                try:
                    connection.execute(query.format(sql.Identifier("bqx", name)))
                except psycopg.Error as error:
                    self.errors.append(error)
                self.waits.append(time.monotonic() - started)


def test_nobody_queues_while_somebody_blocks_for_long(database_url: str, tmp_path: Path) -> None:
    pair = PAIRS[0]
    legacy(database_url, PAIRS)
    wanted = request([pair], views=True)
    made = steps.plan(database_url, wanted, reports=in_folder(tmp_path), run_label="run")
    steps.prepare(database_url, wanted, made, parallel=1)
    steps.count(database_url, wanted, made["hash"], pair)
    names = [table(family, one) for family in FAMILIES for one in PAIRS]
    with Readers(database_url, names) as readers:
        with blocker(database_url, f"reg_{pair}_2024_08", BLOCKED) as released:
            result = steps.apply(database_url, wanted, made["hash"], pair)
            ended = time.monotonic()
        blocked = len(readers.waits)
    assert readers.errors == []
    assert result["retries"] >= 3
    assert max(readers.waits) < 1.0
    assert ended - released[0] < 30
    assert steps.check(database_url, wanted, pair)["batches"] == 8
    print(
        f"\n{result['retries']} retries, done {ended - released[0]:.1f} s after the release; "
        f"{blocked} queries, the longest took {max(readers.waits):.3f} s"
    )


def test_readers_of_all_pairs_see_no_error(database_url: str, tmp_path: Path) -> None:
    """Through a migration of everything and back, by the old names all the time."""
    legacy(database_url, ALL_PAIRS, MONTHS[:1])
    names = [table(family, pair) for pair in ALL_PAIRS for family in FAMILIES]
    with connect(database_url) as connection:
        counts = {}
        for name in names:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("bqx", name))
            (rows,) = connection.execute(query).fetchone()
            counts[name] = {str(MONTHS[0]): rows} if rows else {}
    before = state_of(database_url)
    with ExitStack() as stack:
        watchers = [
            stack.enter_context(Watcher(database_url, names[i::READERS], pause=0)) for i in range(READERS)
        ]
        carry_out(database_url, tmp_path / "migrate", request(ALL_PAIRS, views=True), parallel=1)
        carry_out(database_url, tmp_path / "revert", request(ALL_PAIRS, REVERT))
    for watcher in watchers:
        watcher.assert_saw_only(counts)
    assert state_of(database_url) == before
    reads, longest = sum(one.reads for one in watchers), max(one.longest for one in watchers)
    print(f"\n{reads} queries on {len(names)} tables, the longest took {longest * 1000:.0f} ms")
    assert longest < 1.0
