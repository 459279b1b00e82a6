"""The rule table that chooses the model of a pair and says whether it may be deployed.

Only scores on the validation set choose. The more complex model has to be better by a margin; a tie, a score
that is not a number and a model that is missing leave the simpler one where it is, unless that is worse than
no skill.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from include.training.truth.bootstrap import LEAST_DAYS

__all__ = [
    "BASELINES", "CORRELATED", "DEPLOYMENT", "ENSEMBLE", "FOREST", "G1_MARGIN", "G3_MARGIN", "GAIN", "MODELS",
    "MULTI_TASK", "NETWORKS", "SELECTION", "TFT", "WEIGHTS", "XGBOOST", "Case", "Deployment", "Incumbent",
    "Selection", "deploy", "select",
]  # fmt: skip

FOREST, XGBOOST, MULTI_TASK, TFT, ENSEMBLE = "random_forest", "xgboost", "multi_task", "tft", "ensemble"
BASELINES = (FOREST, XGBOOST)  # simpler ones first
NETWORKS = (MULTI_TASK, TFT)
MODELS = (*BASELINES, *NETWORKS, ENSEMBLE)
WEIGHTS = {XGBOOST: 0.40, TFT: 0.35, FOREST: 0.25}  # of the ensemble

G1_MARGIN = 0.03  # of R2, by which XGBoost has to beat the random forest
G3_MARGIN = 0.04  # by which a network has to beat what is simpler
GAIN = 0.02  # by which the ensemble has to beat the best single model
CORRELATED = 0.85  # what its models add to the no-skill forecast has to correlate less


class Incumbent(NamedTuple):
    """The model of the pair that may be deployed by an earlier decision.

    Attributes:
        same_rows: it was scored on the same data set with the same windows, so R2 can be compared.
        r2: of it, on validation.
    """

    same_rows: bool
    r2: float


@dataclass(frozen=True)
class Case:
    """What is known of a pair when its model is chosen.

    Attributes:
        scores: R2 of raw q on validation, mean over horizons, of each model that could be scored.
        days: trading days of validation, of which the earlier half is judged.
        skilled: models with a verdict of skill on validation, for at least one horizon.
        worse: models worse than no skill on validation: the interval of their mean skill lies below 0.
        approved: gate G2 opened for the pair, and a person approved the networks.
        correlation: the largest between two models of the ensemble; NaN if it is not known.
        suspicious: gate G0 fired on test for any model of the pair.
        incumbent: None if no earlier model may be deployed.
    """

    scores: Mapping[str, float]
    days: int
    skilled: Collection[str] = field(default_factory=frozenset)
    worse: Collection[str] = field(default_factory=frozenset)
    approved: bool = False
    correlation: float = math.nan
    suspicious: bool = False
    incumbent: Incumbent | None = None

    @property
    def enough_days(self) -> bool:
        """Whether a gate may open."""
        return self.days >= LEAST_DAYS

    @property
    def refused(self) -> dict[str, str]:
        """Why models that have a score take no part."""
        reasons = {}
        for model, r2 in self.scores.items():
            if not math.isfinite(r2):
                reasons[model] = "its R2 on validation is not a number"
            elif model in (*NETWORKS, ENSEMBLE) and not self.approved:
                reasons[model] = "gate G2 did not open for it with an approval"
        return reasons

    @property
    def r2(self) -> dict[str, float]:
        """R2 of the models that take part."""
        return {model: r2 for model, r2 in self.scores.items() if model not in self.refused}

    @property
    def baselines(self) -> tuple[str, ...]:
        """Those that take part, simpler ones first."""
        return tuple(model for model in BASELINES if model in self.r2)

    def replaces(self, network: str) -> bool:
        """Gate G3: the network beats every baseline by the margin, and a simpler network that does so too."""
        rivals = [*self.baselines, *filter(self.replaces, NETWORKS[: NETWORKS.index(network)])]
        least = max((self.r2[model] for model in rivals), default=math.inf) + G3_MARGIN
        return network in self.r2 and self.r2[network] > least

    @property
    def mixes(self) -> bool:
        """The ensemble has all its models, they differ, and it beats the best single model by enough."""
        if not {ENSEMBLE, *WEIGHTS} <= self.r2.keys() or not self.correlation < CORRELATED:
            return False
        return self.r2[ENSEMBLE] > self.r2[_first(SINGLE, self).model(self)] + GAIN


@dataclass(frozen=True)
class Selection:
    """A row of the table that chooses.

    Attributes:
        name: of the row, in the decision record.
        holds: whether the row applies, if none above it does.
        model: what is chosen; empty for no model.
        words: why, for people.
    """

    name: str
    holds: Callable[[Case], bool]
    model: Callable[[Case], str]
    words: str


@dataclass(frozen=True)
class Deployment:
    """A row of the table that says whether what was chosen may be deployed.

    Attributes:
        name: of the row, in the decision record.
        holds: whether the row applies to a case and the chosen model, if none above it does.
        allowed: whether the model may be deployed.
        words: why, for people.
    """

    name: str
    holds: Callable[[Case, str], bool]
    allowed: bool
    words: str


SINGLE = (
    Selection(
        "G3: TFT", lambda case: case.replaces(TFT), lambda _: TFT,
        "TFT beats every simpler model by more than 0.04 of R2 on validation (gate G3).",
    ),
    Selection(
        "G3: multi-task network", lambda case: case.replaces(MULTI_TASK), lambda _: MULTI_TASK,
        "The multi-task network beats both baselines by more than 0.04 of R2 on validation (gate G3).",
    ),
    Selection(
        "only baseline", lambda case: len(case.baselines) == 1, lambda case: case.baselines[0],
        "There is only one baseline that can be compared, and nothing beats it.",
    ),
    Selection(
        "G1: XGBoost", lambda case: case.r2[XGBOOST] > case.r2[FOREST] + G1_MARGIN, lambda _: XGBOOST,
        "XGBoost beats the random forest by more than 0.03 of R2 on validation (gate G1).",
    ),
    Selection(
        "the forest is worse than no skill",
        lambda case: {FOREST, XGBOOST} & {*case.worse} == {FOREST} and case.r2[XGBOOST] > case.r2[FOREST],
        lambda _: XGBOOST,
        "The random forest is worse than the no-skill forecast on validation, beyond chance, and XGBoost is "
        "not: that the forest is simpler does not count.",
    ),
    Selection(
        "G1: random forest", lambda _: True, lambda _: FOREST,
        "XGBoost does not beat the random forest by more than 0.03 of R2 on validation (gate G1): the "
        "simpler model stays.",
    ),
)  # fmt: skip

SELECTION = (
    Selection(
        "no baseline", lambda case: not case.baselines, lambda _: "",
        "No baseline can be scored, and nothing else can be compared without one.",
    ),
    Selection(
        "too few days", lambda case: not case.enough_days, lambda case: case.baselines[0],
        f"Validation has fewer than {LEAST_DAYS} trading days, so no gate opens and the simplest model that "
        "there is stays.",
    ),
    Selection(
        "ensemble", lambda case: case.mixes, lambda _: ENSEMBLE,
        "The ensemble beats the best single model by more than 0.02 of R2 on validation, and what its models "
        "add correlates less than 0.85.",
    ),
    *SINGLE,
)  # fmt: skip
"""First row that holds: which model is chosen."""

DEPLOYMENT = (
    Deployment(
        "no model", lambda _, model: not model, False,
        "There is no model to deploy.",
    ),
    Deployment(
        "suspicious", lambda case, _: case.suspicious, False,
        "A score of this pair on test is too good to be honest (gate G0): nothing is deployed before a "
        "leakage audit.",
    ),
    Deployment(
        "too few days beside an incumbent",
        lambda case, _: not case.enough_days and case.incumbent is not None, False,
        "So few days cannot show that it is better than the model that may be deployed already.",
    ),
    Deployment(
        "the incumbent is better", lambda case, model: _is_better(case.incumbent, case.r2[model]), False,
        "The model that may be deployed already has a higher R2 on the same rows.",
    ),
    Deployment(
        "skill", lambda case, model: case.enough_days and model in case.skilled, True,
        "It shows skill on validation for at least one horizon.",
    ),
    Deployment(
        "unproven", lambda *_: True, True,
        "It is unproven: validation does not show that it foresees more than the no-skill forecast. It may "
        "be deployed, because the no-skill forecast is part of it, but nobody should rely on more than that.",
    ),
)  # fmt: skip
"""First row that holds: whether it may be deployed."""


def select(case: Case) -> Selection:
    """The row that chooses the model of a pair."""
    return _first(SELECTION, case)


def deploy(case: Case, model: str) -> Deployment:
    """The row that says whether the chosen model may be deployed.

    Args:
        case: of the pair.
        model: what `select` chose, empty for no model.
    """
    return next(row for row in DEPLOYMENT if row.holds(case, model))


def _first(rows: tuple[Selection, ...], case: Case) -> Selection:
    return next(row for row in rows if row.holds(case))


def _is_better(incumbent: Incumbent | None, r2: float) -> bool:
    return incumbent is not None and incumbent.same_rows and incumbent.r2 > r2
