"""Every kind of bad file, each made from a good one by one small change."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.features.bars import Bars
from include.names import to_datetime
from tests.include.market import good_files as good
from tests.include.market.good_files import Lines, good_bars


class BadFile(NamedTuple):
    """A file to refuse.

    Attributes:
        code: code of the error expected.
        what: distinguishes files of one code.
        build: writes the file at a path.
        row: data row to blame, if one is.
        name: file name.
        pair, timezone: how the file is read.
        declares: what ``bars.yaml`` beside it holds.
    """

    code: str
    what: str
    build: Callable[[Path], object]
    row: int | None = None
    name: str = "eurusd.csv"
    pair: str = "eurusd"
    timezone: str | None = None
    declares: str = ""


def _text(
    edit: Callable[[Lines], Lines], lines: Callable[[Bars], Lines] = good.plain_lines
) -> Callable[[Path], None]:
    return lambda path: good.write_lines(path, edit(lines(good_bars())))


def _bytes(
    edit: Callable[[bytes], bytes], lines: Callable[[Bars], Lines] = good.plain_lines
) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(edit(("\n".join(lines(good_bars())) + "\n").encode()))


def _cells(
    row: int, lines: Callable[[Bars], Lines] = good.plain_lines, delimiter: str = ",", **texts: str
) -> Callable[[Path], None]:
    """Replace cells of a data row of a file of our columns."""
    columns = ("ts_utc", "open", "high", "low", "close", "volume", "spread")

    def edit(all_lines: Lines) -> Lines:
        number = row if all_lines[0][0].isalpha() else row - 1
        cells = all_lines[number].split(delimiter)
        for name, text in texts.items():
            cells[columns.index(name)] = text
        all_lines[number] = delimiter.join(cells)
        return all_lines

    return _text(edit, lines)


def _bars(change: Callable[[Bars], Bars]) -> Callable[[Path], None]:
    return lambda path: good.write_lines(path, good.plain_lines(change(good_bars())))


def _with(bars: Bars, **columns: np.ndarray) -> Bars:
    names = ("ts", "open", "high", "low", "close", "volume", "spread")
    return Bars(*(columns.get(name, getattr(bars, name)) for name in names))


def _spaced(step: int) -> Callable[[Bars], Bars]:
    return lambda bars: _with(bars, ts=bars.ts[-1] - step * np.arange(len(bars))[::-1])


def _scaled(factor: float) -> Callable[[Bars], Bars]:
    def change(bars: Bars) -> Bars:
        prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
        return _with(bars, **prices, spread=bars.spread * factor)

    return change


def _table(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(change(good.table_of(good_bars())), path)


def _parquet_bytes(edit: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def build(path: Path) -> None:
        good.write_parquet(path, good_bars())
        path.write_bytes(edit(path.read_bytes()))

    return build


def _cast(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, table[name].cast(kind))


def _null(name: str, row: int) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        values[row - 1] = None
        return table.set_column(table.column_names.index(name), name, pa.array(values, table[name].type))

    return change


def _value(name: str, row: int, value: float) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_numpy().copy()
        values[row - 1] = value
        return table.set_column(table.column_names.index(name), name, pa.array(values))

    return change


def _insert(row: int, line: str) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[:row], line, *lines[row:]]


def _drop_column(index: int) -> Callable[[Lines], Lines]:
    return lambda lines: [
        ",".join(cells[:index] + cells[index + 1 :]) for cells in (line.split(",") for line in lines)
    ]


def _append_column(name: str, value: Callable[[int], str]) -> Callable[[Lines], Lines]:
    return lambda lines: [f"{line},{value(i) if i else name}" for i, line in enumerate(lines)]


def _swap(row: int) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[:row], lines[row + 1], lines[row], *lines[row + 2 :]]


def _zip(path: Path) -> None:
    good.write_zip(path, {"eurusd.csv": good.plain_lines(good_bars())})


def _zip_of_a_report(path: Path) -> None:
    good.write_zip(path, {"DAT_ASCII_EURUSD_M1_2024.txt": good.gap_report_lines()})


def _four_digits(lines: Lines) -> Lines:
    """Prices of four decimals, written with five: nothing shows how large a point is."""
    cells = [line.split(",") for line in lines[1:]]
    return lines[:1] + [",".join([c[0], *(f"{x[:-1]}0" for x in c[1:5]), *c[5:]]) for c in cells]


def _stale(lines: Lines) -> Lines:
    """An hour of one price."""
    return (
        lines[:60] + [f"{line.split(',')[0]}{',1.08' * 4},,0.00008" for line in lines[60:120]] + lines[120:]
    )


def _called_utc(lines: Lines) -> Lines:
    """As pandas writes the seconds of MetaTrader's Python package."""
    rows = [line.partition(",") for line in lines[1:]]
    return lines[:1] + [
        f"{to_datetime(int(time) // 60):%Y-%m-%d %H:%M:%S}+00:00,{rest}" for time, _, rest in rows
    ]


def _moved(start: datetime, clock: Callable[[Bars], Lines]) -> Callable[[Path], None]:
    return lambda path: good.write_lines(path, clock(good_bars(start=start)))


def _with_weekend(path: Path) -> None:
    """Bars through the Friday close and on for two hours."""
    good.write_lines(path, good.plain_lines(good_bars(start=datetime(2024, 7, 5, 19, 0, tzinfo=UTC))))


def _second_half_of_five_minutes(bars: Bars) -> Bars:
    half = len(bars) // 2
    return _with(bars, ts=np.concatenate([bars.ts[:half], bars.ts[half] + 5 * np.arange(len(bars) - half)]))


def _ticks(path: Path) -> None:
    lines = ["ts_utc,open,high,low,close"]
    for i in range(60):
        moment = good.START + timedelta(seconds=7.5 * i + 1)
        lines.append(f"{moment:%Y-%m-%d %H:%M:%S.%f},1.08,1.08,1.08,1.08")
    good.write_lines(path, lines)


def _fillers(lines: Lines) -> Lines:
    for row in (30, 31):
        cells = lines[row].split(",")
        lines[row] = ",".join([cells[0], *[cells[1]] * 4, "0.0"])
    return lines


PARQUET = "eurusd.parquet"
HISTDATA = partial(_text, lines=good.histdata_lines)
DUKASCOPY = partial(_text, lines=good.dukascopy_lines)
_ALL = "ts_utc,open,high,low,close,volume,spread"

FILES = (
    BadFile("no-such-file", "absent", lambda path: None),
    BadFile("no-such-file", "broken link", lambda path: path.symlink_to("nowhere")),
    BadFile("is-a-folder", "folder", lambda path: path.mkdir()),
    BadFile("not-a-regular-file", "pipe", os.mkfifo),
    BadFile("wrong-pair-name", "other pair", _text(list), name="GBPUSD.csv"),
    BadFile("wrong-extension", "csv named parquet", _text(list), name=PARQUET),
    BadFile("wrong-extension", "parquet named csv", lambda path: good.write_parquet(path, good_bars())),
    BadFile("empty-file", "0 bytes", lambda path: path.touch()),
    BadFile("empty-file", "only white space", lambda path: path.write_text(" \n\n\t\n")),
    BadFile("empty-file", "empty Parquet", lambda path: path.touch(), name=PARQUET),
    BadFile(
        "lfs-pointer",
        "pointer",
        lambda path: path.write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
        ),
        name=PARQUET,
    ),
    BadFile("archive", "gzip", _bytes(gzip.compress)),
    BadFile("archive", "zip or xlsx", _zip),
    BadFile("archive", "no gzip", _text(list), name="eurusd.csv.gz"),
    BadFile("archive", "half a gzip", _bytes(lambda b: gzip.compress(b)[:-99]), name="eurusd.csv.gz"),
    BadFile("archive", "no zip", _text(list), name="EURUSD.zip"),
    BadFile("no-bars", "zip of a report", _zip_of_a_report, name="HISTDATA_COM_ASCII_EURUSD_M12024.zip"),
    BadFile(
        "no-bars",
        "report alone",
        lambda path: good.write_lines(path, good.gap_report_lines()),
        name="DAT_ASCII_EURUSD_M1_2024.txt",
    ),
    BadFile("html-page", "error page", lambda path: path.write_text("<!DOCTYPE html><html>404</html>")),
    BadFile("json-text", "error as JSON", lambda path: path.write_text('{"error": "not found"}')),
    BadFile("utf16", "with mark", _bytes(lambda b: b.decode().encode("utf-16"))),
    BadFile("utf16", "without mark", _bytes(lambda b: b.decode().encode("utf-16-le"))),
    BadFile("nul-byte", "zeros in a row", _bytes(lambda b: b.replace(b"09:06:00", b"09:06:\0\0")), row=7),
    BadFile("not-utf8", "Latin-1", _bytes(lambda b: b.replace(b"09:04:00", b"09:04:0\xb5")), row=5),
    BadFile(
        "not-utf8",
        "no header",
        _bytes(lambda b: b.replace(b" 050400", b" 05040\xff"), good.histdata_lines),
        row=5,
    ),
    BadFile("unreadable-csv", "no line ends", _cells(9, open="1" * 3_000_000)),
    BadFile("format-unknown", "prose", lambda path: path.write_text("Bars of the euro\nsee below\n")),
    BadFile("format-unknown", "binary", lambda path: path.write_bytes(bytes(range(1, 128)))),
    BadFile("header-missing", "plain", _text(lambda lines: lines[1:]), row=1),
    BadFile("header-missing", "Dukascopy", DUKASCOPY(lambda lines: lines[1:]), row=1),
    BadFile(
        "header-repeated", "joined files", _text(lambda lines: lines[:100] + lines[:1] + lines[100:]), row=100
    ),
    BadFile("no-rows", "header only", _text(lambda lines: lines[:1])),
    BadFile("no-rows", "Parquet", _table(lambda table: table.slice(0, 0)), name=PARQUET),
    BadFile("blank-line", "in the middle", _text(_insert(50, "")), row=50),
    BadFile("column-count", "short row", _text(_insert(50, "2024-07-03 09:49:30,1.08")), row=50),
    BadFile("column-count", "long row", _cells(50, spread="0.00003,7"), row=50),
    BadFile("column-count", "cut off", _bytes(lambda b: b[:-30]), row=240),
    BadFile(
        "mixed-delimiters",
        "semicolons",
        _text(lambda ls: ls[:80] + [x.replace(",", ";") for x in ls[80:]]),
        row=80,
    ),
    BadFile(
        "decimal-comma",
        "HistData",
        HISTDATA(lambda ls: [x.replace(".", ",") for x in ls]),
        1,
        timezone="histdata",
    ),
    BadFile(
        "decimal-comma",
        "divided by commas",
        _text(lambda ls: ls[:1] + [x.replace(".", ",") for x in ls[1:]]),
        1,
    ),
    BadFile("thousands-separator", "quoted", _cells(3, volume='"1,234,567"'), row=3),
    BadFile("thousands-separator", "space", _cells(3, volume="12 345"), row=3),
    BadFile("not-a-number", "word", _cells(12, high="n/a"), row=12),
    BadFile("not-a-number", "hexadecimal", _cells(12, low="0x1p3"), row=12),
    BadFile("not-a-number", "volume", _cells(12, volume="many"), row=12),
    BadFile("bad-time", "no such day", _cells(12, ts_utc="2024-02-30 10:00:00"), row=12),
    BadFile("bad-time", "25 o'clock", _cells(12, ts_utc="2024-07-03 25:00:00"), row=12),
    BadFile("bad-time", "month first", _cells(1, ts_utc="07/03/2024 09:00"), row=1),
    BadFile("bad-time", "two ways", _cells(7, ts_utc="03.07.2024 09:06:00"), row=7),
    BadFile("bad-time", "comma after the weekday", _cells(12, ts_utc="Wed, 03 Jul 2024 09:11:00"), row=12),
    BadFile("bad-time", "comma after the day", _cells(12, ts_utc="Jul 3, 2024 09:11:00"), row=12),
    BadFile("bad-time", "comma after the date", _cells(12, ts_utc="7/3/2024, 9:11:00 AM"), row=12),
    BadFile("bad-time", "zone in some rows", _cells(7, ts_utc="2024-07-03 09:06:00+00:00"), row=1),
    BadFile("parquet-truncated", "half", _parquet_bytes(lambda b: b[: len(b) // 2]), name=PARQUET),
    BadFile("parquet-truncated", "magic only", lambda path: path.write_bytes(b"PAR1"), name=PARQUET),
    BadFile(
        "parquet-damaged", "footer", _parquet_bytes(lambda b: b[:-400] + bytes(392) + b[-8:]), name=PARQUET
    ),
    BadFile("parquet-damaged", "page", _parquet_bytes(lambda b: b[:4] + bytes(60) + b[64:]), name=PARQUET),
    BadFile("column-type", "price as text", _table(_cast("open", pa.string())), name=PARQUET),
    BadFile("column-type", "price as float32", _table(_cast("low", pa.float32())), name=PARQUET),
    BadFile("column-type", "time as integer", _table(_cast("ts_utc", pa.int64())), name=PARQUET),
    BadFile("time-naive", "no zone", _table(_cast("ts_utc", pa.timestamp("us"))), name=PARQUET),
    BadFile("time-missing", "null", _table(_null("ts_utc", 9)), 9, name=PARQUET),
    BadFile("column-missing", "CSV", _text(_drop_column(3))),
    BadFile("column-missing", "no time", _text(_drop_column(0))),
    BadFile("column-missing", "Parquet", _table(lambda table: table.drop_columns(["high"])), name=PARQUET),
    BadFile("column-unknown", "CSV", _text(_append_column("rsi", lambda i: "50"))),
    BadFile("column-unknown", "Parquet", _table(lambda t: t.append_column("rsi", t["open"])), name=PARQUET),
    BadFile("column-duplicate", "CSV", _text(_append_column("close", lambda i: "1.08"))),
    BadFile(
        "column-duplicate", "Parquet", _table(lambda t: t.append_column("open", t["open"])), name=PARQUET
    ),
    BadFile("wrong-pair-symbol", "CSV", _text(_append_column("symbol", lambda i: "GBPUSD")), row=1),
    BadFile(
        "mixed-pairs",
        "CSV",
        _text(_append_column("symbol", lambda i: "EUR/USD" if i < 9 else "GBP/USD")),
        row=9,
    ),
    BadFile("timezone-undeclared", "HistData", HISTDATA(list)),
    BadFile("timezone-undeclared", "MetaTrader 4", _text(list, good.metatrader4_lines)),
    BadFile("timezone-undeclared", "MetaTrader 5", _text(list, good.metatrader5_lines)),
    BadFile("timezone-undeclared", "MetaTrader table", _text(list, good.metatrader_table_lines)),
    BadFile("timezone-unknown", "invented", HISTDATA(list), timezone="Europe/Atlantis"),
    BadFile(
        "timezone-contradicted",
        "CSV",
        _text(list, good.dukascopy_local_lines),
        declares="eurusd.csv: {clock: new-york}",
    ),
    BadFile(
        "timezone-contradicted",
        "Parquet",
        _table(_cast("ts_utc", pa.timestamp("us", tz="Asia/Tokyo"))),
        name=PARQUET,
        declares="eurusd.parquet: {clock: new-york}",
    ),
    BadFile("timezone-doubtful", "pandas", _text(_called_utc, good.metatrader_table_lines)),
    BadFile(
        "local-time-missing",
        "spring",
        _moved(datetime(2024, 3, 31, 0, 0, tzinfo=UTC), good.metatrader4_lines),
        1,
        timezone="Europe/Athens",
    ),
    BadFile(
        "local-time-ambiguous",
        "autumn",
        _moved(datetime(2024, 10, 27, 0, 0, tzinfo=UTC), good.metatrader4_lines),
        1,
        timezone="Europe/Athens",
    ),
    BadFile("time-too-old", "1970", _cells(1, ts_utc="1970-01-01 00:00:00"), row=1),
    BadFile("time-future", "tomorrow", _moved(good.NOW - timedelta(minutes=100), good.plain_lines), row=101),
    BadFile("off-minute", "one row", _cells(20, ts_utc="2024-07-03 09:19:30"), row=20),
    BadFile("off-minute", "close label", _text(lambda ls: [x.replace(":00,", ":59,") for x in ls]), row=1),
    BadFile("tick-data", "times with seconds", _ticks, row=1),
    BadFile("tick-data", "bid and ask", lambda p: p.write_text("Gmt time,Ask,Bid,AskVolume,BidVolume\n")),
    BadFile("tick-data", "HistData", lambda p: p.write_text("20240703 090000123,1.08,1.0801,0\n")),
    BadFile("time-descending", "newest first", _text(lambda ls: ls[:1] + ls[:0:-1]), row=2),
    BadFile("time-unsorted", "two rows swapped", _text(_swap(60)), row=61),
    BadFile("time-duplicate", "other prices", _cells(61, ts_utc="2024-07-03 09:59:00"), row=61),
    BadFile("not-one-minute", "5 minutes", _bars(_spaced(5)), row=1),
    BadFile("not-one-minute", "daily", _bars(_spaced(1440)), row=1),
    BadFile("not-one-minute", "from some row on", _bars(_second_half_of_five_minutes), row=121),
    BadFile("weekend-bars", "late on Friday", _with_weekend, row=136),
    BadFile("filler-bars", "an hour of one price", _text(_stale), row=60),
    BadFile("filler-bars", "Dukascopy", DUKASCOPY(_fillers), row=30),
    BadFile("price-missing", "CSV", _cells(33, close=""), row=33),
    BadFile("price-missing", "Parquet", _table(_null("close", 33)), 33, name=PARQUET),
    BadFile("price-not-finite", "CSV", _cells(33, open="NaN"), row=33),
    BadFile("price-not-finite", "infinite", _cells(33, high="inf"), row=33),
    BadFile("price-not-finite", "Parquet", _table(_value("low", 33, np.nan)), 33, name=PARQUET),
    BadFile("price-zero", "all zero", _cells(5, open="0", high="0", low="0", close="0"), row=5),
    BadFile("price-negative", "low", _cells(5, low="-1.08"), row=5),
    BadFile("high-below-low", "swapped", _cells(5, high="1.07", low="1.09"), row=5),
    BadFile("high-below-open", "open above", _cells(5, open="1.2"), row=5),
    BadFile("high-below-close", "close above", _cells(5, close="1.2"), row=5),
    BadFile("low-above-open", "open below", _cells(5, open="1.0"), row=5),
    BadFile("low-above-close", "close below", _cells(5, close="1.0"), row=5),
    BadFile(
        "price-inverted",
        "yen",
        lambda path: good.write_parquet(path, _scaled(1 / 150 / 1.08)(good_bars())),
        name="usdjpy.parquet",
        pair="usdjpy",
    ),
    BadFile("price-scaled", "integers", _bars(_scaled(1e5))),
    BadFile("price-level", "gold", _bars(_scaled(5.0))),
    BadFile("price-jump", "lost digit", _cells(90, open="0.108", low="0.108"), row=90),
    BadFile(
        "price-constant",
        "dead feed",
        _bars(lambda b: _with(b, **dict.fromkeys(("open", "high", "low", "close"), np.full(len(b), 1.08)))),
    ),
    BadFile("volume-not-finite", "infinite", _table(_value("volume", 7, np.inf)), 7, name=PARQUET),
    BadFile("volume-negative", "minus one", _cells(7, volume="-1"), row=7),
    BadFile("volume-not-whole", "half a tick", _cells(7, volume="10.5"), row=7),
    BadFile("spread-not-finite", "infinite", _table(_value("spread", 7, -np.inf)), 7, name=PARQUET),
    BadFile("spread-implausible", "one row", _cells(7, spread="0.2"), row=7),
    BadFile(
        "spread-implausible",
        "a fraction of a tick",
        lambda path: good.write_parquet(path, _with(good_bars(), spread=good_bars().spread * 1e-3)),
        name=PARQUET,
    ),
    BadFile(
        "spread-unit-unknown", "points", _text(_four_digits, good.metatrader_table_lines), timezone="utc"
    ),
    BadFile("spread-implausible", "points", _bars(lambda b: _with(b, spread=b.spread * 1e3))),
)
