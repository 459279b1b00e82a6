"""Winsor limits and standard scaling, learned from training rows and kept as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from include.errors import BadParameter
from include.features.arrays import Columns, Flags, Floats
from include.features.catalogue import CATALOGUE

__all__ = ["ColumnScale", "Scaler", "fit"]

WINSOR = 0.001  # share of the training values cut off on each side
DISCRETE = frozenset(
    column.full_name for family in CATALOGUE for column in family.columns if column.kind != "float"
)


@dataclass(frozen=True)
class ColumnScale:
    """What training rows say about one column: limits, then mean and sd of the values held within them.

    A column with one single value on the training rows has sd 0; it becomes 0 everywhere, whatever
    it does later, since a model that never saw it move cannot know what a move means.
    """

    low: float
    high: float
    mean: float
    sd: float

    def apply(self, values: Floats, clip: float | None) -> Floats:
        """The values held within the limits, minus mean, in units of sd; NULL stays NULL."""
        held = np.clip(values, self.low, self.high) - self.mean
        if self.sd == 0.0:
            return np.where(np.isnan(values), np.nan, 0.0)
        scaled = held / self.sd
        return scaled if clip is None else np.clip(scaled, -clip, clip)


@dataclass(frozen=True)
class Scaler:
    """How each column is scaled, in the order in which it was fitted.

    Attributes:
        columns: what was learned, by column.
        clip: limit of the scaled values in sd, None = none.
    """

    columns: dict[str, ColumnScale]
    clip: float | None = None

    def apply(self, columns: Mapping[str, Floats]) -> Columns:
        """Scale columns by name, in any order and number, of any rows.

        Raises:
            BadParameter: one of them was not fitted.
        """
        strange = [name for name in columns if name not in self.columns]
        if strange:
            raise BadParameter(
                f"the scaler was not fitted on {', '.join(strange)}; pass only columns of its training set"
            )
        return {name: self.columns[name].apply(values, self.clip) for name, values in columns.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers survive exactly."""
        return {"clip": self.clip, "columns": {name: asdict(scale) for name, scale in self.columns.items()}}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Scaler:
        """The scaler that `to_dict` wrote."""
        return cls(
            {name: ColumnScale(**scale) for name, scale in plain["columns"].items()}, clip=plain["clip"]
        )


def fit(
    columns: Mapping[str, Floats], train: Flags, *, winsor: float = WINSOR, clip: float | None = None
) -> Scaler:
    """Learn limits, mean and sd of every column from its training rows; no other row is looked at.

    Limits are the quantiles ``winsor`` and 1 - ``winsor``; flags and classes, and columns which these
    limits would leave a single value, keep their extremes.

    Args:
        columns: values by name, NaN = NULL.
        train: marks the training rows.
        winsor: share to cut off on each side, 0 = none.
        clip: limit of scaled values in sd, None = none.

    Raises:
        BadParameter: a column has no value on the training rows, or a setting makes no sense.
    """
    if not 0.0 <= winsor < 0.5 or (clip is not None and not clip > 0.0):
        raise BadParameter(f"winsor is {winsor} and clip {clip}: use a share in [0, 0.5) and sds above 0")
    return Scaler(
        {name: _fit_one(name, values[train], winsor) for name, values in columns.items()}, clip=clip
    )


def _fit_one(name: str, values: Floats, winsor: float) -> ColumnScale:
    known = values[~np.isnan(values)]
    if not known.size:
        raise BadParameter(f"column {name} has no value on the training rows; leave it out of the data set")
    low, high = float(known.min()), float(known.max())
    if name not in DISCRETE:
        inner = np.quantile(known, [winsor, 1.0 - winsor])
        if inner[0] < inner[1]:
            low, high = float(inner[0]), float(inner[1])
    if low == high:  # the mean of equal values may be off by rounding, their sd above 0
        return ColumnScale(low, high, mean=low, sd=0.0)
    held = np.clip(known, low, high)
    return ColumnScale(low, high, mean=float(held.mean()), sd=float(held.std()))
