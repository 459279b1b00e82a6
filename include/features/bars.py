"""Real minute bars of one pair, as a source recorded them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from include.errors import BadParameter
from include.features.arrays import Floats, Minutes

__all__ = ["Bars"]


@dataclass(frozen=True, eq=False)
class Bars:
    """Minute bars in time order; a minute without a quote has no row.

    Attributes:
        ts: strictly increasing epoch minutes (UTC) of the bars' OPEN times.
        open, high, low, close: prices, quote currency per unit of base currency.
        volume: tick count, NaN where the source has none.
        spread: ask minus bid at the end of the bar in price units, NaN where the source has none.

    Raises:
        BadParameter: arrays of different lengths, or minutes that do not increase.
    """

    ts: Minutes
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    spread: Floats

    def __post_init__(self) -> None:
        lengths = {field.name: getattr(self, field.name).shape for field in fields(self)}
        if len(set(lengths.values())) > 1 or self.ts.ndim != 1:
            raise BadParameter(f"the arrays of one pair's bars must have one length, but have {lengths}")
        back = np.flatnonzero(np.diff(self.ts) <= 0)
        if back.size:
            row = int(back[0]) + 1
            raise BadParameter(
                f"bars must be in time order without repeats, but row {row} (minute {self.ts[row]}) "
                f"does not follow minute {self.ts[row - 1]}; sort the bars and drop the repeats"
            )

    def __len__(self) -> int:
        return self.ts.size

    def slice(self, start_minute: int, end_minute: int) -> Bars:
        """The bars of the half-open range [start_minute, end_minute), as views."""
        first, stop = np.searchsorted(self.ts, [start_minute, end_minute])
        return Bars(*(getattr(self, field.name)[first:stop] for field in fields(self)))
