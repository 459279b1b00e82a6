"""Our own CSV: the columns of our Parquet files, time in UTC.

    ts_utc,open,high,low,close,volume,spread
    2024-07-01 00:00:00,1.07421,1.07433,1.07418,1.07430,57,0.00008

Volume and spread may be empty or left out. The column name says the zone; ``Z`` or ``+00:00`` may follow.
"""

from __future__ import annotations

from include.market.formats.layout import Dialect

DIALECTS = (
    Dialect(
        name="CSV with ts_utc",
        meanings={name: name for name in ("open", "high", "low", "close", "volume", "spread", "symbol")}
        | {"ts_utc": "time", "pair": "symbol"},
        marks=frozenset({"ts_utc"}),
        clocks=("iso",),
        utc=True,
    ),
)
