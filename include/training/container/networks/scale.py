"""Normalised features, by the scalers of the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from include.training.container.models import Singles
from include.training.container.problem import JobProblem


class Scale(NamedTuple):
    """The scalers of the data set, which were fitted on train only, as arrays (columns,).

    Attributes:
        columns: their names.
        low, high: values are held within them.
        mean, sd: of the values held; a column with sd 0 becomes 0.
    """

    columns: tuple[str, ...]
    low: Singles
    high: Singles
    mean: Singles
    sd: Singles

    @classmethod
    def of(cls, columns: Sequence[str], scalers: Mapping[str, Mapping[str, float]]) -> Scale:
        """Those of some columns.

        Raises:
            JobProblem: a column has none.
        """
        if absent := [name for name in columns if name not in scalers]:
            raise JobProblem(
                f"Column {absent[0]} has no scaler. Make the data set anew with bqx_dataset, under another "
                "dataset_id."
            )
        values = {
            what: np.array([scalers[name][what] for name in columns], np.float32)
            for what in ("low", "high", "mean", "sd")
        }
        return cls(tuple(columns), **values)

    def apply(self, x: Singles) -> Singles:
        """Scaled features, (..., columns).

        Raises:
            JobProblem: a value is NULL.
        """
        held = np.clip(x, self.low, self.high) - self.mean
        scaled: Singles = np.where(self.sd > 0, held / np.where(self.sd > 0, self.sd, 1), held * 0)
        unknown = ~np.isfinite(scaled)
        if unknown.any():
            name = self.columns[int(np.argwhere(unknown)[0][-1])]
            raise JobProblem(
                f"Column {name} is NULL in a row. A network needs a value in every column. The rows of a "
                "data set have one, so look at who made this row."
            )
        return scaled
