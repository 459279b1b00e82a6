"""Our own CSV, and tables of no known provider.

    ts_utc,open,high,low,close,volume,spread
    2024-07-01 00:00:00,1.07421,1.07433,1.07418,1.07430,57,0.00008

Volume and spread may be empty or left out. The column name says the zone; ``Z`` or ``+00:00`` may follow.

    datetime,open,high,low,close
    2024-07-01T00:00:00+00:00,1.07421,1.07433,1.07418,1.07430

Any other table with prices and a time under a usual name is read if its clock and units can be told.
"""

from __future__ import annotations

from include.market.formats.layout import Dialect

OURS = Dialect("CSV with ts_utc", marks=frozenset({"ts_utc"}), spread_unit="price")
OTHER = Dialect("this table", counts_ticks=False)
