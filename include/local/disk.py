"""How much disk a run needs, and whether it is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.errors import BqxError
from include.local.options import Options

GIBIBYTE = 1 << 30
# One bar in all tables of a pair, keys and headers included: 3,900 were measured with 298 feature columns
# (1.3 million bars), there are 378 now.
BYTES_PER_BAR = 5_000
SPARE = 1.15  # the month being swapped exists twice for a moment
BASE = GIBIBYTE  # metadata, logs, write-ahead log, simulated market
MINUTES_PER_DAY = 1_440
OPEN_DAYS = 5 / 7  # the market is closed at the weekend
CSV_BYTES_PER_BAR = 45
PARQUET_BYTES_PER_BAR = 11


def bars_of(options: Options) -> int:
    """Bars the run will load, estimated from the days asked for or from the size of the files."""
    if options.first_day and options.end_day:
        days = (options.end_day - options.first_day).days
        return round(days * OPEN_DAYS * MINUTES_PER_DAY) * len(options.pairs)
    assert options.data is not None
    files = [path for path in options.data.iterdir() if path.is_file()]
    size = {
        suffix: sum(p.stat().st_size for p in files if p.suffix.lower() == suffix)
        for suffix in (".parquet", ".csv")
    }
    return size[".parquet"] // PARQUET_BYTES_PER_BAR + size[".csv"] // CSV_BYTES_PER_BAR


def needed(options: Options) -> int:
    """Bytes the run will add to the state folder; what earlier runs built counts as there."""
    wanted = round(bars_of(options) * BYTES_PER_BAR * SPARE) + BASE
    return max(wanted - _size(options.state), BASE)


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
