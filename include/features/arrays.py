"""Array types, tolerances, and the array helpers every family needs. Imports nothing of ours."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "EPS", "Columns", "Counts", "Flags", "Floats", "Minutes", "contiguous", "in_units_of", "lagged", "ratio",
]  # fmt: skip

Floats: TypeAlias = npt.NDArray[np.float64]  # one value per row, NaN = NULL
Minutes: TypeAlias = npt.NDArray[np.int64]  # epoch minutes UTC, the OPEN time of a bar
Counts: TypeAlias = npt.NDArray[np.int16]
Flags: TypeAlias = npt.NDArray[np.bool_]
Columns: TypeAlias = dict[str, Floats]

# Smallest amount that counts as more than nothing, by unit: index points (also bps, percent, volume),
# and BQX units or returns. A price tick is about 1e-3 index points, rounding near 100 about 1e-14.
EPS = {"idx": 1e-9, "bqx": 1e-12}


def contiguous(values: npt.ArrayLike) -> Floats:
    """The values as writable, contiguous float64: the one layout kernels are compiled for."""
    return np.require(values, np.float64, ["C", "W"])


def lagged(x: Floats, rows: int) -> Floats:
    """``x`` as it was ``rows`` rows earlier; NaN (unknown) in the first rows."""
    out = np.empty_like(x)
    out[:rows] = np.nan
    out[rows:] = x[: max(x.size - rows, 0)]
    return out


def ratio(part: Floats, whole: Floats, *, flat: Flags, neutral: float = 0.0) -> Floats:
    """part/whole, and ``neutral`` in the rows that are flat. NaN in part or whole stays NaN elsewhere."""
    out = np.full_like(whole, neutral)
    np.divide(part, whole, out=out, where=~flat)
    return out


def in_units_of(unit: Floats, amount: Floats, eps: float, *, flat: Flags) -> Floats:
    """amount/max(unit, eps), and 0 in the rows that are flat."""
    return ratio(amount, np.maximum(unit, eps), flat=flat)
