"""HistData "generic ASCII" 1-minute bars: no header, semicolons, bid prices, volume always 0.

    20180101 170000;1.200370;1.200370;1.200370;1.200370;0

Its MetaStock variant names the pair in each row:

    EURUSD,20180101,170000,1.200370,1.200370,1.200370,1.200370,0

The clock is documented as UTC-5 all year and is not: declare ``histdata`` (docs/market_data.md).
HistData's MetaTrader variant is read by `include.market.formats.metatrader`.
"""

from __future__ import annotations

import re

from include.market.formats.layout import REQUIRED, Dialect, Layout

DIALECT = Dialect("HistData ASCII")
_BAR = re.compile(r"\d{8} \d{6};([^;]*;){3}")
_METASTOCK = re.compile(r"[A-Za-z]{6},\d{8},\d{6},([^,]*,){4}")
_TICKS = (
    re.compile(r"\d{8} \d{9},"),  # ASCII: milliseconds, bid, ask
    re.compile(r"[A-Z]{3}/[A-Z]{3},\d{8} [\d:.]+,"),  # TrueFX
    re.compile(r"\d{8} \d{6}( \d+)?;[^;]+(;[^;]+)?;\d+$"),  # NinjaTrader: last, bid or ask, and volume
)
_REPORT = re.compile(rb"^\s*HistData\.com|^Gap of \d+s found|Status Report", re.MULTILINE)


def recognise(line: str) -> Layout | None:
    """The layout of a file that begins with this line, or None if it is not HistData's."""
    if _METASTOCK.match(line):
        return Layout(DIALECT, ",", ("symbol", "date", "clock", *REQUIRED, "volume"))
    if not _BAR.match(line):
        return None
    return Layout(DIALECT, ";", ("time", *REQUIRED, "volume"))


def is_tick(line: str) -> bool:
    """Whether the line is of one of HistData's tick files, or of TrueFX's."""
    return any(tick.match(line) for tick in _TICKS)


def is_gap_report(head: bytes) -> bool:
    """Whether a text file begins like the report that HistData packs beside its bars."""
    return _REPORT.search(head) is not None
