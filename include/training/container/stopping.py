"""When learning stops: by the error on rows that serve nothing else, if there are enough of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

FEWEST = 50  # rows with which early stopping makes sense


def stopped(history: Sequence[float], patience: int) -> int | None:
    """The round after which learning stops: so many rounds brought nothing better. None if it goes on."""
    best = 0
    for number, error in enumerate(history):
        if error < history[best]:
            best = number
        if number - best >= patience:
            return number
    return None


def best_round(history: Sequence[float]) -> int:
    """Number of the round with the smallest error, the first of several, from 0."""
    return int(np.argmin(history))


def say_mean(errors: Sequence[float | None]) -> None:
    """Print the mean error over the horizons; nothing if one has none."""
    known = [error for error in errors if error is not None]
    if len(known) == len(errors):
        print(f"val_rmse_mean={fmean(known):.6f};", flush=True)


def rule(rows: int, unit: str) -> str:
    """How the number of rounds or epochs was found, in words.

    Args:
        rows: of the earlier half of val.
        unit: what is counted, round or epoch.
    """
    if rows < FEWEST:
        return f"fixed {unit}s: the earlier half of val has {rows} rows, early stopping needs {FEWEST}"
    return f"the {unit} with the smallest error on {rows:,} rows of the earlier half of val"
