"""The columns of ``m1_{pair}`` that follow from a bar, its base and the price side."""

from __future__ import annotations

from include.features.bars import Bars
from include.storage.copying import FloatArray
from include.storage.tables import M1_COLUMNS

_OHLC = ("open", "high", "low", "close")
Value = FloatArray | str | None

# How far bid, mid and ask of the close lie from the recorded close, in spreads, by recorded side.
_DISTANCE = {
    "bid": {"bid": 0.0, "mid": 0.5, "ask": 1.0},
    "mid": {"bid": -0.5, "mid": 0.0, "ask": 0.5},
    "ask": {"bid": -1.0, "mid": -0.5, "ask": 0.0},
}


def m1_columns(bars: Bars, baseline_rate: float, price_side: str, *, derived: bool) -> dict[str, Value]:
    """Values of every column of `include.storage.tables.M1_COLUMNS`, in order.

    Indices are 100 * price / baseline_rate on ONE base, so low_index <= rate_index <= high_index.
    Bid, ask and mid are filled only as far as close, spread and the price side give them.

    Args:
        bars: real bars of one pair, n of them.
        baseline_rate: the pair's stored base, in price units.
        price_side: "bid", "mid", "ask" or "unknown".
        derived: the bars were derived from two dollar legs; their high and low are lower bounds
            of the range.

    Returns:
        Arrays of shape (n,), one text for all rows, or None for NULL.
    """
    values: dict[str, Value] = dict.fromkeys(M1_COLUMNS)
    for name in (*_OHLC, "volume"):
        values[name] = getattr(bars, name)
    values["spread_close"] = bars.spread
    if price_side in ("bid", "ask"):
        for name in _OHLC:
            values[f"{price_side}_{name}"] = getattr(bars, name)
    for side, distance in _DISTANCE.get(price_side, {}).items():
        column = "rate" if side == "mid" else f"{side}_close"
        values[column] = bars.close if distance == 0.0 else bars.close + distance * bars.spread
    for column, price in zip(("rate_index", "open_index", "high_index", "low_index"),
                             (bars.close, bars.open, bars.high, bars.low), strict=True):  # fmt: skip
        values[column] = 100.0 * price / baseline_rate
    values["price_side"] = price_side
    values["hl_source"] = "derived" if derived else "feed"
    return values
