"""What a network is made of besides its learning: its inputs, its layers, its loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch

from include.training.container.models import Seen
from include.training.container.sets import Flags, RowNumbers

# Of some of the asked rows, by their numbers, the inputs of the layers; the first ones are the features.
Batches = Callable[[RowNumbers], tuple[torch.Tensor, ...]]


class Architecture(Protocol):
    """A network without weights. Its outputs are in standardised units, (rows, horizons, outputs)."""

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
