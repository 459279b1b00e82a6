"""The hyperparameters of a job: read from strings, checked, with the defaults of each model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

from include.training.container.problem import JobProblem

FOREST, BOOSTING = "random_forest", "xgboost"
HORIZONS = (15, 30, 45, 60, 75)  # minutes; windows have the same values
REQUIRED = ("pair", "model", "dataset_id", "content_hash")
SHARED: dict[str, str] = {  # settings of every model
    "target_window": "matched",
    "seed": "7",
    "nthread": "1",
    "train_stride": "15",
    "max_train_rows": "20000",
    "backtest": "false",
    "fold_train_days": "60",
    "fold_test_days": "30",
    "fold_step_days": "7",
}
_COMMON = SHARED | {
    "trees": "200",
    "rounds": "500",
    "learning_rate": "0.05",
    "early_stopping_rounds": "50",
    "block_rounds": "25",
}
_OF_SAGEMAKER = ("sagemaker_", "_tuning_")  # of the toolkit, and of a tuning job


class Horizon(NamedTuple):
    """One forecast of a model: the BQX of a window, so many minutes ahead."""

    minutes: int
    window: int

    @property
    def name(self) -> str:
        """As in the names of files and metrics: ``h15``."""
        return f"h{self.minutes}"

    @property
    def target(self) -> str:
        """The column of the data set that holds the outcome."""
        return f"target__w{self.window}_h{self.minutes}"

    @property
    def shorter(self) -> int:
        """Window of the BQX that is the no-skill forecast; 0 if the no-skill forecast is 0."""
        return max(self.window - self.minutes, 0)


@dataclass(frozen=True)
class Settings:
    """What every job is asked for, whatever its model; docs/training.md explains each."""

    DEFAULTS: ClassVar[Mapping[str, Mapping[str, str]]] = {}  # by model, as text
    LEAST: ClassVar[Mapping[str, int]] = {
        "seed": 0, "nthread": 1, "train_stride": 1, "max_train_rows": 100, "fold_train_days": 1,
        "fold_test_days": 1, "fold_step_days": 1,
    }  # fmt: skip
    SHARES: ClassVar[tuple[str, ...]] = ()  # above 0, at most 1

    pair: str
    model: str
    dataset_id: str
    content_hash: str
    target_window: str
    seed: int
    nthread: int
    train_stride: int
    max_train_rows: int
    backtest: bool
    fold_train_days: int
    fold_test_days: int
    fold_step_days: int

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Read the strings that SageMaker hands over; those it adds itself are left out.

        Raises:
            JobProblem: a name is unknown, a value is missing or makes no sense; it is named.
        """
        given = {name: value for name, value in given.items() if not name.startswith(_OF_SAGEMAKER)}
        if missing := [name for name in REQUIRED if not given.get(name)]:
            raise JobProblem(
                f"Hyperparameter {missing[0]} is missing. Every job needs {', '.join(REQUIRED)}."
            )
        kinds = {field.name: str(field.type) for field in fields(cls)}
        if unknown := sorted(set(given) - set(kinds)):
            raise JobProblem(
                f"There is no hyperparameter {unknown[0]} of {given['model']}. There are {', '.join(kinds)}."
            )
        text = {**cls.DEFAULTS[given["model"]], **given}
        settings = cls(**{name: _value(name, kind, text[name]) for name, kind in kinds.items()})
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises:
            JobProblem: names one.
        """
        for name, least in self.LEAST.items():
            if getattr(self, name) < least:
                raise JobProblem(f"{name} is {getattr(self, name)}; it must be at least {least}.")
        for name in self.SHARES:
            if not 0 < getattr(self, name) <= 1:
                raise JobProblem(f"{name} is {getattr(self, name)}; it must be above 0 and at most 1.")
        if self.target_window not in ("matched", *map(str, HORIZONS)):
            windows = ", ".join(map(str, HORIZONS))
            raise JobProblem(f"target_window is {self.target_window!r}; write matched, or one of {windows}.")

    def small(self) -> Self:
        """The settings of a fit that shows how stable importance is: cheap beside the model itself."""
        return self

    @property
    def horizons(self) -> tuple[Horizon, ...]:
        """The five forecasts, by horizon."""
        matched = self.target_window == "matched"
        return tuple(Horizon(h, h if matched else int(self.target_window)) for h in HORIZONS)

    @property
    def windows(self) -> tuple[int, ...]:
        """Windows of BQX that training and inference need, ascending."""
        return tuple(sorted({w for each in self.horizons for w in (each.window, each.shorter) if w}))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def seed_of(self, *what: object) -> int:
        """The seed of one step, such as a block of rounds: 31 bits that differ from step to step."""
        text = json.dumps([self.seed, *what])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class TreeSettings(Settings):
    """Those of a forest or of boosting."""

    DEFAULTS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        FOREST: _COMMON
        | {"max_depth": "15", "subsample": "0.632", "min_child_weight": "10", "colsample_bynode": "0.33"},
        BOOSTING: _COMMON
        | {"max_depth": "8", "subsample": "0.8", "min_child_weight": "1", "colsample_bynode": "1.0"},
    }
    LEAST = {**Settings.LEAST} | dict.fromkeys(
        ("trees", "rounds", "max_depth", "early_stopping_rounds", "block_rounds"), 1
    )
    SHARES = ("learning_rate", "subsample", "colsample_bynode")

    trees: int
    rounds: int
    max_depth: int
    learning_rate: float
    subsample: float
    min_child_weight: float
    colsample_bynode: float
    early_stopping_rounds: int
    block_rounds: int

    def check(self) -> None:
        """As of `Settings.check`."""
        super().check()
        if not 0 <= self.min_child_weight < float("inf"):
            raise JobProblem(f"min_child_weight is {self.min_child_weight}; it must be 0 or more.")

    def small(self) -> Self:
        """Ten rounds or trees at most, of depth 4: the columns that matter come first."""
        return replace(
            self,
            rounds=min(self.rounds, 10),
            trees=min(self.trees, 10),
            max_depth=min(self.max_depth, 4),
        )


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "str":
        return text
    if kind == "bool":
        if text not in ("true", "false"):
            raise JobProblem(f"{name} is {text!r}; write true or false.")
        return text == "true"
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:
        raise JobProblem(f"{name} is {text!r}; it must be a {'whole ' * (kind == 'int')}number.") from None
