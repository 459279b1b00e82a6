"""A model's columns at one minute, computed online, against computing the month that the minute lies in.

    python -m benchmarks.online [--requests 500] [--columns 195]

Columns and minutes are drawn with a seed; both sides read the bars from PostgreSQL and run the same engine.
Goals: P50 under 40 ms and P99 under 100 ms for one pair, all 28 pairs of a minute in under a second on one
core. Runs on a PostgreSQL of its own with two simulated months; on one that `make run` has filled:

    . .local/env && python -m benchmarks.online --on $BQX_DATABASE_URL
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from benchmarks.serving import milliseconds, show
from benchmarks.storage import load
from include.dataset.matrix import FEATURES
from include.errors import MissingInput
from include.market.synthetic import write_market
from include.names import Month, to_datetime
from include.pairs import PAIRS
from include.serving import online
from include.storage.connection import Connection, connect
from include.storage.log import watermark
from local.postgres import Postgres

SEED = 7
DAYS = 14  # up to the watermark: from these the minutes are drawn
WINDOWS = {h: h for h in (15, 30, 45, 60, 75)}
GOALS = {"P50": 40.0, "P99": 100.0, "28 pairs": 1000.0}  # milliseconds


def minutes(connection: Connection, pairs: Sequence[str], number: int) -> list[int]:
    """Minutes at which every pair has a row."""
    draw, newest = random.Random(SEED), watermark(connection)
    found: list[int] = []
    while len(found) < number:
        minute = newest - draw.randrange(DAYS * 1440)
        try:
            online.rows(connection, pairs, minute, FEATURES[:1], WINDOWS)
        except MissingInput:
            continue
        found.append(minute)
    return found


def compare(connection: Connection, requests: int, number: int, turns: int) -> None:
    """One pair, all pairs, and the month of one pair."""
    columns = random.Random(SEED).sample(FEATURES, number)
    asked = iter(minutes(connection, PAIRS, requests + 2 * turns + 10))
    draw = random.Random(SEED)

    def one_pair() -> None:
        online.rows(connection, [draw.choice(PAIRS)], next(asked), columns, WINDOWS)

    def all_pairs() -> None:
        online.rows(connection, PAIRS, next(asked), columns, WINDOWS)

    def month() -> None:
        minute = next(asked)
        at = to_datetime(minute)
        first = Month(at.year, at.month).first_minute
        online.many(connection, [draw.choice(PAIRS)], first, minute + 1, columns, WINDOWS)

    print(f"\nOnline, {number} columns")
    milliseconds(one_pair, 10)
    own = milliseconds(one_pair, requests)
    p99 = show("one pair at one minute", own)
    whole = statistics.median(milliseconds(month, turns))
    together = [_timed(all_pairs) for _ in range(turns)]
    p50 = statistics.median(own)
    print(
        f"  the month up to the minute, one pair      median {whole:.0f} ms: {whole / p50:.0f} times as long"
    )
    print(f"  28 pairs at one minute                    median {statistics.median(together):.0f} ms")
    for (name, goal), value in zip(GOALS.items(), (p50, p99, statistics.median(together)), strict=True):
        print(f"  {name} {value:.0f} ms (goal: under {goal:.0f} ms)")


def _timed(work: Callable[[], object]) -> float:
    return milliseconds(work, 1)[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--on", metavar="URL", help="a database that make run has filled")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--columns", type=int, default=195)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    if given.on:
        with connect(given.on) as connection:
            compare(connection, given.requests, given.columns, given.turns)
        return
    with tempfile.TemporaryDirectory() as folder:
        postgres, bars = Postgres(Path(folder) / "postgres"), Path(folder) / "bars"
        postgres.start()
        try:
            postgres.create_database("bqx")
            write_market(bars, Month(2024, 1).first_minute, Month(2024, 3).first_minute, seed=SEED)
            load(postgres.url("bqx"), bars, PAIRS, date(2024, 3, 1), workers=2)
            with connect(postgres.url("bqx")) as connection:
                compare(connection, given.requests, given.columns, given.turns)
        finally:
            postgres.stop()


if __name__ == "__main__":
    main()
