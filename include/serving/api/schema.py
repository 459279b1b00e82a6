"""What clients send and what they are answered: schemas that validate it and make the OpenAPI document."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

LARGEST = 65_536  # bytes of a request
_REQUEST_ID = r"^[A-Za-z0-9._-]{1,64}$"  # as SageMaker takes them

RequestId = Annotated[str, StringConstraints(pattern=_REQUEST_ID)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Question(_Form):
    """Which forecast is asked for."""

    pair: str = Field(
        max_length=64, description="Currency pair in lower case, base currency first.", examples=["eurusd"]
    )
    request_id: RequestId | None = Field(
        default=None,
        description="Name of the request. It decides which model answers where two share a pair, always in "
        "the same way. Without one the header X-Request-Id counts, else a random one is made.",
    )


class Band(_Form):
    """A forecast with its interval at 90 %; low and high are null where a model has no interval."""

    value: float
    low: float | None
    high: float | None


class Horizon(Band):
    """The forecast of one horizon, in BQX units."""

    minutes: int = Field(description="How far ahead.")
    scaled: Band = Field(description="The same as (x - q) / s: the change in units of present volatility.")


class Forecast(_Form):
    """What the model says of one minute."""

    pair: str
    timestamp: str = Field(
        description="The minute that the features are of.", examples=["2024-07-26T12:34:00Z"]
    )
    as_of: str = Field(description="What time it was for the answer: the clock, or the end of the last bar.")
    horizons: list[Horizon] = Field(min_length=1, description="By minutes, ascending.")
    model_version: str = Field(
        description="First 16 hexadecimal digits of the SHA-256 of the decision record."
    )
    feature_hash: str = Field(description="SHA-256 of the model's list of columns.")
    request_id: str


class Health(_Form):
    """What the API reaches, and what it serves."""

    status: str = Field(examples=["ok"])
    endpoint: str
    routing: int = Field(description="Number of the routing table in force.")
    pairs: list[str] = Field(description="Pairs that are served.")
    request_id: str


class Problem(_Form):
    """Why there is no answer."""

    error: str = Field(description="Stable identifier of the problem.", examples=["unknown_pair"])
    message: str = Field(description="What is wrong, for a person.")
    request_id: str
