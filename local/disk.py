"""How much disk a run needs, and whether it is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.errors import BqxError
from local.options import Options
from local.services import SERVICES

GIBIBYTE = 1 << 30
BYTES_PER_BAR = 4_700  # in all tables of a pair, keys and headers included; measured with 7.7 million bars
# In a data set: up to 195 columns of float32 take 2.6 bytes each, 13 base columns and 25 targets of float64
# take 6.5; measured with a month of a pair through `parquet_bytes`. A run writes a data set of its own.
BYTES_PER_ROW = 195 * 2.6 + 38 * 6.5
SPARE = 1.05  # the months being swapped exist twice for a moment
LOG_SHARE, LOG_MOST = 0.15, 4 * GIBIBYTE  # write-ahead log: of the tables, and at most (max_wal_size)
BASE = GIBIBYTE  # metadata, logs, simulated market, legacy tables
MINUTES_PER_DAY = 1_440
OPEN_DAYS = 5 / 7  # the market is closed at the weekend
CSV_BYTES_PER_BAR = 45
PARQUET_BYTES_PER_BAR = 11


def bars_of(options: Options) -> int:
    """Bars the run will load, estimated from the days asked for or from the size of the files."""
    if options.first_day and options.end_day:
        days = (options.end_day - options.first_day).days
        return round(days * OPEN_DAYS * MINUTES_PER_DAY) * len(options.pairs)
    if not isinstance(options.data, Path):
        return 0  # what a bucket holds is not known before the stack is up
    files = [path for path in options.data.iterdir() if path.is_file()]
    width = {".parquet": PARQUET_BYTES_PER_BAR, ".csv": CSV_BYTES_PER_BAR}
    bars = [path.stat().st_size // width[kind] for path in files if (kind := path.suffix.lower()) in width]
    return round(len(options.pairs) * sum(bars) / max(len(bars), 1))  # a derived pair has as many


def needed(options: Options) -> int:
    """Bytes the run will add to the state folder; tables that earlier runs built count as there."""
    bars = bars_of(options)
    tables = bars * BYTES_PER_BAR
    wanted = round(tables * SPARE + min(tables * LOG_SHARE, LOG_MOST)) + BASE
    kept = sum(_size(options.state / service.folder) for service in SERVICES if service.folder)
    return max(wanted - (_size(options.state) - kept), BASE) + round(bars * BYTES_PER_ROW)


def free(folder: Path) -> int:
    """Free bytes where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check(options: Options, *, available: int | None = None) -> str:
    """One line with needed and free disk.

    Args:
        options: the run.
        available: free bytes, looked up if None.

    Raises:
        BqxError: the disk is too small for the run.
    """
    need = needed(options)
    have = free(options.state) if available is None else available
    line = f"Disk: about {need / GIBIBYTE:.1f} GiB needed, {have / GIBIBYTE:.1f} GiB free at {options.state}"
    if have < need:
        raise BqxError(
            f"{line}. Free some, choose another disk (make run STATE=/other/disk/bqx), "
            "or load less (PAIRS=eurusd,gbpusd FROM=... TO=...)."
        )
    return line


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_symlink() or path.is_dir() else path.stat().st_size
        except OSError:  # a running server removes files while we look
            continue
    return total
