"""HistData "generic ASCII" 1-minute bars: no header, semicolons, bid prices, volume always 0.

    20180101 170000;1.200370;1.200370;1.200370;1.200370;0

The clock is documented as UTC-5 all year and is not: declare ``histdata`` (docs/market_data.md).
HistData's MetaTrader variant is read by `include.market.formats.metatrader`.
"""

from __future__ import annotations

import re

from include.market.formats.layout import Layout

_BAR = re.compile(r"\d{8} \d{6};")
_TICK = re.compile(r"\d{8} \d{9},")


def recognise(line: str) -> Layout | None:
    """The layout of a file that begins with this line, or None if it is not HistData's."""
    if not _BAR.match(line):
        return None
    columns = ("time", "open", "high", "low", "close", "volume")
    return Layout("HistData ASCII", ";", columns, header=(), clocks=("compact",))


def is_tick(line: str) -> bool:
    """Whether the line is of HistData's tick files, which have milliseconds."""
    return _TICK.match(line) is not None
