"""The temporal fusion transformer: it looks back over earlier rows, and ahead at the clock alone.

The encoder of a row t has the rows of t - k * step, k = length - 1 down to 0. Where there is no such row, for
instance over a weekend, the last one before it stands in, and the input `LATE` says how old that is: never is
a row later than t looked at. The decoder has five steps, t + h, of which nothing but the clock is known.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from include.training.container.models import Seen, Singles
from include.training.container.networks.architecture import Batches, Scale
from include.training.container.networks.calendar import known
from include.training.container.networks.settings import TftSettings
from include.training.container.problem import JobProblem
from include.training.container.sets import Flags, Minutes, RowNumbers
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
    """The library's network behind two tensors: encoder (rows, length, inputs) and decoder (rows, 5, known)."""

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
        nothing = decoder.new_zeros((rows, len(HORIZONS), self._observed))  # what is observed later is unknown
        found = self.transformer(
            {
                "encoder_cont": encoder,
                "decoder_cont": torch.cat([nothing, decoder], dim=2),
                "encoder_cat": encoder.new_zeros((rows, length, 0), dtype=torch.long),
                "decoder_cat": encoder.new_zeros((rows, len(HORIZONS), 0), dtype=torch.long),
                "encoder_lengths": torch.full((rows,), length, device=encoder.device),
                "decoder_lengths": torch.full((rows,), len(HORIZONS), device=encoder.device),
                "target_scale": None,
            }
        )
        return found["prediction"]


class LookBack(NamedTuple):
    """Which row stands at each place of each encoder.

    Attributes:
        timeline: all rows that are known.
        meant: the minutes of the places, (rows, length), ascending.
        rows: numbers of the rows of the timeline that stand there; -1 if there is none.
    """

    timeline: Seen
    meant: Minutes
    rows: npt.NDArray[np.intp]

    @classmethod
    def of(cls, settings: TftSettings, asked: Seen, past: Seen | None) -> LookBack:
        """The encoders of some rows.

        Raises:
            JobProblem: nobody said when the rows are.
        """
        if len(asked.ts) != len(asked.x):
            raise JobProblem(
                f"The request has {len(asked.x)} rows and {len(asked.ts)} values of ts. A tft looks back from "
                "each row, so it needs ts of every row."
            )
        timeline = _merged(asked, past)
        back = np.arange(settings.encoder_length - 1, -1, -1) * settings.encoder_step
        meant = asked.ts[:, None] - back
        return cls(timeline, meant, np.searchsorted(timeline.ts, meant, side="right") - 1)


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
        flags: Flags = LookBack.of(self._settings, asked, past).rows[:, 0] >= 0
        return flags

    def batches(self, asked: Seen, past: Seen | None) -> Batches:
        """Encoder and decoder of each row."""
        back = LookBack.of(self._settings, asked, past)
        if (back.rows < 0).any():
            row = int(np.flatnonzero(back.rows[:, 0] < 0)[0])
            raise JobProblem(
                f"Row {row} cannot be forecast: nothing is known of the minutes before it. A tft needs the rows "
                f"of the {self._settings.reach} minutes before, from one at or before their beginning on."
            )

        def taken(numbers: RowNumbers) -> tuple[torch.Tensor, ...]:
            ahead = known(self._settings.known, asked.ts[numbers, None] + _AHEAD)
            return torch.from_numpy(self._encoder(back, numbers)), torch.from_numpy(ahead)

        return taken

    def _encoder(self, back: LookBack, numbers: RowNumbers) -> Singles:
        rows = back.rows[numbers]
        there = back.timeline.ts[rows]
        late = np.log1p(back.meant[numbers] - there)[..., None].astype(np.float32)
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


def _merged(asked: Seen, past: Seen | None) -> Seen:
    """All rows by time; a row that both have counts once."""
    if past is None:
        past = Seen(asked.ts[:0], asked.x[:0])
    new = ~np.isin(asked.ts, past.ts)
    if not new.any():
        return past
    ts = np.concatenate([past.ts, asked.ts[new]])
    order = np.argsort(ts, kind="stable")
    return Seen(ts[order], np.concatenate([past.x, asked.x[new]])[order])
