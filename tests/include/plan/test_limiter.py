"""One limit for all: whatever the network does and whoever is killed, no second sees a sixth request."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import psycopg
import pytest

from include.errors import AirtableUnavailable
from include.plan.limiter import PERIOD, PERMITS, RECOVERY, MemoryLimiter, Permits, SharedLimiter
from local.postgres import Postgres


def busiest(moments: list[float]) -> int:
    """Largest number of moments in any half-open window of one second."""
    moments = sorted(moments)
    return max(sum(first <= one < first + 1.0 for one in moments) for first in moments)


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("seed", range(20))
def test_no_second_sees_more_than_five_arrive_however_long_they_travel(seed: int) -> None:
    draw = random.Random(seed)
    permits, now, arrivals = Permits(), 100.0, []
    travelling: list[tuple[float, int]] = []  # (when the answer is back, permit)
    while len(arrivals) < 300:
        now += draw.expovariate(50.0)
        for back, number in [one for one in travelling if one[0] <= now]:
            permits.give_back(number, back)
            travelling.remove((back, number))
        number, wait = permits.take(now)
        assert (number is None) == (wait > 0)
        if number is not None:
            travel = draw.choice([0.001, 0.05, 0.4, 2.5]) * draw.random()
            arrivals.append(now + travel * draw.random())
            if draw.random() > 0.02:  # the others are killed, and their permits come back with the lease
                travelling.append((now + travel, number))
    assert busiest(arrivals) <= 5


def test_five_are_sent_at_once_and_the_sixth_a_second_after_the_first_answer() -> None:
    permits = Permits()
    taken = [permits.take(10.0)[0] for _ in range(5)]
    assert sorted(map(str, taken)) == ["0", "1", "2", "3", "4"]
    assert permits.take(10.0)[0] is None
    permits.give_back(3, 10.4)
    assert permits.take(10.4 + PERIOD - 0.001)[0] is None
    assert permits.take(10.4 + PERIOD) == (3, 0.0)


def test_after_a_refusal_everyone_waits_and_fewer_are_let_through() -> None:
    permits = Permits()
    assert permits.take(10.0)[0] is not None
    assert permits.take(10.0)[0] is not None
    permits.refuse(10.2, 30.0)
    permits.refuse(10.3, 30.0)  # was on its way already: the same offence
    assert permits.width == 2
    assert permits.take(20.0) == (None, pytest.approx(20.3))
    for number in (0, 1):
        permits.give_back(number, 10.3)
    taken = [permits.take(40.4)[0] for _ in range(3)]
    assert taken == [0, 1, None]
    permits.refuse(41.0, 30.0)
    permits.refuse(80.0, 30.0)
    assert permits.width == 1, "never none at all"


def test_what_was_taken_away_comes_back_with_time() -> None:
    permits = Permits()
    permits.refuse(10.0, 30.0)

    def wide(now: float) -> int:
        fresh = Permits(open_at=0.0, width=permits.width, refused_at=permits.refused_at)
        return sum(fresh.take(now)[0] is not None for _ in range(9))

    assert [wide(10.0 + RECOVERY * times + 1) for times in range(5)] == [2, 3, 4, 5, 5]


def test_a_caller_gives_up_in_the_end() -> None:
    clock = Clock()
    limiter = MemoryLimiter(sleep=clock.sleep, clock=lambda: clock.now, patience=60.0)
    limiter.penalty(10_000.0)
    with pytest.raises(AirtableUnavailable, match="for 60 s"), limiter.turn():
        pytest.fail("nobody may be let through")


def test_a_permit_comes_back_when_its_request_failed() -> None:
    clock = Clock()
    limiter = MemoryLimiter(sleep=clock.sleep, clock=lambda: clock.now)
    for _ in range(2 * PERMITS):
        with pytest.raises(ConnectionError), limiter.turn():
            raise ConnectionError
    assert clock.now < 1_003.0, "leases are for the dead"


def test_the_table_is_made_by_whoever_comes_first(database_url: str) -> None:
    start = threading.Barrier(6)

    def one(_: int) -> None:
        start.wait()
        with SharedLimiter(database_url, "base").turn():
            pass

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(6)))
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT name, cardinality(free_at) FROM bqx.airtable_limits").fetchall()
    assert rows == [("base", PERMITS)]


def test_an_answer_is_not_lost_when_the_database_goes(postgres: Postgres) -> None:
    postgres.create_database("test_limiter_gone")
    limiter = SharedLimiter(postgres.url("test_limiter_gone"), "base")
    with limiter.turn():
        with postgres.connect() as connection:
            connection.execute("DROP DATABASE test_limiter_gone WITH (FORCE)")
        answer = "written"
    assert answer == "written"
    with pytest.raises(psycopg.OperationalError), limiter.turn():
        pytest.fail("nobody knows who else is asking")


def test_bases_do_not_wait_for_each_other(database_url: str) -> None:
    SharedLimiter(database_url, "one").penalty(600.0)
    started = time.monotonic()
    with SharedLimiter(database_url, "other").turn():
        assert time.monotonic() - started < 5.0


def test_a_penalty_stops_the_other_processes(database_url: str) -> None:
    with SharedLimiter(database_url, "base").turn():
        pass
    SharedLimiter(database_url, "base").penalty(1.0)
    started = time.monotonic()
    with SharedLimiter(database_url, "base").turn():
        assert time.monotonic() - started > 0.9


def test_the_permits_of_the_killed_come_back(database_url: str) -> None:
    short = SharedLimiter(database_url, "base", lease=1.0)
    for _ in range(PERMITS):
        short._wait()  # and is never heard of again
    started = time.monotonic()
    with SharedLimiter(database_url, "base").turn():
        assert 0.5 < time.monotonic() - started < 10.0


def _send(url: str, times: int, told) -> None:
    limiter = SharedLimiter(url, "base")
    for _ in range(times):
        with limiter.turn():
            told.put(time.monotonic())


def test_processes_share_the_limit(database_url: str) -> None:
    context = get_context("spawn")
    told = context.Queue()
    processes = [context.Process(target=_send, args=(database_url, 6, told)) for _ in range(3)]
    for process in processes:
        process.start()
    moments = [told.get(timeout=60) for _ in range(18)]
    for process in processes:
        process.join()
    assert busiest(moments) <= 5
    assert max(moments) - min(moments) < 8.0, "nor does anybody sleep for longer than needed"
