"""The handler with everything it needs: database, bucket, endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from include.objects import ObjectStore
from include.serving import routing
from include.serving.api import runtime
from include.serving.api.capturing import Capturing
from include.serving.api.database import Database
from include.serving.api.handler import Handler, Head
from include.serving.api.memory import Memory
from include.serving.api.predictor import Features, Inputs, Predictor, Row
from include.serving.api.settings import PATIENCE, Settings
from include.serving.api.tables import FRESH, Table
from include.serving.api.throttle import Throttle
from include.serving.api.workers import Workers
from include.serving.captures import Sink
from include.storage.connection import Connection

_CONNECTING, _READING = 0.5, 1.0  # seconds, of the bucket


def make_handler(settings: Settings, may_ask: Callable[[Head], bool]) -> Handler:
    """The handler.

    Args:
        settings: what it must be told.
        may_ask: whether a request comes from somebody who may ask.
    """
    bucket = ObjectStore(_client_of_s3(settings.threads), settings.bucket, "")
    predictor = Predictor(
        Table(partial(routing.read, bucket)),
        newest_row(settings.as_of, settings.oldest),
        runtime.client(settings.threads),
        settings.endpoint,
    )
    workers = Workers(
        partial(Database, settings.database_url),
        threads=settings.threads,
        room=settings.room,
        patience=PATIENCE,
    )
    share = settings.captured / 100
    capturing = Capturing(Sink(settings.database_url), share=share) if share else None
    return Handler(predictor, workers, Throttle(settings.rate, settings.burst), may_ask, capturing)


def newest_row(mode: str, oldest: int) -> Features:
    """The newest row of a pair that is known now.

    Args:
        mode: what time it is, see `include.serving.clock`.
        oldest: minutes since it was over, above which it is refused.
    """
    memory: Memory[Row] = Memory()
    moments = _Moments(mode)

    def features(
        connection: Connection, pair: str, columns: Sequence[str], windows: Mapping[int, int]
    ) -> Inputs:
        from include.serving import clock, online  # they load the compiler: servers listen before it is there

        moment = moments(connection)
        minute = clock.newest_row(connection, pair, moment, oldest)
        row = memory.get(
            (pair, minute, tuple(columns), tuple(windows.items())),
            lambda: online.rows(connection, [pair], minute, columns, windows)[pair],
        )
        return Inputs(moment, row)

    return features


class _Moments:
    """What time it is. Where bars end is looked up once in a while: no request waits for 28 looks.

    Args:
        mode: see `include.serving.clock`.
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._known: tuple[int, float] | None = None

    def __call__(self, connection: Connection) -> int:
        """The moment that counts as now, an epoch minute."""
        from include.serving import clock

        known = self._known
        if self._mode == clock.LAST_BAR and known is not None and time.monotonic() - known[1] < FRESH:
            return known[0]
        moment = clock.as_of(connection, self._mode)
        self._known = moment, time.monotonic()
        return moment


def _client_of_s3(connections: int) -> Any:
    import boto3
    from botocore.config import Config

    settings = Config(
        connect_timeout=_CONNECTING,
        read_timeout=_READING,
        retries={"total_max_attempts": 1},
        max_pool_connections=connections,
    )
    return boto3.client("s3", config=settings)
