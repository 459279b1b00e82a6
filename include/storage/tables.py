"""Column lists of the tables we create: m1 and bqx here, the feature families from the catalogue."""

from __future__ import annotations

from typing import NamedTuple

from include import names
from include.features.catalogue import family
from include.features.shared import SHARED_COLUMNS

DOUBLE, SMALLINT, TEXT = "DOUBLE PRECISION", "SMALLINT", "TEXT"
MOMENT = "TIMESTAMP WITH TIME ZONE"
WINDOWS = (15, 30, 45, 60, 75)

_OHLC = ("open", "high", "low", "close")

M1_COLUMNS: dict[str, str] = (
    dict.fromkeys((*_OHLC, "volume"), DOUBLE)
    | {f"{side}_{price}": DOUBLE for side in ("bid", "ask", "spread") for price in _OHLC}
    | dict.fromkeys(("rate", "rate_index", "open_index", "high_index", "low_index"), DOUBLE)
    | {"price_side": TEXT, "hl_source": TEXT}
)

_BQX_WINDOW = (
    "bqx_return",
    "bqx_max_index",
    "bqx_min_index",
    "bqx_avg_index",
    "bqx_stdev_index",
    "bqx_endpoint",
)
_BQX_AGGREGATE = ("return", "max_index", "min_index", "avg_index", "stdev_index", "range", "volatility")

BQX_COLUMNS: dict[str, str] = (
    {"rate_index": DOUBLE}
    | {f"w{window}_{name}": DOUBLE for window in WINDOWS for name in _BQX_WINDOW}
    | {f"agg_bqx_{name}": DOUBLE for name in _BQX_AGGREGATE}
    | {"is_filled": SMALLINT}
)

PREDICTIONS = "predictions"  # what the deployed models forecast
PREDICTION_COLUMNS: dict[str, str] = {"version": TEXT, "as_of": MOMENT} | {
    f"h{minutes}_{name}": SMALLINT if name == "window" else DOUBLE
    for minutes in WINDOWS
    for name in ("window", "value", "low", "high")
}

SHARED = "correlation_shared"  # what the correlation families of all pairs read, computed once


class Table(NamedTuple):
    """A table partitioned by month on ``ts_utc``.

    Attributes:
        family: "m1", "bqx", `PREDICTIONS`, `SHARED` or a stored family of the catalogue.
        pair: the currency pair; empty for the one table that all pairs share.
        columns: name and SQL type of every column we write, the key left out, in table order.
        stamped: the table also has ``created_at``, filled by the server.
    """

    family: str
    pair: str
    columns: dict[str, str]
    stamped: bool = False

    @property
    def name(self) -> str:
        """Name of the parent table."""
        return names.table(self.family, self.pair) if self.pair else self.family


def table_of(family_name: str, pair: str) -> Table:
    """The table of a family and a pair.

    Raises:
        BadParameter: the catalogue has no such family.
    """
    if family_name == "m1":
        return Table("m1", pair, M1_COLUMNS, stamped=True)
    if family_name == "bqx":
        return Table("bqx", pair, BQX_COLUMNS, stamped=True)
    if family_name == PREDICTIONS:
        return Table(PREDICTIONS, pair, PREDICTION_COLUMNS)
    if family_name == SHARED:
        return Table(SHARED, "", SHARED_COLUMNS)
    columns = {feature.name: feature.dtype for feature in family(family_name).columns}
    return Table(family_name, pair, columns)
