"""The networks as a kind of model: one network for all horizons."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from include.training.container.checkpoints import Checkpoints
from include.training.container.importance import Importance, evenly
from include.training.container.manifest import SETS, Manifest
from include.training.container.models import Floats, Seen, shares
from include.training.container.networks.architecture import Architecture
from include.training.container.networks.fitting import (
    EVALUATED,
    Network,
    Samples,
    fit,
    in_batches,
    loaded,
)
from include.training.container.networks.settings import (
    CLASSES,
    MultiTaskSettings,
    NetworkSettings,
    TftSettings,
)
from include.training.container.problem import JobProblem
from include.training.container.rows import Rows, offset_of, outcome_of
from include.training.container.settings import HORIZONS
from include.training.container.stopping import FEWEST, rule

FILE = "network.safetensors"
LIBRARIES = ("torch", "pytorch-forecasting", "lightning", "safetensors", "numpy")
MOST_WATCHED = 5_000  # rows that learning is stopped by, evenly spread


@dataclass(frozen=True)
class NetworkModel:
    """A network that forecasts.

    Attributes:
        settings: of the job.
        architecture: its inputs.
        network: its layers, with weights.
        past: rows that are known besides those of a request.
    """

    settings: NetworkSettings
    architecture: Architecture
    network: Network
    past: Seen | None = None

    def scaled(
        self, asked: Seen, offset: Mapping[int, Floats], past: Seen | None = None
    ) -> dict[int, Floats]:
        """As of `models.Model`; in batches that bound memory."""
        batches = self.architecture.batches(asked, self.past if past is None else past)
        out = np.empty((len(asked.x), len(HORIZONS)))
        with torch.no_grad():
            for numbers in in_batches(len(out), EVALUATED * self.settings.batch_size):
                outputs = self.network(*batches(numbers))
                out[numbers] = (self.architecture.point(outputs) * self.network.spread).cpu().numpy()
        if not np.isfinite(out).all():
            row = int(np.flatnonzero(~np.isfinite(out).all(axis=1))[0])
            raise JobProblem(
                f"The network's forecast of row {row} is not a finite number. Its weights are of no use: "
                "train it again with a lower learning_rate."
            )
        return {minutes: offset[minutes] + out[:, number] for number, minutes in enumerate(HORIZONS)}


@dataclass(frozen=True)
class FittedNetwork(NetworkModel):
    """A network that has just been fitted.

    Attributes:
        weights: content of its file.
        epochs: that were kept.
    """

    weights: bytes = b""
    epochs: int = 0

    @property
    def files(self) -> dict[int, tuple[str, bytes]]:
        """The same for all horizons."""
        return dict.fromkeys(HORIZONS, (FILE, self.weights))

    @property
    def rounds(self) -> dict[int, int]:
        """Epochs."""
        return dict.fromkeys(HORIZONS, self.epochs)

    @property
    def about(self) -> dict[str, Any]:
        """The inputs by name."""
        return self.architecture.about

    def importance(self, rows: Rows) -> dict[int, Importance]:
        """Gradient times scaled input: what a column adds to a forecast, to first order, beside its mean.

        ``shap`` is the mean of its size, ``gain`` of its square. What the rows of an encoder add is summed.
        """
        rows = rows.take(self.architecture.usable(rows.seen, self.past))
        batches = self.architecture.batches(rows.seen, self.past)
        parts = []
        with torch.backends.cudnn.flags(enabled=False):  # in evaluation it has no gradients of an LSTM
            for numbers in in_batches(len(rows.ts), self.settings.batch_size):
                features, *others = batches(numbers)
                features.requires_grad_()
                point = self.architecture.point(self.network(features, *others))
                slopes = [
                    torch.autograd.grad(forecast.sum(), features, retain_graph=True)[0]
                    for forecast in point.unbind(dim=1)
                ]
                added = (torch.stack(slopes) * features).detach().numpy().astype(np.float64)
                places = added.reshape(len(HORIZONS), numbers.size, -1, added.shape[-1])
                parts.append(places.sum(axis=2)[..., : rows.x.shape[1]])
        found = np.concatenate(parts, axis=1)
        return {
            minutes: Importance(shares((added**2).mean(axis=0)), shares(np.abs(added).mean(axis=0)))
            for minutes, added in zip(HORIZONS, found, strict=True)
        }


@dataclass(frozen=True)
class NetworkLearner:
    """Fits networks.

    Attributes:
        settings: of the job.
        architecture: what is fitted.
        past: rows that encoders may look back to.
        checkpoints: where progress is kept.
    """

    settings: NetworkSettings
    architecture: Architecture
    past: Seen | None
    checkpoints: Checkpoints

    def small(self) -> NetworkLearner:
        """One with few epochs."""
        return replace(self, settings=self.settings.small())

    def fit(self, name: str, rows: Rows, stopping: Rows | None) -> FittedNetwork:
        """As of `models.Learner`."""
        watched = None
        if stopping is not None and len(stopping.ts) >= FEWEST:
            watched = self._samples(evenly(stopping, MOST_WATCHED))
        learned = fit(
            f"{name}network", self.architecture, self.settings, self._samples(rows), watched, self.checkpoints
        )
        return FittedNetwork(
            self.settings, self.architecture, learned.network, self.past, learned.weights, learned.epochs
        )

    def _samples(self, rows: Rows) -> Samples:
        rows = rows.take(self.architecture.usable(rows.seen, self.past))
        outcome = [outcome_of(rows, horizon) - offset_of(rows, horizon) for horizon in self.settings.horizons]
        return Samples(
            self.architecture.batches(rows.seen, self.past), np.stack(outcome, axis=1).astype(np.float32)
        )


def versions() -> dict[str, str]:
    """As of `models.Kind`."""
    return {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}


def stopping_rule(settings: NetworkSettings, rows: int) -> str:
    """As of `models.Kind`."""
    return rule(rows, "epoch") + (f", of {MOST_WATCHED:,} at most" if rows > MOST_WATCHED else "")


def learner(
    settings: NetworkSettings, manifest: Manifest, sets: Mapping[str, Rows], checkpoints: Checkpoints
) -> NetworkLearner:
    """As of `models.Kind`."""
    past = None
    if isinstance(settings, TftSettings):
        past = Seen(
            np.concatenate([sets[name].ts for name in SETS]), np.concatenate([sets[name].x for name in SETS])
        )
    return NetworkLearner(
        settings, _architecture(settings, manifest.columns, manifest.scalers), past, checkpoints
    )


def load(about: Mapping[str, Any], files: Mapping[int, bytes], nthread: int) -> NetworkModel:
    """As of `models.Kind`."""
    settings = CLASSES[about["model"]](**about["hyperparameters"])
    architecture = _architecture(settings, about["columns"], about["scalers"])
    return NetworkModel(settings, architecture, loaded(architecture, files[HORIZONS[0]], nthread))


def _architecture(
    settings: NetworkSettings, columns: Sequence[str], scalers: Mapping[str, Mapping[str, float]]
) -> Architecture:
    """The one that settings are of; pytorch-forecasting is imported only where it is needed."""
    if isinstance(settings, TftSettings):
        from include.training.container.networks.tft import Tft

        return Tft(settings, columns, scalers)
    from include.training.container.networks.multi_task import MultiTask

    assert isinstance(settings, MultiTaskSettings)
    return MultiTask(settings, columns, scalers)
