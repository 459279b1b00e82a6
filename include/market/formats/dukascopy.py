"""Dukascopy exports: the web and JForex exporters, and the ``timestamp`` tables of dukascopy-node.

    Gmt time,Open,High,Low,Close,Volume
    01.01.2018 22:00:00.000,1.20051,1.20051,1.20051,1.20051,3.12

    Local time,Open,High,Low,Close,Volume
    02.01.2018 00:00:00.000 GMT+0200,1.20051,1.20051,1.20051,1.20051,3.12

    timestamp,open,high,low,close,volume
    1514844000000,1.20051,1.20051,1.20051,1.20051,3.12

Volume is an amount in millions of units, not a tick count. Flat bars of zero volume stand for minutes
without a quote and are refused: export with flats filtered out. Bid and ask are exported apart.
"""

from __future__ import annotations

from include.market.formats.layout import REQUIRED, Dialect

_PRICES = {name: name for name in (*REQUIRED, "volume")}
_CLOCKS = ("european", "dotted", "iso")


def _dialect(times: tuple[str, ...], clocks: tuple[str, ...], *, utc: bool) -> Dialect:
    return Dialect(
        name="Dukascopy",
        meanings=_PRICES | dict.fromkeys(times, "time"),
        marks=frozenset(times),
        clocks=clocks,
        utc=utc,
        counts_ticks=False,
        has_fillers=True,
    )


DIALECTS = (
    _dialect(("gmt time", "time (utc)", "utc time", "utc"), _CLOCKS, utc=True),
    _dialect(("local time", "time (local)", "time (eet)", "eet"), _CLOCKS, utc=False),
    _dialect(("timestamp",), ("epoch-ms",), utc=True),
)
