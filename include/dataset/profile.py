"""What one pass over a pair's columns found: plain arrays, for the report and for whoever watches drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from include.dataset.evidence import FEATURES
from include.dataset.split import SETS
from include.features.arrays import Floats

__all__ = [
    "FEWEST", "PairProfile", "bin_counts", "bin_edges", "bin_shares", "describe", "shifts", "stability_index",
]  # fmt: skip

Integers = npt.NDArray[np.int64]

BINS = 10  # of equal size on the training sample
RARE = 1e-4  # share that an empty bin is taken to have: the index stays finite
FEWEST = 30  # known values below which two samples are not compared


@dataclass(frozen=True, eq=False)
class PairProfile:
    """One pair's columns over the period of a data set, all 730 of them whatever is selected.

    Attributes:
        pair: the currency pair.
        columns: full names, catalogue order; the last axis of every array by column.
        months: ``yyyy-mm``, those with rows in the period.
        grid_rows: rows of the grid by month, inside the period.
        filled_rows: how many of them are filled.
        rows: trainable rows by set.
        known: share of cells that are not NULL, shape (months, columns).
        low, high: extremes over all rows of the period, NaN for a column that is never known.
        mean, sd: on the samples of train, val and test, shape (3, columns); NaN without a value.
        shift: population stability index of val and of test against train, shape (2, columns);
            NaN where one of the samples has too few values.
        targets: matched scaled targets of the sampled rows by set, shape (rows, 5), h = 15 to 75.
        fold_importance: importance by rolling fold, shape (folds, columns); NaN in a fold that has too
            few rows of this pair.
    """

    pair: str
    columns: tuple[str, ...]
    months: tuple[str, ...]
    grid_rows: Integers
    filled_rows: Integers
    rows: dict[str, int]
    known: Floats
    low: Floats
    high: Floats
    mean: Floats
    sd: Floats
    shift: Floats
    targets: dict[str, Floats]
    fold_importance: Floats

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for a file of `numpy.savez`; nothing in them needs pickle."""
        plain = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        texts = {"pair": self.pair, "columns": self.columns, "months": self.months}
        return {
            **plain,
            **{name: np.array(value, np.str_) for name, value in texts.items()},
            "rows": np.array([self.rows[name] for name in SETS], np.int64),
            **{f"targets_{name}": self.targets[name] for name in SETS},
        }

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PairProfile:
        """The profile that `arrays` gave."""
        plain = (
            "grid_rows", "filled_rows", "known", "low", "high", "mean", "sd", "shift", "fold_importance",
        )  # fmt: skip
        return cls(
            pair=str(arrays["pair"]),
            columns=tuple(arrays["columns"].tolist()),
            months=tuple(arrays["months"].tolist()),
            rows=dict(zip(SETS, arrays["rows"].tolist(), strict=True)),
            targets={name: arrays[f"targets_{name}"] for name in SETS},
            **{name: arrays[name] for name in plain},
        )


def describe(samples: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of every column of some samples.

    Args:
        samples: each of shape (rows, columns), NaN = NULL.

    Returns:
        two arrays of shape (samples, columns), NaN for a column without a value there.
    """
    known = [~np.isnan(sample) for sample in samples]
    counts = np.array([there.sum(axis=0) for there in known], np.float64)
    counts[counts == 0.0] = np.nan
    zeroed = [np.where(there, sample, 0.0) for there, sample in zip(known, samples, strict=True)]
    mean = np.array([values.sum(axis=0) for values in zeroed]) / counts
    squares = [
        (np.where(there, values - each, 0.0) ** 2).sum(axis=0)
        for there, values, each in zip(known, zeroed, mean, strict=True)
    ]
    return mean, np.sqrt(np.array(squares) / counts)


def shifts(columns: Sequence[str], train: Floats, others: Sequence[Floats]) -> Floats:
    """Population stability index of every column, see `stability_index`.

    Bins are the tenths of the training sample; a flag or class has one bin per value.

    Args:
        columns: full names.
        train: sample of training rows, shape (rows, columns), NaN = NULL.
        others: samples of later rows.

    Returns:
        shape (others, columns); NaN where a sample has fewer than `FEWEST` known values.
    """
    out = np.full((len(others), len(columns)), np.nan)
    for column, name in enumerate(columns):
        usual = _known(train[:, column])
        if usual.size < FEWEST:
            continue
        edges = bin_edges(name, usual)
        expected = bin_shares(bin_counts(usual, edges))
        for number, other in enumerate(others):
            values = _known(other[:, column])
            if values.size >= FEWEST:
                out[number, column] = stability_index(bin_shares(bin_counts(values, edges)), expected)
    return out


def bin_edges(name: str, values: Floats) -> Floats:
    """First value of each bin of a column but the lowest.

    Args:
        name: full name of the column; a flag or class has one bin per value, anything else tenths.
        values: of the training sample, without NaN.
    """
    if FEATURES[name].kind != "float":
        return np.unique(values)[1:]
    return np.unique(np.quantile(values, np.arange(1, BINS) / BINS))


def bin_counts(values: Floats, edges: Floats) -> Integers:
    """How many values, without NaN, lie in each bin."""
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1)


def bin_shares(counts: Integers | Floats) -> Floats:
    """Shares of the bins, the last axis of `counts`; an empty bin counts as `RARE`."""
    shares: Floats = np.maximum(counts / counts.sum(axis=-1, keepdims=True), RARE)
    return shares


def stability_index(found: Floats, expected: Floats) -> Floats:
    """Population stability index: sum over bins, the last axis, of (a - b) * ln(a / b).

    Args:
        found: shares a of the later sample.
        expected: shares b of the training sample.
    """
    index: Floats = ((found - expected) * np.log(found / expected)).sum(axis=-1)
    return index


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]
