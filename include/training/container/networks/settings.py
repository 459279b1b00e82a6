"""The hyperparameters of the networks; their defaults are the plan's values where it has some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self, TypeVar

from include.training.container.networks.calendar import CALENDAR, checked
from include.training.container.problem import JobProblem
from include.training.container.sets import DAY
from include.training.container.settings import HORIZONS, SHARED, Settings

Number = TypeVar("Number", int, float)
_COMMON = SHARED | {
    "epochs": "30",
    "batch_size": "256",
    "learning_rate": "0.001",
    "dropout": "0.1",
    "patience": "5",
}


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Those of every network."""

    LEAST = {**Settings.LEAST} | dict.fromkeys(("epochs", "batch_size", "patience"), 1)
    SHARES = ("learning_rate",)

    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float
    patience: int  # epochs without improvement after which learning stops

    def check(self) -> None:
        """As of `Settings.check`."""
        super().check()
        if not 0 <= self.dropout < 1:
            raise JobProblem(f"dropout is {self.dropout}; it must be at least 0 and below 1.")

    def small(self) -> Self:
        """Two epochs at most."""
        return replace(self, epochs=min(self.epochs, 2))


@dataclass(frozen=True)
class MultiTaskSettings(NetworkSettings):
    """Those of the network with shared layers and one head for each horizon."""

    DEFAULTS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "multi_task": _COMMON | {"layers": "256,128,64", "loss_weights": "0.10,0.15,0.20,0.25,0.30"}
    }

    layers: str
    loss_weights: str

    def check(self) -> None:
        """As of `Settings.check`."""
        super().check()
        if not self.sizes or min(self.sizes) < 1:
            raise JobProblem(f"layers is {self.layers!r}; write whole numbers above 0, such as 256,128,64.")
        if len(self.weights) != len(HORIZONS) or not all(0 < weight < 1e6 for weight in self.weights):
            raise JobProblem(
                f"loss_weights is {self.loss_weights!r}; write {len(HORIZONS)} numbers above 0, one for each "
                "horizon."
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the shared layers."""
        return _numbers(self.layers, int)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the horizons in the loss."""
        return _numbers(self.loss_weights, float)


@dataclass(frozen=True)
class TftSettings(NetworkSettings):
    """Those of the temporal fusion transformer."""

    DEFAULTS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tft": _COMMON
        | {
            "batch_size": "64",
            "hidden_size": "64",
            "attention_heads": "4",
            "hidden_continuous_size": "16",
            "encoder_length": "24",
            "encoder_step": "5",
            "known_inputs": ",".join(CALENDAR),
        }
    }
    LEAST = {**NetworkSettings.LEAST} | dict.fromkeys(
        ("hidden_size", "attention_heads", "hidden_continuous_size", "encoder_length", "encoder_step"), 1
    )
    FARTHEST: ClassVar[int] = DAY  # minutes of looking back: as long as s is unknown in any case

    hidden_size: int
    attention_heads: int
    hidden_continuous_size: int
    encoder_length: int
    encoder_step: int  # minutes
    known_inputs: str

    def check(self) -> None:
        """As of `Settings.check`."""
        super().check()
        checked(self.known)
        if self.hidden_size % self.attention_heads:
            raise JobProblem(
                f"hidden_size {self.hidden_size} is no multiple of attention_heads {self.attention_heads}."
            )
        if self.reach > self.FARTHEST:
            raise JobProblem(
                f"encoder_length {self.encoder_length} times encoder_step {self.encoder_step} looks back "
                f"{self.reach} minutes; {self.FARTHEST} are the most."
            )

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the inputs that are known ahead."""
        return tuple(name.strip() for name in self.known_inputs.split(",") if name.strip())

    @property
    def reach(self) -> int:
        """Minutes from the row that is asked about back to the first of its encoder."""
        return (self.encoder_length - 1) * self.encoder_step


CLASSES: Mapping[str, type[NetworkSettings]] = {"tft": TftSettings, "multi_task": MultiTaskSettings}


def _numbers(text: str, kind: type[Number]) -> tuple[Number, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        return ()
