"""What every kind of model offers to the job and to inference, and where the code of each kind is.

The job and inference do not ask which kind a model is of. Only this module does, and it loads the code of the
one that is wanted: trees never load torch, and their archive does not have the package ``networks`` at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from include.training.container.problem import JobProblem
from include.training.container.sets import Minutes
from include.training.container.settings import BOOSTING, FOREST, TreeSettings

if TYPE_CHECKING:
    from include.training.container.checkpoints import Checkpoints
    from include.training.container.importance import Importance
    from include.training.container.manifest import Manifest
    from include.training.container.rows import Rows
    from include.training.container.settings import Settings

TREES = (FOREST, BOOSTING)
NETWORKS = ("tft", "multi_task")
MODELS = TREES + NETWORKS

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


class Seen(NamedTuple):
    """Rows as a model sees them, in time order.

    Attributes:
        ts: epoch minutes, (rows,); empty if nobody said them.
        x: features in the order of the model, (rows, columns).
    """

    ts: Minutes
    x: Singles


class Model(Protocol):
    """What forecasts all horizons of a pair."""

    def scaled(
        self, asked: Seen, offset: Mapping[int, Floats], past: Seen | None = None
    ) -> dict[int, Floats]:
        """The scaled delta of every horizon in minutes, its offset included, (rows,) each.

        Args:
            asked: rows to forecast.
            offset: the no-skill forecast as scaled delta, by horizon.
            past: rows before, for a model that looks back.

        Raises:
            JobProblem: a row cannot be forecast; says why.
        """


class Fitted(Model, Protocol):
    """A model that has just been fitted."""

    @property
    def files(self) -> Mapping[int, tuple[str, bytes]]:
        """Name and content of the file of each horizon; horizons may share one."""

    @property
    def rounds(self) -> Mapping[int, int]:
        """Rounds of boosting, or epochs, that were kept, by horizon."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What model.json says of this kind besides."""

    def importance(self, rows: Rows) -> dict[int, Importance]:
        """Shares of the columns on some rows, by horizon."""


class Learner(Protocol):
    """Fits models of one kind, with the settings and checkpoints of a job."""

    def small(self) -> Learner:
        """One whose models are cheap beside the model itself."""

    def fit(self, name: str, rows: Rows, stopping: Rows | None) -> Fitted:
        """Fit all horizons, or go on where checkpoints end.

        Args:
            name: prefix of the checkpoints and of the seeds.
            rows: to learn from, usable for all horizons.
            stopping: likewise, to stop by.
        """


class Kind(Protocol):
    """The module with the code of a kind."""

    def versions(self) -> dict[str, str]:
        """Of the libraries that decide on the numbers."""

    def stopping_rule(self, settings: Any, rows: int) -> str:
        """How the number of rounds is found with so many rows to stop by, in words."""

    def learner(
        self, settings: Any, manifest: Manifest, sets: Mapping[str, Rows], checkpoints: Checkpoints
    ) -> Learner:
        """What fits the models of a job; `sets` are all rows of the pair."""

    def load(self, about: Mapping[str, Any], files: Mapping[int, bytes], nthread: int) -> Model:
        """A model from its model.json and the content of the file of each horizon."""


def settings_of(given: Mapping[str, str]) -> Settings:
    """Read the hyperparameters of a job.

    Raises:
        JobProblem: there is no such model, or a setting is wrong.
    """
    model = given.get("model")
    if model in NETWORKS:
        from include.training.container.networks.settings import CLASSES

        return CLASSES[model].of(given)
    if model and model not in TREES:
        raise JobProblem(f"model is {model!r}; write {' or '.join(MODELS)}.")
    return TreeSettings.of(given)


def kind_of(model: str) -> Kind:
    """The code of the kind that a model is of."""
    if model in NETWORKS:
        from include.training.container.networks import kind

        return kind
    from include.training.container import boosters

    return boosters


def shares(values: Sequence[float] | Floats) -> Floats:
    """Values that are not negative as shares that sum to 1; all 0 if nothing is there."""
    given = np.asarray(values, np.float64)
    total = given.sum()
    return given / total if total > 0 else np.zeros_like(given)
