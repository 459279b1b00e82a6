"""The same bars written in every way that people write them: header, time, unit, name, order, packing."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st

from include.features.bars import Bars
from include.market.levels import decimals, tick_size, usual_rate
from include.names import to_datetime
from tests.include.market import good_files as good

START = datetime(2024, 7, 16, 9, 0, tzinfo=UTC)  # a Tuesday, whose day is past the 12th
CLOCKS = {
    "utc": timedelta(0),
    "new-york+7": timedelta(hours=3),
    "Europe/Athens": timedelta(hours=3),
    "Asia/Tokyo": timedelta(hours=9),
    "est-fixed": timedelta(hours=-5),
}


@dataclass(frozen=True)
class Form:
    """A way to write times.

    Attributes:
        write: text of a local time.
        offset: the text says its offset from UTC.
        zulu: the text says UTC, which MetaTrader's tables say of the server's clock.
        counts: it is a count since 1970.
    """

    write: Callable[[datetime], str]
    offset: bool = False
    zulu: bool = False
    counts: bool = False


def _shaped(shape: str) -> Form:
    return Form(lambda moment: moment.strftime(shape))


def _count(factor: int, tail: str = "") -> Form:
    return Form(lambda moment: f"{int(moment.timestamp()) * factor}{tail}", counts=True)


FORMS = {
    **{shape: _shaped(shape) for shape in (
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y.%m.%d %H:%M", "%Y/%m/%d %H:%M:%S.000", "%Y%m%d %H%M%S",
        "%Y%m%d%H%M%S", "%Y%m%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p",
        "%Y-%m-%d %H:%M:%S.000000000",
    )},
    **{f"{shape} with offset": Form(
        lambda moment, shape=shape: moment.strftime(shape) + moment.strftime("%z"), offset=True
    ) for shape in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.000", "%d.%m.%Y %H:%M:%S.000 GMT")},
    **{shape: Form(lambda moment, shape=shape: moment.strftime(shape), zulu=True) for shape in (
        "%Y-%m-%d %H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S.000Z",
    )},
    "seconds": _count(1), "seconds.0": _count(1, ".0"), "ms": _count(1000), "us": _count(10**6),
    "ns": _count(10**9),
}  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One way to write bars, and the bars."""

    pair: str
    digits: int
    clock: str
    form: str
    time: str
    split_date: bool
    unit: str
    tick_volume: bool
    index: bool
    order: int
    delimiter: str
    keeps_zeros: bool
    padded: bool
    name: str
    packing: str
    parts: tuple[int, int]
    newline: str

    @property
    def bars(self) -> Bars:
        """What is to be read; the spread is NaN where none is written."""
        tick = 10.0**-self.digits
        bars = good.good_bars(start=START, level=usual_rate(self.pair), tick=tick)
        prices = [np.round(getattr(bars, name), self.digits) for name in ("open", "high", "low", "close")]
        absent = np.full(len(bars), np.nan)
        return Bars(bars.ts, *prices, bars.volume, absent if self.unit == "none" else bars.spread)

    @property
    def states_utc(self) -> bool:
        """Whether the file says its clock."""
        form = FORMS[self.form]
        return form.offset or form.zulu or "utc" in self.time.lower() or self.counts_in_utc

    @property
    def counts_in_utc(self) -> bool:
        """Counts under a name that says where they begin, unless MetaTrader may have made them."""
        return FORMS[self.form].counts and "timestamp" in self.time.lower() and not self.tick_volume

    def lines(self) -> list[str]:
        """Header and rows."""
        bars, columns = self.bars, {}
        for cells in self._times():
            columns |= cells
        for name in ("open", "high", "low", "close"):
            columns[name.title()] = [self._number(value, self.digits) for value in getattr(bars, name)]
        columns["tick_volume" if self.tick_volume else "volume"] = [f"{value:.0f}" for value in bars.volume]
        if self.unit != "none":
            columns["spread"] = [self._width(value) for value in bars.spread]
        names = list(np.random.default_rng(self.order).permutation(list(columns)))
        if self.split_date:  # date before time, as everybody has them
            names = ["Date", "Time", *(name for name in names if name not in ("Date", "Time"))]
        rows = [[columns[name][row] for name in names] for row in range(len(bars))]
        if self.index:
            names, rows = ["", *names], [[str(number), *row] for number, row in enumerate(rows)]
        return [self.delimiter.join(names), *(self.delimiter.join(row) for row in rows)]

    def _times(self) -> list[dict[str, list[str]]]:
        form = FORMS[self.form]
        is_utc = self.time == "ts_utc" or self.counts_in_utc or (form.zulu and not self.tick_volume)
        ahead = timedelta(0) if is_utc else CLOCKS[self.clock]
        local = [to_datetime(int(minute)) + ahead for minute in self.bars.ts]
        if form.offset:
            zone = ZoneInfo("Europe/Berlin")
            local = [to_datetime(int(minute)).astimezone(zone) for minute in self.bars.ts]
        texts = [form.write(moment) for moment in local]
        if self.split_date:
            return [{"Date": [t[:10] for t in texts]}, {"Time": [t[11:] for t in texts]}]
        return [{self.time: texts}]

    def _number(self, value: float, places: int) -> str:
        text = f"{value:.{places + self.padded}f}"
        return text if self.keeps_zeros else text.rstrip("0").rstrip(".")

    @property
    def truth(self) -> dict[str, str]:
        """What the writer of the file can say of it; a point of four decimals is a pip."""
        is_pip = self.unit == "pips" or (self.unit == "points" and self.digits < decimals(self.pair))
        return {"clock": self.clock, "unit": "pips" if is_pip else self.unit}

    def _width(self, value: float) -> str:
        if self.unit == "price":
            return self._number(value, self.digits)
        if self.unit == "pips":
            return f"{value / (10 * tick_size(self.pair)):.1f}"
        return f"{value * 10**self.digits:.0f}"

    def write(self, folder: Path) -> None:
        """One file, or two that overlap, plain or packed."""
        header, *rows = self.lines()
        first, second = self.parts
        cuts = [("a", rows)] if first >= len(rows) else [("a", rows[:first]), ("b", rows[second:])]
        for number, (part, some) in enumerate(reversed(cuts)):
            name = self.name.replace("%", part)
            path = folder / f"{name}{'' if self.packing in ('', 'none') else '.csv'}"
            text = self.newline.join([header, *some]) + self.newline
            if self.packing == "gz":
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
            elif self.packing == "zip":
                members = {path.name: [header, *some], f"{name}.txt": good.gap_report_lines()}
                good.write_zip(folder / f"{self.pair}_{number}.zip", members)
            else:
                path.write_bytes(text.encode())


@st.composite
def variants(draw: st.DrawFn) -> Variant:
    """Any combination that makes sense."""
    pair = draw(st.sampled_from(["eurusd", "usdjpy", "gbpjpy", "audnzd", "eurgbp"]))
    form = draw(st.sampled_from(sorted(FORMS)))
    split_date = form in ("%Y-%m-%d %H:%M:%S", "%Y.%m.%d %H:%M") and draw(st.booleans())
    names = ["time", "Timestamp", "timestamp", "datetime", "Date", "ts", "Open time"]
    names += [] if FORMS[form].counts else ["ts_utc"]
    first = draw(st.sampled_from([120, 200, 240]))
    return Variant(
        pair=pair,
        digits=decimals(pair) - draw(st.integers(0, 1)),
        clock=draw(st.sampled_from(sorted(CLOCKS))),
        form=form,
        time="Date" if split_date else draw(st.sampled_from(names)),
        split_date=split_date,
        unit=draw(st.sampled_from(["none", "price", "pips", "points"])),
        tick_volume=draw(st.booleans()),
        index=draw(st.booleans()),
        order=draw(st.integers(0, 99)),
        delimiter=draw(st.sampled_from([",", ";", "\t"])),
        keeps_zeros=draw(st.booleans()),
        padded=draw(st.booleans()),
        name=draw(st.sampled_from([f"{pair}_%", f"FX_{pair.upper()}, 1 %", f"{pair.upper()}m_M1_%",
                                   f"{pair[:3]}-{pair[3:]} [%]", f"{pair}_01.01.2023-31.12.2023 %"])),
        packing=draw(st.sampled_from(["csv", "none", "gz", "zip"])),
        parts=(first, first - draw(st.sampled_from([0, 1, 60]))),
        newline=draw(st.sampled_from(["\n", "\r\n"])),
    )  # fmt: skip
