"""One forecast: time, routing table, features, endpoint, and the check that the right model answered."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import numpy as np

from include.errors import MissingInput, StaleInput
from include.pairs import PAIRS
from include.serving.api import runtime, schema
from include.serving.api.database import Database
from include.serving.api.problems import Problem, mismatch, not_served, stale, unavailable, unknown_pair
from include.serving.api.records import Record
from include.serving.captures import Capture, Said
from include.serving.container import wire
from include.serving.routing import Routing, Target
from include.storage.connection import Connection


class Row(Protocol):
    """What a model needs of one minute; `include.serving.online.Row`."""

    @property
    def minute(self) -> int:
        """Epoch minutes."""

    @property
    def features(self) -> wire.Floats:
        """In the order of the columns that were asked for."""

    @property
    def q(self) -> Mapping[int, float]:
        """BQX by window."""

    @property
    def s(self) -> Mapping[int, float]:
        """Its volatility by window."""


class Inputs(NamedTuple):
    """The newest row of a pair.

    Attributes:
        as_of: what time it is for the answer, epoch minutes.
        row: the row.
    """

    as_of: int
    row: Row


class Features(Protocol):
    """Where the newest row of a pair comes from."""

    def __call__(
        self, connection: Connection, pair: str, columns: Sequence[str], windows: Mapping[int, int]
    ) -> Inputs:
        """The row.

        Args:
            connection: to the database.
            pair: whose row.
            columns: of the model, in its order.
            windows: of the BQX that is forecast, by horizon in minutes.

        Raises:
            MissingInput: there is no such row.
            StaleInput: the newest row is too old.
        """


class Predictor:
    """Answers questions. Safe to be used by several threads, each with a database session of its own.

    Args:
        routing: gives the routing table in force.
        features: gives the newest row of a pair.
        client: boto3 client of ``sagemaker-runtime``.
        endpoint: its name.
    """

    def __init__(
        self, routing: Callable[[], Routing], features: Features, client: Any, endpoint: str
    ) -> None:
        self._routing, self._features, self._client, self.endpoint = routing, features, client, endpoint

    def predict(self, database: Database, question: schema.Question, record: Record) -> schema.Forecast:
        """The forecast that is asked for.

        Args:
            database: session of this thread.
            question: what is asked.
            record: told what is known, and what each part takes.

        Raises:
            Problem: there is no forecast; says why.
        """
        pair = question.pair
        if pair not in PAIRS:
            raise unknown_pair(pair)
        routing = self._routing()
        if pair not in routing.pairs:
            raise not_served(pair)
        target = routing.choose(pair, record.request_id)
        record.version = target.version
        columns, windows = _schema(routing, target)
        with record.timed("features"):
            inputs = self._row(database, pair, columns, windows)
        told = wire.request(target.version, target.feature_hash, _rows(inputs.row))
        with record.timed("endpoint"):
            body = runtime.invoke(self._client, self.endpoint, target.target, told, record.request_id)
        answer = _checked(body, pair, target, inputs.row.minute)
        record.capture = Capture(
            pair,
            inputs.row.minute,
            inputs.as_of,
            record.request_id,
            answer.version,
            hashlib.sha256(told).hexdigest(),
            tuple(_said(each) for each in answer.horizons),
        )
        return schema.Forecast(
            pair=pair,
            timestamp=wire.text_of(inputs.row.minute),
            as_of=wire.text_of(inputs.as_of),
            horizons=[_horizon(each) for each in answer.horizons],
            model_version=answer.version,
            feature_hash=answer.feature_hash,
            request_id=record.request_id,
        )

    def health(self, database: Database, record: Record) -> schema.Health:
        """Whether what a forecast needs is there. The endpoint is not asked: that costs an invocation.

        Raises:
            Problem: something is not there.
        """
        database.read(lambda connection: connection.execute("SELECT 1").fetchone())
        routing = self._routing()
        return schema.Health(
            status="ok",
            endpoint=self.endpoint,
            routing=routing.number,
            pairs=sorted(routing.pairs),
            request_id=record.request_id,
        )

    def warm(self, database: Database) -> bool:
        """Make a row of a pair that is served, so that the first request does not wait for machine code.

        Args:
            database: a session.

        Returns:
            False if no pair is served yet.

        Raises:
            Problem: it could not be made.
        """
        routing = self._routing()
        for pair, route in routing.pairs.items():
            columns, windows = _schema(routing, route.champion)
            self._row(database, pair, columns, windows)
            return True
        return False

    def keep_warm(self) -> int:
        """Ask every model that may answer about a row of zeros: SageMaker drops what nobody asks for.

        Returns:
            How many answered.

        Raises:
            Problem: the routing table cannot be read.
        """
        routing = self._routing()
        answered = 0
        for pair, route in routing.pairs.items():
            for target in route.targets:
                columns, windows = _schema(routing, target)
                told = wire.request(target.version, target.feature_hash, _zeros(len(columns), windows))
                with suppress(Problem):  # the log has it, and the next round asks again
                    runtime.invoke(self._client, self.endpoint, target.target, told, f"keep-warm-{pair}")
                    answered += 1
        return answered

    def _row(
        self, database: Database, pair: str, columns: Sequence[str], windows: Mapping[int, int]
    ) -> Inputs:
        try:
            return database.read(lambda connection: self._features(connection, pair, columns, windows))
        except StaleInput as error:
            raise stale("stale_data", str(error)) from error
        except MissingInput as error:
            raise stale("missing_data", str(error)) from error


def _schema(routing: Routing, target: Target) -> tuple[Sequence[str], Mapping[int, int]]:
    """Columns of a model, and the window of its target by horizon."""
    return routing.columns[target.feature_hash], dict(target.windows)


def _zeros(columns: int, windows: Mapping[int, int]) -> wire.Rows:
    """A row of no market."""
    q = {*windows.values(), *(window - minutes for minutes, window in windows.items() if minutes < window)}
    return wire.Rows(
        np.zeros(1, np.int64),
        np.zeros((1, columns)),
        {window: np.zeros(1) for window in sorted(q)},
        {window: np.ones(1) for window in sorted(set(windows.values()))},
    )


def _rows(row: Row) -> wire.Rows:
    q, s = ({window: np.array([value]) for window, value in known.items()} for known in (row.q, row.s))
    return wire.Rows(np.array([row.minute], np.int64), np.atleast_2d(row.features), q, s)


def _checked(body: bytes, pair: str, target: Target, minute: int) -> wire.Answer:
    """The answer, if it is that of the model and of the minute that were asked for."""
    try:
        answer = wire.read_answer(body)
    except wire.Refused as error:
        raise unavailable("endpoint", f"The endpoint's answer cannot be read: {error.message}") from error
    asked = (pair, target.version, target.feature_hash, [minute])
    if (answer.pair, answer.version, answer.feature_hash, answer.ts.tolist()) != asked:
        raise mismatch(
            f"Model {target.version} of {pair} was asked; model {answer.version} of {answer.pair} answered."
        )
    if not answer.horizons or not all(math.isfinite(each.raw.value[0]) for each in answer.horizons):
        raise unavailable("endpoint", f"Model {target.version} of {pair} answered without a number.")
    return answer


def _said(told: wire.Horizon) -> Said:
    return Said(told.minutes, told.window, **_band(told.raw))


def _horizon(told: wire.Horizon) -> schema.Horizon:
    raw, scaled = _band(told.raw), _band(told.scaled)
    return schema.Horizon(minutes=told.minutes, **raw, scaled=schema.Band(**scaled))


def _band(values: wire.Values) -> dict[str, Any]:
    value, low, high = (float(each[0]) for each in values)
    return {"value": value, "low": _known(low), "high": _known(high)}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
