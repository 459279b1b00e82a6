"""The causal grid: real bars, each followed by at most five filled minutes.

Whether a grid row exists, and everything in it, is known one minute after its label: a minute
without a bar is filled while the last real bar is at most five minutes old, however long the gap
turns out to be. So live and batch agree, and a cut at any minute changes no earlier row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from include.errors import BadParameter
from include.features.arrays import Flags, Floats, Minutes
from include.features.bars import Bars

__all__ = ["MAX_FILL", "Grid", "make_grid"]

MAX_FILL = 5  # minutes for which a last price still counts as the price


@dataclass(frozen=True, eq=False)
class Grid:
    """Grid rows of one pair in time order; more than one minute between two rows is a BREAK.

    Attributes:
        ts: epoch minutes (UTC), bar OPEN time.
        open, high, low, close: prices; all four equal the last real close in a filled row.
        volume: tick count, 0 in a filled row (NaN where the last real bar has none).
        spread: price units, the last real bar's in a filled row, NaN where absent.
        is_filled: True where no real bar was recorded.
    """

    ts: Minutes
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    spread: Floats
    is_filled: Flags

    def __len__(self) -> int:
        return self.ts.size


def make_grid(bars: Bars, watermark: int) -> Grid:
    """Lay real bars on the causal grid.

    Args:
        bars: the real bars of one pair.
        watermark: last epoch minute that may become a row: the newest real bar of any pair of the
            load, or the last complete minute of a live run.

    Raises:
        BadParameter: the watermark lies before the last real bar.
    """
    if len(bars) and watermark < bars.ts[-1]:
        raise BadParameter(
            f"watermark {watermark} lies before the last real bar at minute {bars.ts[-1]}; "
            "pass the newest minute of the load, or cut the bars first"
        )
    following = np.append(bars.ts[1:], watermark + 1)[: len(bars)]
    rows = np.minimum(following - bars.ts, MAX_FILL + 1)  # each real bar with its filled minutes
    bar = np.repeat(np.arange(len(bars)), rows)
    age = np.arange(bar.size) - np.repeat(np.cumsum(rows) - rows, rows)
    is_filled = age > 0
    close, volume = bars.close[bar], bars.volume[bar]
    return Grid(
        ts=bars.ts[bar] + age,
        open=np.where(is_filled, close, bars.open[bar]),
        high=np.where(is_filled, close, bars.high[bar]),
        low=np.where(is_filled, close, bars.low[bar]),
        close=close,
        volume=np.where(is_filled & ~np.isnan(volume), 0.0, volume),
        spread=bars.spread[bar],
        is_filled=is_filled,
    )
