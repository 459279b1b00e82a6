"""MetaTrader exports: history centre of MT4, bars of MT5, and tables made by its Python package.

    2021.01.25,00:05,1.21705,1.21712,1.21701,1.21708,45

    <DATE>	<TIME>	<OPEN>	<HIGH>	<LOW>	<CLOSE>	<TICKVOL>	<VOL>	<SPREAD>
    2021.01.25	00:05:00	1.21705	1.21712	1.21701	1.21708	45	0	6

    time,open,high,low,close,tick_volume,spread,real_volume
    2021-01-25 00:05:00,1.21705,1.21712,1.21701,1.21708,45,6,0

The clock is the broker's server time, often New York plus 7 hours (``new-york+7``): it must be
declared. Spread is in points (`include.market.levels.tick_size`), prices are bid by convention.
"""

from __future__ import annotations

import re

from include.market.formats.layout import IGNORED, REQUIRED, Dialect, Layout

_BAR = re.compile(r"\d{4}\.\d{2}\.\d{2},\d{2}:\d{2}(:\d{2})?,")

DIALECTS = (
    Dialect(
        name="MetaTrader 5",
        meanings={f"<{name}>": name for name in REQUIRED}
        | {"<date>": "date", "<time>": "clock"}
        | {"<tickvol>": "volume", "<vol>": IGNORED, "<spread>": "points"},
        marks=frozenset({"<date>", "<time>"}),
        clocks=("dotted",),
    ),
    Dialect(
        name="MetaTrader table",
        meanings={name: name for name in ("time", *REQUIRED, "volume", "symbol")}
        | {"tick_volume": "volume", "tick volume": "volume", "spread": "points", "real_volume": IGNORED},
        marks=frozenset({"time"}),
        clocks=("iso", "dotted", "epoch-s"),
    ),
)


def recognise(line: str) -> Layout | None:
    """The layout of an MT4 file, which has no header, or None if the line is not of that kind."""
    if not _BAR.match(line):
        return None
    columns = ("date", "clock", *REQUIRED, "volume")
    return Layout("MetaTrader 4", ",", columns, header=(), clocks=("dotted",))
