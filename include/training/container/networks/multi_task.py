"""The multi-task network: shared layers over the columns of one row, and a head for each horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from include.training.container.models import Seen
from include.training.container.networks.architecture import Batches
from include.training.container.networks.scale import Scale
from include.training.container.networks.settings import MultiTaskSettings
from include.training.container.sets import Flags, RowNumbers
from include.training.container.settings import HORIZONS


class Layers(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Columns -> shared layers -> heads; (rows, columns) -> (rows, horizons, 1)."""

    def __init__(self, columns: int, sizes: Sequence[int], dropout: float) -> None:
        super().__init__()
        shared: list[nn.Module] = []
        for inputs, outputs in pairwise((columns, *sizes)):
            shared += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        self.shared = nn.Sequential(*shared)
        self.heads = nn.ModuleList(nn.Linear(sizes[-1], 1) for _ in HORIZONS)
        for head in self.heads:  # learning begins at the no-skill forecast
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of normalised columns."""
        shared = self.shared(x)
        return torch.stack([head(shared) for head in self.heads], dim=1)


class MultiTask:
    """The architecture.

    Args:
        settings: of the job.
        columns: features, in order.
        scalers: of the data set.
    """

    def __init__(
        self,
        settings: MultiTaskSettings,
        columns: Sequence[str],
        scalers: Mapping[str, Mapping[str, float]],
    ) -> None:
        self._settings = settings
        self._scale = Scale.of(columns, scalers)

    def layers(self) -> nn.Module:
        """As of `Architecture`."""
        return Layers(len(self._scale.columns), self._settings.sizes, self._settings.dropout)

    def usable(self, asked: Seen, past: Seen | None) -> Flags:
        """All of them."""
        return np.ones(len(asked.x), np.bool_)

    def batches(self, asked: Seen, past: Seen | None) -> Batches:
        """Of each row its own columns alone."""

        def taken(numbers: RowNumbers) -> tuple[torch.Tensor, ...]:
            return (torch.from_numpy(self._scale.apply(asked.x[numbers])),)

        return taken

    def loss(self, outputs: torch.Tensor, outcome: torch.Tensor) -> torch.Tensor:
        """Squared errors, weighted by horizon."""
        weights = outcome.new_tensor(self._settings.weights)
        return ((self.point(outputs) - outcome) ** 2 @ (weights / weights.sum())).mean()

    def point(self, outputs: torch.Tensor) -> torch.Tensor:
        """As of `Architecture`."""
        return outputs[..., 0]

    @property
    def about(self) -> dict[str, Any]:
        """As of `Architecture`."""
        return {"inputs": {"known": [], "observed": list(self._scale.columns)}}
