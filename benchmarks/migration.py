"""The rename migration at full size: what it costs, and how long anybody has to wait for it.

    python -m benchmarks.migration [--months 12] [--parallel 2]

A simulated legacy database with all tables and months and few rows: renaming does not look at rows, only
counting and comparing do. A reader asks one parent after the other by its old name all the time.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from psycopg import sql

from include.migration import steps
from include.migration.plan import Options
from include.migration.steps import MIGRATE, REVERT, Request
from include.names import Month, table
from include.pairs import PAIRS
from include.storage.connection import connect
from local.legacy import FAMILIES, build_legacy
from local.postgres import Postgres
from tests.reports import in_folder

FIRST = Month(2024, 7)
REG_EXTRA_MONTHS = 4  # regressions were kept for 16 months, everything else for 12
STEP_MINUTES = 1440
DATABASE_BUDGET = 15.0  # seconds in transactions, all pairs together
READER_BUDGET = 0.100  # seconds that a query may wait while nobody blocks


class Reader:
    """A session that asks every table in turn.

    Attributes:
        reads: queries answered.
        longest: seconds the slowest of them took.
    """

    def __init__(self, url: str, names: Sequence[str]):
        self.reads, self.longest = 0, 0.0
        self._url, self._names, self._stop = url, names, threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Reader:
        self._done = self._pool.submit(self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._done.result()  # an error of a query is an error of the benchmark

    def _read(self) -> None:
        query = sql.SQL("SELECT count(*) FROM {}")
        with connect(self._url) as connection:
            while not self._stop.is_set():
                for name in self._names:
                    started = time.perf_counter()
                    connection.execute(query.format(sql.Identifier("bqx", name)))
                    self.longest = max(self.longest, time.perf_counter() - started)
                    self.reads += 1


class Run:
    """One run of the DAG's tasks, `parallel` pairs at a time, and what each of them took."""

    def __init__(self, url: str, folder: Path, action: str, pairs: Sequence[str], parallel: int):
        self.request = Request(tuple(pairs), action, True, True, Options())
        self.seconds: dict[str, float] = {}
        self._url, self._folder, self._parallel = url, folder, parallel

    def task(self, name: str, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Time a task that a run has once; gives what it returned."""
        started = time.perf_counter()
        result = work(self._url, self.request, *args, **options)
        self.seconds[name] = time.perf_counter() - started
        return result

    def per_pair(self, name: str, work: Callable[..., Any], *args: Any) -> list[dict[str, Any]]:
        """Time a task that a run has once per pair; gives what they returned."""
        started = time.perf_counter()
        with ThreadPoolExecutor(self._parallel) as pool:
            results = list(
                pool.map(lambda pair: work(self._url, self.request, *args, pair), self.request.pairs)
            )
        self.seconds[name] = time.perf_counter() - started
        return results

    def carry_out(self) -> list[dict[str, Any]]:
        """What the tasks that rename returned."""
        made = self.task("plan", steps.plan, reports=in_folder(self._folder), run_label="bench")
        self.task("prepare", steps.prepare, made, parallel=self._parallel)
        self.per_pair("count", steps.count, made["hash"])
        with Reader(self._url, [table(family, pair) for pair in PAIRS for family in FAMILIES]) as reader:
            applied = self.per_pair("apply", steps.apply, made["hash"])
        self.reads, self.longest_wait = reader.reads, reader.longest
        self.per_pair("check", steps.check)
        return applied

    def print(self, title: str, applied: Sequence[dict[str, Any]]) -> None:
        """All figures of the run, beside their budgets."""
        renamed = sum((Counter(result["renamed"]) for result in applied), Counter[str]())
        database = sum(result["seconds"] for result in applied)
        print(f"\n{title}: {renamed.total():,} objects ({_listed(renamed)})")
        print(f"  database seconds, summed    {database:8.2f} s   (budget {DATABASE_BUDGET:.0f} s)")
        print(f"  wall, {self._parallel} pairs at a time      {self.seconds['apply']:8.2f} s")
        print(f"  longest transaction         {max(r['longest_wait'] for r in applied) * 1000:8.1f} ms")
        wait = f"{self.longest_wait * 1000:8.1f} ms  (budget {READER_BUDGET * 1000:.0f} ms)"
        print(f"  longest query of a reader   {wait}, {self.reads:,} queries")
        for name in ("plan", "prepare", "count", "check"):
            print(f"  {name:27s} {self.seconds[name]:8.2f} s")


def _listed(renamed: Counter[str]) -> str:
    return ", ".join(f"{kind} {number:,}" for kind, number in sorted(renamed.items()))


def undisturbed(url: str) -> float:
    """Seconds of the slowest query while nothing happens: what a wait has to be compared with."""
    with Reader(url, [table(family, pair) for pair in PAIRS for family in FAMILIES]) as reader:
        time.sleep(3)
    return reader.longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--parallel", type=int, default=2, help="pairs at a time")
    args = parser.parse_args()
    months = [FIRST]
    while len(months) < args.months:
        months.append(months[-1].next)
    with tempfile.TemporaryDirectory(prefix="bqx-bench-") as name:
        server, folder = Postgres(Path(name) / "postgres"), Path(name)
        try:
            server.start()
            server.create_database("bqx")
            url = server.url("bqx")
            made = build_legacy(
                url, months=months, step_minutes=STEP_MINUTES, reg_extra_months=REG_EXTRA_MONTHS
            )
            print(f"\nLegacy database: {made['parents']} parents, {made['partitions']:,} partitions")
            print(f"  longest query undisturbed   {undisturbed(url) * 1000:8.1f} ms")
            for title, action in (("Migration", MIGRATE), ("Revert", REVERT)):
                run = Run(url, folder, action, PAIRS, args.parallel)
                run.print(title, run.carry_out())
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"\nMemory of all tasks in one process: {memory:.0f} MB at most")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
