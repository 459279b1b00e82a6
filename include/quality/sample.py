"""Reading rows back and computing them again from the bars: are the values what they should be?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from include.build.chunks import Chunk, columns_of_chunk, lookback_of
from include.storage.copying import FloatArray, MinuteArray
from include.storage.tables import Table

TOLERANCE = 1e-9  # relative to the value, or to the usual size of the column where that is larger
STRETCH = 480  # rows of a month that are computed again when it is not the one read completely


class Difference(NamedTuple):
    """A column whose stored values are not those that follow from the bars.

    Attributes:
        rows: number of rows that differ.
        first: epoch minute of the first of them.
        stored, expected: the values there, NaN = NULL.
        guess: what seems to have happened, for people; empty if nothing obvious.
    """

    column: str
    rows: int
    first: int
    stored: float
    expected: float
    guess: str


def recompute(chunk: Chunk, table: Table) -> dict[str, FloatArray]:
    """The values that a month should have, by the code that builds it and with the same bars in front.

    Args:
        chunk: the month with at least the look-back of the family in front.
        table: the table of the family.

    Returns:
        Every column of the table for the rows of the month, NaN = NULL.
    """
    chunk = chunk.trimmed(lookback_of(table.family))
    columns = columns_of_chunk(chunk, table)
    return {name: columns[name][chunk.first_row :] for name in table.columns}


def differences(
    ts: MinuteArray, stored: dict[str, FloatArray], expected: dict[str, FloatArray]
) -> list[Difference]:
    """Columns in which stored values differ from the expected ones, or are NULL where those are not."""
    found = []
    for name, wanted in expected.items():
        wrong = _differ(name, stored[name], wanted, expected)
        if wrong.any():
            row = int(wrong.argmax())
            guess = _guess(name, stored[name], expected)
            found.append(
                Difference(
                    name,
                    int(wrong.sum()),
                    int(ts[row]),
                    float(stored[name][row]),
                    float(wanted[row]),
                    guess,
                )
            )
    return found


def _differ(
    name: str, stored: FloatArray, expected: FloatArray, columns: dict[str, FloatArray]
) -> NDArray[np.bool_]:
    known = ~np.isnan(expected)
    usual = float(np.median(np.abs(expected[known]))) if known.any() else 0.0
    scale = np.maximum(np.abs(expected), usual) * _allowance(name, columns)
    with np.errstate(invalid="ignore"):
        near = np.abs(stored - expected) <= TOLERANCE * scale
    return ~np.where(known, near, np.isnan(stored))


def _allowance(name: str, columns: dict[str, FloatArray]) -> FloatArray | float:
    """An apex is a quotient of fitted coefficients: rounding of the closes moves it by 1e-9/abs(a2_norm)."""
    if not name.endswith("quad_apex"):
        return 1.0
    window = name.split("_")[0]
    return np.fmax(1.0, 1.0 / np.fmax(np.abs(columns[f"{window}_a2_norm"]), 1e-300))


def _guess(name: str, stored: FloatArray, expected: dict[str, FloatArray]) -> str:
    """Name the usual mishaps: rows that slipped, values of a neighbouring column."""
    for shift, words in ((1, "one row late"), (-1, "one row early")):
        if _alike(np.roll(stored, -shift)[1:-1], expected[name][1:-1]):
            return f"every value stands {words}"
    for other, values in expected.items():
        if other != name and _alike(stored, values):
            return f"it holds the values of {other}"
    return ""


def _alike(one: FloatArray, other: FloatArray) -> bool:
    return len(one) > 1 and bool(np.allclose(one, other, rtol=TOLERANCE, atol=0.0, equal_nan=True))
