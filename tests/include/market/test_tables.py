"""Tables of makers whose format nobody documents: read exactly, or called what they are."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from include.errors import BadInput
from include.features.bars import Bars
from include.market import readers
from include.names import to_datetime
from tests.include.market.good_files import NOW, Lines, good_bars, write_lines

BARS = good_bars()
MT5 = "{t:%Y.%m.%d}\t{t:%H:%M:%S}\t{o}\t{h}\t{l}\t{c}\t{v}\t0\t{s}"
# Name, header, row, and the optional columns that are read.
TABLES = {
    "Date and Time": ("Date,Time,Open,High,Low,Close,Volume", "{t:%Y.%m.%d},{t:%H:%M},{p},{v}", ("volume",)),
    "semicolons": ("Date;Time;Open;High;Low;Close", "{t:%Y-%m-%d};{t:%H:%M:%S};{o};{h};{l};{c}", ()),
    "MetaStock": (
        "<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        "EURUSD,{t:%Y%m%d},{t:%H%M%S},{p},{v}",
        ("volume",),
    ),
    "Finam": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        "EURUSD,1,{t:%Y%m%d},{t:%H%M},{p},{v}",
        ("volume",),
    ),
    "Stooq": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        "EURUSD,1,{t:%Y%m%d},{t:%H%M%S},{p},{v},0",
        ("volume",),
    ),
    "HistData for MetaStock": ("", "EURUSD,{t:%Y%m%d},{t:%H%M%S},{p},0", ()),
    "no header, one cell": ("", "{t:%Y.%m.%d %H:%M:%S},{p},{v}", ("volume",)),
    "no header, no volume": ("", "{t:%Y.%m.%d %H:%M};{o};{h};{l};{c}", ()),
    "no header, spread": ("", "{t:%Y.%m.%d},{t:%H:%M},{p},{v},{s}", ("volume", "spread")),
    "no header, MetaTrader 5": ("", MT5, ("volume", "spread")),
    "initials": ("t,o,h,l,c,v", "{n},{p},{v}", ("volume",)),
    "index of pandas": (",Open,High,Low,Close", "{t:%Y-%m-%d %H:%M:%S},{p}", ()),
    "row numbers": (
        "Unnamed: 0,time,open,high,low,close,tick_volume,spread,real_volume",
        "7,{n},{p},{v},{s},0",
        ("volume", "spread"),
    ),
    "unit in the name": ("time,open,high,low,close,spread_points", "{n},{p},{s}.0", ("spread",)),
    "two symbols": ("time,symbol,pair,open,high,low,close", "{n},EURUSD,EUR/USD,{p}", ()),
}
TICKS = (
    "20180103 040000;1.205400;0",
    "20180103 040000;1.205400;1.205300;0",
    "20240703 090000123,1.08,1.0801,0",
    "20180103 040000 1230000;1.205400;1.205300;1",
    "EUR/USD,20240703 09:00:00.123,1.08000,1.08001",
    "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>",
    "timestamp,askPrice,bidPrice,askVolume,bidVolume",
    "Gmt time,Ask,Bid,AskVolume,BidVolume",
)


def rows(template: str) -> Lines:
    lines = []
    for i in range(len(BARS)):
        moment: datetime = to_datetime(int(BARS.ts[i]))
        o, h, l, c = (f"{column[i]:.5f}" for column in (BARS.open, BARS.high, BARS.low, BARS.close))  # noqa: E741
        values = {"t": moment, "n": int(moment.timestamp()), "o": o, "h": h, "l": l, "c": c}
        values |= {"p": f"{o},{h},{l},{c}", "v": f"{BARS.volume[i]:.0f}", "s": round(BARS.spread[i] * 1e5)}
        lines.append(template.format(**values))
    return lines


def read(folder: Path, lines: Lines) -> Bars:
    write_lines(folder / "eurusd.csv", lines)
    return readers.read_pair([folder / "eurusd.csv"], "eurusd", timezone="utc", now=NOW)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_exactly(name: str, tmp_path: Path) -> None:
    header, template, columns = TABLES[name]
    got = read(tmp_path, [header] * bool(header) + rows(template))
    for column in ("ts", "open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(got, column), getattr(BARS, column), err_msg=column)
    for column in ("volume", "spread"):
        if column in columns:
            np.testing.assert_allclose(getattr(got, column), getattr(BARS, column), rtol=1e-12)
        else:
            assert np.isnan(getattr(got, column)).all()


@pytest.mark.parametrize("line", TICKS)
def test_ticks_are_called_ticks(line: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"quotes, not bars\. Export 1-minute bars .*\[tick-data\]"):
        read(tmp_path, [line] * 3)


def test_columns_that_are_known_without_a_header_are_named(tmp_path: Path) -> None:
    known = r"10 cells where 7 are expected \(date, clock, open, high, low, close, volume\)"
    with pytest.raises(BadInput, match=known):
        read(tmp_path, ["2024.07.03,12:00,1.08,1.08,1.08,1.08,1,2,3,4"])


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("time,timestamp,open,high,low,close", "column-duplicate"),
        ("open,high,low,close", "column-missing"),
        ("time,open,high,low", "column-missing"),
        ("time,open,high,low,close,adj close", "column-unknown"),
        ("open time,open,high,low,close,close time", "column-unknown"),
    ],
)
def test_what_a_header_leaves_open_is_refused(header: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=rf"\[{code}\]"):
        read(tmp_path, [header, ",".join(["1720008000"] * (header.count(",") + 1))])
