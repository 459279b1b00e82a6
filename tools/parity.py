"""Compare a day of `bqx_predict` with what the endpoint answers, minute by minute.

    make run && . .local/env && python -m tools.parity --day 2024-07-30 [--pairs eurusd,usdjpy]

Every minute of the day that was forecast is asked of the endpoint by itself, as the API asks. Its columns are
those of the day; every 60th minute has them computed alone, as the API does. Ends with 1 if a number differs.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import boto3
from psycopg import sql
from rich.console import Console

from include.names import SCHEMA, to_minute
from include.objects import ObjectStore
from include.pairs import PAIRS
from include.serving import online, routing
from include.serving.batch import DAY, known
from include.serving.container import wire
from include.serving.routing import Target
from include.storage.connection import Connection, connect
from include.storage.tables import PREDICTION_COLUMNS, PREDICTIONS, table_of

ALONE = 60  # every so many minutes the columns are computed alone
TOLERANCE = 1e-9  # relative


class Compared(NamedTuple):
    """What the comparison of a pair found.

    Attributes:
        minutes: with a forecast in the table.
        largest: relative difference, over all horizons and bounds of intervals.
        absent: minutes with a forecast in the table that lack an input now.
    """

    minutes: int
    largest: float
    absent: int


class Endpoint(NamedTuple):
    """Where models are asked."""

    client: Any
    name: str

    def ask(self, target: Target, rows: wire.Rows) -> list[float]:
        """Value and interval of every horizon, for one row."""
        body = wire.request(target.version, target.feature_hash, rows)
        answer = self.client.invoke_endpoint(
            EndpointName=self.name, TargetModel=target.target, ContentType=wire.CONTENT_TYPE, Body=body
        )
        told = wire.read_answer(answer["Body"].read())
        return [float(values[0]) for horizon in told.horizons for values in horizon.raw]


def compare(
    connection: Connection, endpoint: Endpoint, table: routing.Routing, pair: str, first: int
) -> Compared:
    """Compare the day of a pair that begins with an epoch minute."""
    target = table.pairs[pair].champion
    columns, windows = table.columns[target.feature_hash], dict(target.windows)
    stored = _stored(connection, pair, first)
    day = online.many(connection, [pair], first, first + DAY, columns, windows)[pair]
    forecast = known(day)
    largest = 0.0
    for place in forecast.nonzero()[0].tolist():
        minute = int(day.ts[place])
        rows = _rows(day, place)
        if place % ALONE == 0:
            alone = online.rows(connection, [pair], minute, columns, windows)[pair]
            rows = rows._replace(features=alone.features[None, :])
        told, kept = endpoint.ask(target, rows), stored.pop(minute, [math.nan])
        largest = max(largest, *map(_difference, told, kept)) if len(told) == len(kept) else math.inf
    return Compared(int(forecast.sum()), largest, len(stored))


def _stored(connection: Connection, pair: str, first: int) -> dict[int, list[float]]:
    """What `bqx_predict` wrote, by minute; without rows that have no forecast."""
    names = [name for name in PREDICTION_COLUMNS if name.endswith(("_value", "_low", "_high"))]
    query = sql.SQL(
        "SELECT extract(epoch FROM ts_utc)::BIGINT / 60, {} FROM {} "
        "WHERE ts_utc >= to_timestamp(%s) AND ts_utc < to_timestamp(%s) AND h15_value IS NOT NULL"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier(SCHEMA, table_of(PREDICTIONS, pair).name),
    )
    found = connection.execute(query, [first * 60, (first + DAY) * 60]).fetchall()
    return {
        int(str(minute)): [math.nan if value is None else float(str(value)) for value in values]
        for minute, *values in found
    }


def _rows(day: online.Rows, place: int) -> wire.Rows:
    at = slice(place, place + 1)
    q, s = ({window: values[at] for window, values in known.items()} for known in (day.q, day.s))
    return wire.Rows(day.ts[at], day.features[at], q, s)


def _difference(one: float, other: float) -> float:
    if math.isnan(one) and math.isnan(other):
        return 0.0
    found = abs(one - other) / max(abs(one), abs(other), 1e-300)
    return math.inf if math.isnan(found) else found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and tell; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__.split("\n")[0])
    parser.add_argument("--day", type=date.fromisoformat, required=True, help="a day that bqx_predict wrote")
    parser.add_argument("--pairs", type=lambda text: text.split(","), help="without it every pair served")
    options = parser.parse_args(arguments)
    first = to_minute(datetime.combine(options.day, datetime.min.time(), UTC))
    bucket = ObjectStore(boto3.client("s3"), os.environ["BQX_S3_BUCKET"], "")
    table = routing.read(bucket)
    endpoint = Endpoint(boto3.client("sagemaker-runtime"), table.endpoint)
    console, worst = Console(), 0.0
    with connect(os.environ["BQX_DATABASE_URL"]) as connection:
        for pair in options.pairs or [pair for pair in PAIRS if pair in table.pairs]:
            began = time.monotonic()
            found = compare(connection, endpoint, table, pair, first)
            console.print(
                f"{pair}  {found.minutes:5} minutes, largest relative difference {found.largest:.1e}, "
                f"{found.absent} only in the table, {time.monotonic() - began:.0f} s",
                soft_wrap=True,
            )
            worst = max(worst, found.largest, math.inf if found.absent or not found.minutes else 0.0)
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
