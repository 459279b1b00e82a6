"""What a network is made of besides its learning: its inputs, its layers, its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from include.training.container.models import Seen, Singles
from include.training.container.problem import JobProblem
from include.training.container.sets import Flags, RowNumbers

# Of some of the asked rows, by their numbers, the inputs of the layers; the first ones are the features.
Batches = Callable[[RowNumbers], tuple[torch.Tensor, ...]]


class Architecture(Protocol):
    """One of the networks, without weights. Its outputs are in standardised units, (rows, horizons, outputs)."""

    def layers(self) -> torch.nn.Module:
        """New layers, with weights from torch's generator."""

    def usable(self, asked: Seen, past: Seen | None) -> Flags:
        """Which rows can be asked about."""

    def batches(self, asked: Seen, past: Seen | None) -> Batches:
        """The inputs of rows that are usable.

        Raises:
            JobProblem: a row is not.
        """

    def loss(self, outputs: torch.Tensor, outcome: torch.Tensor) -> torch.Tensor:
        """What is made small: mean over the rows.

        Args:
            outputs: of the layers.
            outcome: standardised, (rows, horizons).
        """

    def point(self, outputs: torch.Tensor) -> torch.Tensor:
        """The forecasts, (rows, horizons)."""

    @property
    def about(self) -> dict[str, Any]:
        """What model.json says of its inputs."""


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
                f"Column {name} is NULL in a row. A network needs a value in every column: the rows of a data "
                "set have one, so look at who made this row."
            )
        return scaled
