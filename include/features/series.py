"""The series of one pair that features are made of, in the symbols of docs/features.md.

Indices are 100*price/baseline_rate with the ONE baseline rate of the pair, so L <= S <= H holds.
BQX is minus the move: w15_bqx_return is positive when the rate fell over the last 15 rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from include.errors import BadParameter
from include.features.arrays import EPS, Counts, Flags, Floats, Minutes, contiguous, lagged
from include.features.bqx import WINDOWS, returns
from include.features.grid import Grid
from include.features.kernels.extremes import still

__all__ = ["WINDOWS", "Series", "View"]

LONGEST_FLAT = 120  # rows in the longest window of closes that is tested


@dataclass(frozen=True, eq=False)
class View:
    """One pair in one domain: the bars that a family reads, whatever the domain.

    Attributes:
        close, high, low: S, H, L in the idx domain; b, b_hi, b_lo in the bqx domain.
        change: difference of close from row to row, NaN in its first row.
        eps: `EPS` of the domain.
    """

    close: Floats
    high: Floats
    low: Floats
    change: Floats
    eps: float

    @cached_property
    def _still(self) -> Counts:
        return still(self.close, LONGEST_FLAT, self.eps)

    def flat(self, n: int) -> Flags:
        """Rows where the last n closes, at most `LONGEST_FLAT`, lie within eps of each other.

        Raises:
            BadParameter: n is more than `LONGEST_FLAT`, to which stillness is counted.
        """
        if n > LONGEST_FLAT:
            raise BadParameter(f"stillness is counted up to {LONGEST_FLAT} rows, not {n}; raise LONGEST_FLAT")
        return self._still >= n


@dataclass(frozen=True, eq=False)
class Series:
    """Grid rows of one pair as index points, with everything derived from them made on first use.

    Attributes:
        ts: epoch minutes (UTC), bar OPEN time.
        S, O, H, L: rate, open, high and low index, in index points (100 at the baseline).
        V: volume, NaN where absent.
        p: spread in index points, a negative one taken as 0, NaN where absent.
        is_filled: True in filled rows.
        mid_offset: how many spreads the mid lies above the close: 0.5 over bids (and where the side
            of the source is not known), 0 in mid prices, -0.5 under asks.
    """

    ts: Minutes
    S: Floats
    O: Floats  # noqa: E741  the symbol of docs/features.md
    H: Floats
    L: Floats
    V: Floats
    p: Floats
    is_filled: Flags
    mid_offset: float = 0.5

    @classmethod
    def of(cls, grid: Grid, baseline_rate: float, mid_offset: float = 0.5) -> Series:
        """Scale a grid by the pair's stored baseline rate.

        Raises:
            BadParameter: the baseline rate is no positive number.
        """
        if not 0 < baseline_rate < np.inf:
            raise BadParameter(
                f"baseline rate {baseline_rate} is not a positive price; read it from bqx.baseline_rates"
            )

        def index(price: Floats) -> Floats:
            return contiguous(100.0 * price / baseline_rate)

        return cls(
            ts=grid.ts,
            S=index(grid.close),
            O=index(grid.open),
            H=index(grid.high),
            L=index(grid.low),
            V=contiguous(grid.volume),
            p=index(np.maximum(grid.spread, 0.0)),
            is_filled=grid.is_filled,
            mid_offset=mid_offset,
        )

    def __len__(self) -> int:
        return self.ts.size

    @cached_property
    def r(self) -> Floats:
        """ln(S_t/S_{t-1}); none in the first row."""
        return np.log(self.S / lagged(self.S, 1))

    @cached_property
    def dS(self) -> Floats:  # noqa: N802  the symbol of docs/features.md
        """S_t - S_{t-1}; none in the first row."""
        return self.S - lagged(self.S, 1)

    @cached_property
    def q(self) -> dict[int, Floats]:
        """w{w}_bqx_return by window w; the first w rows have none."""
        return returns(self.S)

    @property
    def b(self) -> Floats:
        """w15_bqx_return, the primary BQX series."""
        return self.q[15]

    @cached_property
    def db(self) -> Floats:
        """b_t - b_{t-1}."""
        return self.b - lagged(self.b, 1)

    @cached_property
    def b_hi(self) -> Floats:
        """The BQX that the bar's LOW would give, at least b."""
        return np.maximum(self.b, self._bqx_at(self.L))

    @cached_property
    def b_lo(self) -> Floats:
        """The BQX that the bar's HIGH would give, at most b."""
        return np.minimum(self.b, self._bqx_at(self.H))

    @cached_property
    def b_op(self) -> Floats:
        """The BQX that the bar's open would give."""
        return self._bqx_at(self.O)

    def _bqx_at(self, price: Floats) -> Floats:
        """sum_{i=1..15} (S_{t-i} - price)/price, from the differences: A/price - 15 cancels badly."""
        return (self.b * self.S + 15.0 * (self.S - price)) / price

    @cached_property
    def _views(self) -> dict[str, View]:
        return {
            "idx": View(self.S, self.H, self.L, self.dS, EPS["idx"]),
            "bqx": View(self.b, self.b_hi, self.b_lo, self.db, EPS["bqx"]),
        }

    def view(self, domain: str) -> View:
        """The bars of a domain, ``idx`` or ``bqx``."""
        return self._views[domain]
