"""How far two computations of a column are apart."""

from __future__ import annotations

import numpy as np


def relative_error(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Difference over the larger of abs(reference) and the column's median; NaN agree with NaN only."""
    known = ~np.isnan(reference)
    floor = np.median(np.abs(reference[known])) if known.any() else 1.0
    scale = np.maximum(np.abs(reference), floor)
    with np.errstate(all="ignore"):
        error = np.where(values == reference, 0.0, np.abs(values - reference) / scale)
    return np.where(np.isnan(values) & ~known, 0.0, np.where(np.isnan(values) | ~known, np.inf, error))


def allowance(column: str, columns: dict[str, np.ndarray]) -> np.ndarray | float:
    """Factor on the tolerance for quotients of two fitted coefficients.

    Rounding of the closes alone moves them by up to 1e-9 where the coefficients are small.
    """
    name = column.split("_")
    with np.errstate(all="ignore"):
        if column.endswith("quad_apex"):
            return np.fmax(1.0, 1.0 / np.abs(columns[f"{name[0]}_a2_norm"]))
        if name[0] in ("a1", "a2") and name[1] == "ratio":
            u, v = (columns[f"w{w}_{name[0]}_norm"] for w in name[2:])
            return np.fmax(1.0, 1.0 / (np.abs(u) + np.abs(v)))
    return 1.0


def worst(values: np.ndarray, reference: np.ndarray, factor: np.ndarray | float = 1.0) -> str:
    """The largest error in words, for a failing test."""
    error = relative_error(values, reference) / factor
    row = int(np.argmax(error))
    return f"row {row}: {values[row]!r}, expected {reference[row]!r}, error {error[row]:.3g}"
