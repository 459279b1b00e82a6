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

from include.market.formats.layout import Dialect

DIALECTS = tuple(
    Dialect("Dukascopy", marks=frozenset(marks), counts_ticks=False, has_fillers=True)
    for marks in (
        ("gmt time", "time (utc)", "utc time", "utc"),
        ("local time", "time (local)", "time (eet)", "eet"),
        ("timestamp",),
    )
)
