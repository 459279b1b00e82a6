"""MetaTrader exports: history centre of MT4, bars of MT5, and tables made by its Python package.

    2021.01.25,00:05,1.21705,1.21712,1.21701,1.21708,45

    <DATE>	<TIME>	<OPEN>	<HIGH>	<LOW>	<CLOSE>	<TICKVOL>	<VOL>	<SPREAD>
    2021.01.25	00:05:00	1.21705	1.21712	1.21701	1.21708	45	0	6

    time,open,high,low,close,tick_volume,spread,real_volume
    2021-01-25 00:05:00,1.21705,1.21712,1.21701,1.21708,45,6,0

The clock is the broker's server time, often New York plus 7 hours (``new-york+7``): it must be
declared. pandas calls the seconds of the Python package UTC, which they are not. Spread is in points
(`include.market.formats.spread`), prices are bid by convention.
"""

from __future__ import annotations

import re

from include.market.formats.layout import IGNORED, REQUIRED, Dialect, Layout

_DATE, _CLOCK = r"\d{4}\.\d{2}\.\d{2}", r"\d{1,2}:\d{2}(?::\d{2})?"
_BAR = re.compile(rf"{_DATE}(?P<joint>[ ,;\t]){_CLOCK}(?P<delimiter>[,;\t])")
# What follows the four prices, by the number of cells; other numbers of cells are not known.
_REST: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("volume",),
    2: ("volume", "spread"),
    3: ("volume", IGNORED, "spread"),
}

DIALECTS = (
    Dialect("MetaTrader 5", marks=frozenset({"<date>"}), spread_unit="points"),
    Dialect(
        "MetaTrader table",
        marks=frozenset({"tick_volume", "tick volume", "tickvol", "<tickvol>", "real_volume"}),
        spread_unit="points",
        server_clock=True,
    ),
)
WITHOUT_HEADER = Dialect("MetaTrader 4")


def recognise(line: str) -> Layout | None:
    """The layout of a file without a header, or None if the line is not of that kind.

    Date and time stand in one cell or in two; volume, then the spread may follow the prices, or tick
    volume, real volume and spread as MetaTrader 5 has them.
    """
    found = _BAR.match(line)
    if found is None:
        return None
    delimiter = found["delimiter"]
    times = ("time",) if found["joint"] == " " else ("date", "clock")
    rest = line.count(delimiter) + 1 - len(times) - len(REQUIRED)
    columns = (*times, *REQUIRED, *_REST.get(rest, ("volume",)))
    return Layout(WITHOUT_HEADER, delimiter, columns)
