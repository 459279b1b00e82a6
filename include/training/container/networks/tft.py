"""The temporal fusion transformer: it looks back over earlier rows, and ahead at the clock alone.

The encoder of a row is its `LookBack`. The decoder has five steps, t + h, of which the clock alone is known.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from include.training.container.models import Seen, Singles
from include.training.container.networks.architecture import Batches
from include.training.container.networks.calendar import known
from include.training.container.networks.lookback import LookBack
from include.training.container.networks.scale import Scale
from include.training.container.networks.settings import TftSettings
from include.training.container.problem import JobProblem
from include.training.container.sets import Flags, RowNumbers
from include.training.container.settings import HORIZONS

with warnings.catch_warnings():  # of libraries about each other
    warnings.simplefilter("ignore")
    from pytorch_forecasting import QuantileLoss, TemporalFusionTransformer

LATE = "minutes_late"  # log(1 + minutes) between the row that stands in and the one that is meant
_AHEAD = np.array(HORIZONS, np.int64)


class _Transformer(TemporalFusionTransformer):  # type: ignore[misc]  # the library has no types
    """The library's network, whose outputs stay in standardised units."""

    def transform_output(self, prediction: Any, target_scale: Any, loss: Any = None) -> Any:
        return prediction


class Layers(nn.Module):  # type: ignore[misc]  # torch has no types here
    """The library's network: encoder (rows, length, inputs) and decoder (rows, horizons, known) go in."""

    def __init__(self, settings: TftSettings, observed: Sequence[str], quantiles: int) -> None:
        super().__init__()
        inputs = [*observed, *settings.known]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lightning's advice
            self.transformer = _Transformer(
                hidden_size=settings.hidden_size,
                attention_head_size=settings.attention_heads,
                dropout=settings.dropout,
                hidden_continuous_size=settings.hidden_continuous_size,
                output_size=quantiles,
                max_encoder_length=settings.encoder_length,
                time_varying_reals_encoder=inputs,
                time_varying_reals_decoder=list(settings.known),
                x_reals=inputs,
                logging_metrics=nn.ModuleList(),
            )
        self._observed = len(observed)

    def forward(self, encoder: torch.Tensor, decoder: torch.Tensor) -> torch.Tensor:
        """Quantiles, (rows, horizons, quantiles)."""
        rows, length, _ = encoder.shape
        later = decoder.new_zeros((rows, len(HORIZONS), self._observed))  # nothing is observed ahead
        found = self.transformer(
            {
                "encoder_cont": encoder,
                "decoder_cont": torch.cat([later, decoder], dim=2),
                "encoder_cat": encoder.new_zeros((rows, length, 0), dtype=torch.long),
                "decoder_cat": encoder.new_zeros((rows, len(HORIZONS), 0), dtype=torch.long),
                "encoder_lengths": torch.full((rows,), length, device=encoder.device),
                "decoder_lengths": torch.full((rows,), len(HORIZONS), device=encoder.device),
                "target_scale": None,
            }
        )
        return found["prediction"]


class Tft:
    """The architecture.

    Args:
        settings: of the job.
        columns: features, in order.
        scalers: of the data set.
    """

    def __init__(
        self, settings: TftSettings, columns: Sequence[str], scalers: Mapping[str, Mapping[str, float]]
    ) -> None:
        self._settings = settings
        self._scale = Scale.of(columns, scalers)
        self._loss = QuantileLoss()

    def layers(self) -> nn.Module:
        """As of `Architecture`."""
        return Layers(self._settings, [*self._scale.columns, LATE], len(self._loss.quantiles))

    def usable(self, asked: Seen, past: Seen | None) -> Flags:
        """Those whose whole encoder is known."""
        return LookBack.of(self._settings, asked, past).complete

    def batches(self, asked: Seen, past: Seen | None) -> Batches:
        """Encoder and decoder of each row."""
        back = LookBack.of(self._settings, asked, past)
        if not back.complete.all():
            row = int(np.flatnonzero(~back.complete)[0])
            raise JobProblem(
                f"Row {row} cannot be forecast: nothing is known of the minutes before it. A tft needs "
                f"the rows of the {self._settings.reach} minutes before, from one at or before their start."
            )

        def taken(numbers: RowNumbers) -> tuple[torch.Tensor, ...]:
            ahead = known(self._settings.known, asked.ts[numbers, None] + _AHEAD)
            return torch.from_numpy(self._encoder(back, numbers)), torch.from_numpy(ahead)

        return taken

    def _encoder(self, back: LookBack, numbers: RowNumbers) -> Singles:
        rows = back.rows[numbers]
        there = back.timeline.ts[rows]
        late = np.log1p(back.late(numbers))[..., None].astype(np.float32)
        parts = (self._scale.apply(back.timeline.x[rows]), late, known(self._settings.known, there))
        return np.concatenate(parts, axis=-1)

    def loss(self, outputs: torch.Tensor, outcome: torch.Tensor) -> torch.Tensor:
        """The quantile loss, over all horizons and quantiles."""
        return self._loss.loss(outputs, outcome).mean()

    def point(self, outputs: torch.Tensor) -> torch.Tensor:
        """The median."""
        return self._loss.to_prediction(outputs)

    @property
    def about(self) -> dict[str, Any]:
        """As of `Architecture`; ``encoder`` says what a request has to bring."""
        return {
            "inputs": {"known": list(self._settings.known), "observed": [*self._scale.columns, LATE]},
            "encoder": {
                "length": self._settings.encoder_length,
                "step_minutes": self._settings.encoder_step,
                "reach_minutes": self._settings.reach,
            },
            "quantiles": list(self._loss.quantiles),
        }
