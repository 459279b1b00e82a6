"""Writing tables against a bare COPY, one more day against a month, Airflow against a process pool.

    python -m benchmarks.storage [--pairs 28] [--repeat 5] [--pool-pairs 7] [--workers 4]

Runs on a PostgreSQL of its own in a temporary folder, with bars of the simulated market. Printed are medians
of wall time over alternating turns. What Airflow adds is seen on a database that `make run` has filled:
trigger `bqx_features` with {"rebuild": true}, wait for its end, then

    . .local/env && python -m benchmarks.storage --pool-on $BQX_DATABASE_URL --airflow 8080
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from psycopg import sql

from include.build.chunks import columns_of_chunk, lookback_of, read_chunk, with_shared
from include.build.coverage import check_coverage, gaps_of
from include.build.months import build
from include.build.shared import build_shared
from include.features.catalogue import STORED
from include.market.load import load_pair, prepare
from include.market.request import LoadRequest
from include.market.synthetic import write_market
from include.names import Month, to_minute
from include.objects import FolderStore
from include.pairs import PAIRS, USD_MAJORS
from include.quality.steps import build_stage
from include.reports import Reports
from include.settings import FAMILIES, LAST_STAGE, SHARING_STAGE, STAGES
from include.storage.connection import Connection, connect, qualified
from include.storage.copying import encode
from include.storage.log import baselines
from include.storage.tables import Table, table_of
from local.access import Access
from local.api import Airflow
from local.postgres import Postgres

PAIR = "eurusd"
NEW_DAYS = 3
MIDNIGHT = datetime.min.time().replace(tzinfo=UTC)
IMPORTED_LATE = ("great_expectations", "pandas")  # by the gate, when it needs them


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def forked(workers: int) -> ProcessPoolExecutor:
    """Processes that begin with everything this one has imported."""
    return ProcessPoolExecutor(workers, get_context("fork"))


def wait(futures: Iterable[Future[Any]]) -> None:
    """Until all have ended, or one has failed."""
    for future in futures:
        future.result()


def load(url: str, source: Path, pairs: Sequence[str], end: date, workers: int) -> None:
    """Bars and BQX up to a day, and what all pairs share."""
    request = LoadRequest(str(source), tuple(pairs), end_day=end.isoformat(), price_side="bid")
    prepare(url, request)
    with forked(workers) as pool:
        wait([pool.submit(load_pair, url, request, pair) for pair in pairs])
    build_shared(url)


def compare_one_more_day(url: str, add_day: Sequence[Callable[[], None]], month: str) -> None:
    """All families of one pair: after each new day, and the same month on demand."""
    everything = partial(build, url, PAIR, FAMILIES)
    everything()
    grown, whole, right = [], [], []
    for add in add_day:
        add()
        grown.append(seconds(everything))
        whole.append(seconds(lambda: everything([month], rebuild=True)))
        right.append(seconds(lambda: everything([month])))
    day, one, check = map(statistics.median, (grown, whole, right))
    print(f"\nOne more day, {len(FAMILIES)} families of {PAIR} (budget: at most 1.50 of building the month)")
    print(f"  month built on demand        {one:8.2f} s")
    print(f"  one more day has arrived     {day:8.2f} s    {day / one:.2f} of it")
    print(f"  to see that a month is right {check:8.2f} s    {check / one:.2f} of it, per month of history")


def blocks_of(connection: Connection, table: Table, month: Month) -> list[bytes]:
    """What a build of the month sends to the server."""
    chunk = read_chunk(connection, table.pair, month, lookback_of(table.family))
    chunk = with_shared(connection, chunk, [table.family])
    columns = columns_of_chunk(chunk, table)
    own = {name: columns[name][chunk.first_row :] for name in table.columns}
    return list(encode(chunk.rows_of_month, own, table.columns))


def bare_copy(url: str, table: Table, blocks: Sequence[bytes]) -> None:
    """No key, no checks, no swap; made in the same transaction, so the server need not log the rows."""
    with connect(url) as connection, connection.transaction():
        connection.execute(sql.SQL("CREATE TABLE bqx.bare (LIKE {})").format(qualified(table.name)))
        with connection.cursor().copy("COPY bqx.bare FROM STDIN (FORMAT binary)") as stream:
            for block in blocks:
                stream.write(block)


def compare_family(url: str, table: Table, month: Month, repeat: int) -> tuple[float, float, float]:
    """Megabytes of a month, seconds of our build, seconds of the bare COPY."""
    ours, bare = [], []
    with connect(url) as connection:
        blocks = blocks_of(connection, table, month)
        for _ in range(repeat):
            ours.append(seconds(lambda: build(url, PAIR, [table.family], [str(month)], rebuild=True)))
            bare.append(seconds(lambda: bare_copy(url, table, blocks)))
            connection.execute("DROP TABLE bqx.bare")
    return sum(map(len, blocks)) / 1e6, statistics.median(ours), statistics.median(bare)


def compare_families(url: str, month: Month, repeat: int) -> None:
    print(f"\nOne month of a family of {PAIR}, read to committed partition, against a bare COPY of its bytes")
    print(f"  {'family':20s} {'MB':>6s} {'build':>9s} {'COPY':>9s}  ratio")
    ratios: dict[str, float] = {}
    for family in STORED:
        size, ours, bare = compare_family(url, table_of(family, PAIR), month, repeat)
        ratios[family] = ours / bare
        print(f"  {family:20s} {size:6.1f} {ours * 1e3:6.0f} ms {bare * 1e3:6.0f} ms  {ratios[family]:5.2f}")
    worst = max(ratios, key=lambda family: ratios[family])
    print(f"  median {statistics.median(ratios.values()):.2f} (budget: under 2.00), ", end="")
    print(f"worst {ratios[worst]:.2f}, {worst} (budget: at most 3.00)")


def last_stage(url: str, pair: str, months: Sequence[str], options: dict[str, Any]) -> None:
    if faults := gaps_of(url, pair, LAST_STAGE.after, months):
        raise SystemExit(f"{pair} is not complete: {' '.join(faults)}")
    build_stage(url, pair, LAST_STAGE.families, months, **options)


def run_pool(url: str, pairs: Sequence[str], months: Sequence[str], workers: int, reports: Path) -> None:
    """What the tasks of `bqx_features` call, in their order, with nothing around it."""
    options: dict[str, Any] = {"reports": Reports(FolderStore(reports)), "run_label": "pool", "rebuild": True}
    with forked(workers) as pool:

        def submit(sharing: bool) -> list[Future[Any]]:
            stages = [stage for stage in STAGES if (stage.group == SHARING_STAGE) == sharing]
            work = [(stage.families, pair) for stage in stages for pair in pairs]
            return [pool.submit(build_stage, url, pair, names, months, **options) for names, pair in work]

        shared = pool.submit(build_shared, url, months, rebuild=True)
        running = submit(sharing=False)
        shared.result()
        wait(running + submit(sharing=True))
        wait([pool.submit(last_stage, url, pair, months, options) for pair in pairs])
    check_coverage(url, pairs, FAMILIES, months)


def time_pool(url: str, pairs: Sequence[str], months: Sequence[str], workers: int) -> float:
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as reports:
        wall = seconds(lambda: run_pool(url, pairs, months, workers, Path(reports)))
    what = f"{len(pairs)} pairs, {len(months) or 'all'} months"
    print(f"\nAll stages and their gates, {what}, in {workers} bare processes: {wall:.1f} s")
    return wall


def compare_airflow(url: str, port: int | None, workers: int) -> None:
    """The pool on a database that is there; with a port, beside Airflow's last run on it."""
    if port is None:
        with connect(url) as connection:
            time_pool(url, sorted(baselines(connection)), [], workers)
        return
    with Airflow(port, Access.of_env()) as airflow:
        run = airflow.runs("bqx_features", ("success",))[0]
    conf, name = run["conf"], run["dag_run_id"]
    first, last = (datetime.fromisoformat(run[moment]) for moment in ("start_date", "end_date"))
    wall = (last - first).total_seconds()
    pool = time_pool(url, conf.get("pairs", PAIRS), conf.get("months") or [], workers)
    built = "every month" if conf.get("rebuild") else "only what was not right yet"
    print(f"  Airflow, {name}, which built {built}: {wall:.1f} s")
    print(f"  overhead {1 - pool / wall:.0%} (budget: under 25 %)")


def on_a_database_of_its_own(args: argparse.Namespace, folder: Path, url: str) -> None:
    pairs = sorted(PAIRS, key=lambda pair: pair not in USD_MAJORS)[: args.pairs]
    first, end = (to_minute(datetime.combine(day, MIDNIGHT)) for day in (args.first, args.end))
    write_market(folder / "market", first, end, seed=7, pairs=pairs)
    days = [args.end - timedelta(days=back) for back in range(NEW_DAYS, -1, -1)]
    add = [partial(load, url, folder / "market", pairs, day, args.workers) for day in days]
    add[0]()
    month = Month.of_minute(end - 1)
    print(f"\nSimulated market, {len(pairs)} pairs, {args.first} up to {args.end}; the month is {month}")
    compare_one_more_day(url, add[1:], str(month))
    compare_families(url, month, args.repeat)
    time_pool(url, pairs[: args.pool_pairs], [], args.workers)


def main() -> None:
    parser, day = argparse.ArgumentParser(description=__doc__.splitlines()[0]), date.fromisoformat
    parser.add_argument("--pairs", type=int, default=28, help="pairs that are loaded, dollar pairs first")
    parser.add_argument("--first", type=day, default=day("2024-06-17"), help="first day of bars")
    parser.add_argument("--end", type=day, default=day("2024-08-01"), help="day after the last")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--pool-pairs", type=int, default=7, help="pairs that the process pool builds")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--pool-on", metavar="URL", help="only build everything in this database again")
    parser.add_argument("--airflow", type=int, metavar="PORT", help="then compare with its last run")
    args = parser.parse_args()
    if args.pool_on:
        return compare_airflow(args.pool_on, args.airflow, args.workers)
    with tempfile.TemporaryDirectory(prefix="bqx-bench-") as name:
        server = Postgres(Path(name) / "postgres")
        try:
            server.start()
            server.create_database("bqx")
            on_a_database_of_its_own(args, Path(name), server.url("bqx"))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
