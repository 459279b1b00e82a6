"""Matrix and export of one pair, against a bare write of the same rows by pyarrow.

    python -m benchmarks.dataset [--months 12] [--repeat 3]

Runs on a PostgreSQL and an S3 stand-in of its own, with bars of the simulated market. Looked at: all 730
columns read or computed, checked and profiled, then the selected columns, the reference columns and the 25
targets written. The forest that ranks the columns is kept tiny: its size is a param of the DAG.
On a database that `make run` has filled:

    . .local/env && python -m benchmarks.dataset --on $BQX_DATABASE_URL
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.storage import MIDNIGHT, load, seconds
from include.build.months import build
from include.dataset.assemble import export_pair
from include.dataset.evidence import Evidence
from include.dataset.examine import examine_pair
from include.dataset.export import parquet_bytes
from include.dataset.frame import Frame, plan_frame
from include.dataset.select import choose
from include.market.synthetic import write_market
from include.names import to_minute
from include.objects import ObjectStore
from include.pairs import PAIRS
from include.settings import FAMILIES
from local.postgres import Postgres
from tests import s3

PAIR = "eurusd"
SIZES = {"sample_rows": 200, "trees": 10, "max_folds": 0}
BUCKET = "bench"
GIBIBYTE = 1 << 30
START = date(2024, 1, 1)


class Measured(NamedTuple):
    """Seconds of a pass over a pair, its peak memory, and what it returned."""

    seconds: float
    peak: float
    result: Any


def examine(url: str, frame: Frame) -> Evidence:
    return examine_pair(url, frame, PAIR).evidence


def export(url: str, frame: Frame, port: int, evidence: Evidence, folder: str) -> int:
    store = ObjectStore(s3.connect(port), BUCKET, folder)
    files = export_pair(url, store, frame, PAIR, choose({PAIR: evidence})).files
    return sum(part.rows for part in files)


def in_process_of_its_own(work: Callable[..., Any], *arguments: Any) -> Measured:
    """Memory is that of a fresh interpreter with everything the work imports."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measured, work, *arguments).result()


def _measured(work: Callable[..., Any], *arguments: Any) -> Measured:
    started = time.perf_counter()
    result = work(*arguments)
    took = time.perf_counter() - started
    return Measured(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIBIBYTE, result)


def written(store: ObjectStore, folder: str) -> list[pa.Table]:
    """The files of the export, read back into memory."""
    keys = [one.key for one in store.list(f"{folder}/")]
    return [pq.read_table(io.BytesIO(store.get(key) or b"")) for key in keys]


def compare(url: str, repeat: int) -> None:
    """Examine and export in turns, then write the same tables bare."""
    frame = plan_frame(url, [PAIR], "bench", SIZES)
    passes: list[tuple[Measured, Measured]] = []
    with tempfile.TemporaryDirectory() as objects, s3.process(Path(objects)) as (_, client):
        client.create_bucket(Bucket=BUCKET)
        port = int(client.meta.endpoint_url.rpartition(":")[2])
        for turn in range(repeat):
            first = in_process_of_its_own(examine, url, frame)
            second = in_process_of_its_own(export, url, frame, port, first.result, f"turn{turn}")
            passes.append((first, second))
        tables = written(ObjectStore(client, BUCKET), "turn0")
    bare = statistics.median(
        seconds(lambda: [pq.write_table(table, io.BytesIO()) for table in tables]) for _ in range(repeat)
    )
    ours = statistics.median(
        seconds(lambda: [parquet_bytes(table) for table in tables]) for _ in range(repeat)
    )
    report(frame, passes, bare, ours)


def report(frame: Frame, passes: list[tuple[Measured, Measured]], bare: float, ours: float) -> None:
    examined, exported = (statistics.median(one[part].seconds for one in passes) for part in (0, 1))
    peak = max(measured.peak for both in passes for measured in both)
    whole = examined + exported
    print(f"\nMatrix and export of {PAIR}, {len(frame.months)} months, {passes[0][1].result:,} rows written")
    print(f"  730 columns checked, profiled   {examined:7.2f} s")
    print(f"  selected, reference, targets    {exported:7.2f} s")
    print(f"  together                        {whole:7.2f} s    (budget: under 20 s for a year)")
    print(f"  peak memory                     {peak:7.2f} GiB  (budget: under 6 GiB)")
    print(f"  a bare write by pyarrow         {bare:7.2f} s    together takes {whole / bare:.1f} times that")
    print(f"  as our files are written        {ours:7.2f} s    {ours / bare:.2f} times")


def fill(url: str, folder: Path, months: int) -> None:
    """Bars of all pairs, stored families of one."""
    end = date(START.year + months // 12, 1 + months % 12, 1)
    write_market(folder, *(to_minute(datetime.combine(day, MIDNIGHT)) for day in (START, end)), seed=7)
    load(url, folder, PAIRS, end, workers=2)
    build(url, PAIR, FAMILIES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--on", help="a database that make run has filled")
    given = parser.parse_args()
    if given.on:
        compare(given.on, given.repeat)
        return
    with tempfile.TemporaryDirectory() as temporary:
        postgres = Postgres(Path(temporary) / "postgres")
        postgres.start()
        try:
            postgres.create_database("bqx")
            url = postgres.url("bqx")
            fill(url, Path(temporary) / "bars", given.months)
            compare(url, given.repeat)
        finally:
            postgres.stop()


if __name__ == "__main__":
    main()
