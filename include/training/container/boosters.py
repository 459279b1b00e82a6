"""The trees as a kind of model: one booster for each horizon."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from include.training.container.checkpoints import Checkpoints
from include.training.container.importance import (
    Importance,
    affordable_rows,
    evenly,
    importance,
    leaves_of,
)
from include.training.container.inference import scaled_prediction
from include.training.container.manifest import Manifest
from include.training.container.models import Floats, Seen
from include.training.container.rows import Rows
from include.training.container.settings import FOREST, Horizon, TreeSettings
from include.training.container.stopping import rule
from include.training.container.trees import Fitted, Learning, fit, grow


class Boosters(NamedTuple):
    """Boosters that were loaded.

    Attributes:
        by_minutes: by horizon.
    """

    by_minutes: Mapping[int, Any]

    def scaled(
        self, asked: Seen, offset: Mapping[int, Floats], past: Seen | None = None
    ) -> dict[int, Floats]:
        """As of `models.Model`; the past is not looked at."""
        return {
            minutes: scaled_prediction(booster, asked.x, offset[minutes])
            for minutes, booster in self.by_minutes.items()
        }


@dataclass(frozen=True)
class Trees:
    """Boosters that have just been fitted.

    Attributes:
        settings: of the job.
        columns: features, in order.
        fits: by horizon.
        boosters: the same, loaded.
    """

    settings: TreeSettings
    columns: tuple[str, ...]
    fits: Mapping[Horizon, Fitted]
    boosters: Boosters
    about: Mapping[str, Any] = field(default_factory=dict)

    def scaled(
        self, asked: Seen, offset: Mapping[int, Floats], past: Seen | None = None
    ) -> dict[int, Floats]:
        """As of `models.Model`."""
        return self.boosters.scaled(asked, offset)

    @property
    def files(self) -> dict[int, tuple[str, bytes]]:
        """One for each horizon."""
        return {each.minutes: (f"{each.name}.ubj", fitted.booster) for each, fitted in self.fits.items()}

    @property
    def rounds(self) -> dict[int, int]:
        """Of boosting; 1 for a forest."""
        return {horizon.minutes: fitted.rounds for horizon, fitted in self.fits.items()}

    def importance(self, rows: Rows) -> dict[int, Importance]:
        """Gain, and contributions on as many of the rows as can be afforded."""
        found = {}
        for horizon in self.fits:
            booster = self.boosters.by_minutes[horizon.minutes]
            shown = evenly(rows, affordable_rows(leaves_of(booster), self.settings.max_depth))
            found[horizon.minutes] = importance(booster, self.columns, shown, horizon)
        return found


class TreeLearner(NamedTuple):
    """Fits boosters.

    Attributes:
        settings: of the job.
        columns: features, in order.
        checkpoints: where progress is kept.
    """

    settings: TreeSettings
    columns: tuple[str, ...]
    checkpoints: Checkpoints

    def small(self) -> TreeLearner:
        """One with few rounds or trees."""
        return self._replace(settings=self.settings.small())

    def fit(self, name: str, rows: Rows, stopping: Rows | None) -> Trees:
        """As of `models.Learner`."""
        learning = Learning.of(self.settings, self.columns, rows, stopping)
        if not name:  # the model itself, not one of its folds
            grow(learning, self.settings, self.checkpoints)
        fits = {
            horizon: fit(f"{name}{horizon.name}", learning, horizon, self.settings, self.checkpoints)
            for horizon in self.settings.horizons
        }
        loaded = {each.minutes: fitted.load(self.settings.nthread) for each, fitted in fits.items()}
        return Trees(self.settings, self.columns, fits, Boosters(loaded))


def versions() -> dict[str, str]:
    """As of `models.Kind`."""
    import xgboost

    return {"xgboost": xgboost.__version__, "numpy": np.__version__, "python": platform.python_version()}


def stopping_rule(settings: TreeSettings, rows: int) -> str:
    """As of `models.Kind`."""
    return "a forest is one round" if settings.model == FOREST else rule(rows, "round")


def learner(
    settings: TreeSettings, manifest: Manifest, sets: Mapping[str, Rows], checkpoints: Checkpoints
) -> TreeLearner:
    """As of `models.Kind`."""
    return TreeLearner(settings, manifest.columns, checkpoints)


def load(about: Mapping[str, Any], files: Mapping[int, bytes], nthread: int) -> Boosters:
    """As of `models.Kind`."""
    import xgboost as xgb

    return Boosters(
        {
            minutes: xgb.Booster({"nthread": nthread}, model_file=bytearray(body))
            for minutes, body in files.items()
        }
    )
