"""Good files of every format, all of the same seeded bars: what bad files are made from."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.features.bars import Bars
from include.names import to_datetime, to_minute

START = datetime(2024, 7, 3, 9, 0, tzinfo=UTC)  # a Wednesday
NOW = datetime(2024, 7, 10, tzinfo=UTC)
ROWS = 240

Lines = list[str]


def good_bars(rows: int = ROWS, start: datetime = START, level: float = 1.08, tick: float = 1e-5) -> Bars:
    """A random walk of prices on the tick, one bar per minute, volume and spread present."""
    random = np.random.default_rng(11)
    close = np.round(level / tick) + np.cumsum(random.integers(-9, 10, rows))
    opened = close - random.integers(-4, 5, rows)
    high = np.maximum(opened, close) + random.integers(1, 5, rows)
    low = np.minimum(opened, close) - random.integers(1, 5, rows)
    places = round(-np.log10(tick))
    prices = [np.round(column * tick, places) for column in (opened, high, low, close)]
    volume = random.integers(5, 90, rows).astype(float)
    spread = np.round(random.integers(2, 12, rows) * tick, places)
    return Bars(to_minute(start) + np.arange(rows), *prices, volume, spread)


def _rows(bars: Bars, time: Callable[[datetime], str]) -> list[list[str]]:
    columns = (bars.open, bars.high, bars.low, bars.close)
    return [
        [
            time(to_datetime(int(bars.ts[i]))),
            *(f"{column[i]:.5f}" for column in columns),
            f"{bars.volume[i]:.0f}",
        ]
        for i in range(len(bars))
    ]


def plain_lines(bars: Bars) -> Lines:
    rows = _rows(bars, lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}")
    spreads = [f"{spread:.5f}" for spread in bars.spread]
    return ["ts_utc,open,high,low,close,volume,spread"] + [
        ",".join([*row, spread]) for row, spread in zip(rows, spreads, strict=True)
    ]


def histdata_lines(bars: Bars) -> Lines:
    """On a clock four hours behind UTC, as in summer."""
    rows = _rows(bars, lambda moment: f"{moment - timedelta(hours=4):%Y%m%d %H%M%S}")
    return [";".join([*row[:-1], "0"]) for row in rows]


def metatrader4_lines(bars: Bars) -> Lines:
    """On a clock three hours ahead of UTC, as Athens in summer."""
    return [
        ",".join(row) for row in _rows(bars, lambda moment: f"{moment + timedelta(hours=3):%Y.%m.%d,%H:%M}")
    ]


def metatrader5_lines(bars: Bars) -> Lines:
    rows = _rows(bars, lambda moment: f"{moment + timedelta(hours=3):%Y.%m.%d\t%H:%M:%S}")
    points = [f"{spread / 1e-5:.0f}" for spread in bars.spread]
    header = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>"
    return [header] + ["\t".join([*row, "0", point]) for row, point in zip(rows, points, strict=True)]


def metatrader_table_lines(bars: Bars) -> Lines:
    """As the Python package gives it: seconds on the server's clock, here three hours ahead."""
    rows = _rows(bars, lambda moment: str(int(moment.timestamp()) + 3 * 3600))
    points = [f"{spread / 1e-5:.0f}" for spread in bars.spread]
    header = "time,open,high,low,close,tick_volume,spread,real_volume"
    return [header] + [",".join([*row, point, "0"]) for row, point in zip(rows, points, strict=True)]


def dukascopy_lines(bars: Bars) -> Lines:
    rows = _rows(bars, lambda moment: f"{moment:%d.%m.%Y %H:%M:%S}.000")
    return ["Gmt time,Open,High,Low,Close,Volume"] + [",".join([*row[:-1], f"{row[-1]}.25"]) for row in rows]


def dukascopy_local_lines(bars: Bars) -> Lines:
    zone = ZoneInfo("Europe/Berlin")
    rows = _rows(bars, lambda moment: f"{moment.astimezone(zone):%d.%m.%Y %H:%M:%S.000 GMT%z}")
    return ["Local time,Open,High,Low,Close,Volume"] + [",".join(row) for row in rows]


def dukascopy_node_lines(bars: Bars) -> Lines:
    rows = _rows(bars, lambda moment: str(int(moment.timestamp()) * 1000))
    return ["timestamp,open,high,low,close,volume"] + [",".join(row) for row in rows]


def gap_report_lines() -> Lines:
    """What HistData packs beside its bars."""
    gap = "Gap of 180s found between 20240703040500 and 20240703040800."
    return [
        "HistData.com (c) 2024",
        "File: DAT_ASCII_EURUSD_M1_2024.csv",
        "",
        gap,
        "Maximum Gap in file: 180s",
    ]


def table_of(bars: Bars) -> pa.Table:
    """The bars with our schema."""
    ts = pa.array(bars.ts * 60_000_000, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    names = ("open", "high", "low", "close", "volume", "spread")
    return pa.table({"ts_utc": ts} | {name: getattr(bars, name) for name in names})


def write_lines(path: Path, lines: Lines) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_zip(path: Path, members: dict[str, Lines]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, lines in members.items():
            archive.writestr(name, "\n".join(lines) + "\n")


def write_parquet(path: Path, bars: Bars) -> None:
    pq.write_table(table_of(bars), path, compression="zstd")
