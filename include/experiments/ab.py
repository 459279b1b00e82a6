"""What came of an A/B test: answers of champion and challenger that were captured, and what then happened.

A request is answered by one of both, by a hash of its id, so the answers of a day are split by chance. The
gain of an answer is by how much its error is smaller than that of the no-skill forecast, squared and scaled,
so that volatility and horizon do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from include.errors import BadParameter
from include.experiments.sequential import Verdict, judge
from include.features.arrays import Floats, Minutes
from include.monitoring import actuals
from include.monitoring.forecasts import Forecasts, read_captured
from include.objects import ObjectStore
from include.serving import routing
from include.storage.connection import Connection
from include.training.truth import theory
from include.training.truth.groups import trading_days

__all__ = ["Day", "Result", "days_of", "result"]

HALF = 0.5  # share of the challenger, at which both arms of a day are alike


class Day(NamedTuple):
    """A trading day of both arms.

    Attributes:
        day: days since 1970.
        champion, challenger: mean gain of their answers.
        answers: of both, horizons counted.
    """

    day: int
    champion: float
    challenger: float
    answers: tuple[int, int]


class Result(NamedTuple):
    """Where a test stands.

    Attributes:
        pair: for example ``eurusd``.
        champion, challenger: versions.
        days: with answers of both.
        verdict: on them.
    """

    pair: str
    champion: str
    challenger: str
    days: tuple[Day, ...]
    verdict: Verdict


def result(connection: Connection, bucket: ObjectStore, pair: str, since: int, as_of: int) -> Result:
    """Where the test of a pair stands; it may be asked at any time.

    Args:
        connection: a session outside of a transaction.
        bucket: the whole bucket: the routing table says which versions are compared.
        pair: for example ``eurusd``.
        since: epoch minute from which answers count: not before the split began.
        as_of: epoch minute that counts as now.

    Raises:
        BadParameter: the pair has no challenger, or not at one half.
    """
    route = routing.read(bucket).pairs.get(pair)
    if route is None or route.challenger is None:
        raise BadParameter(f"{pair} has no challenger: run bqx_deploy with the action split first.")
    if route.share != HALF:
        raise BadParameter(
            f"The challenger of {pair} answers {route.share:.0%} of the requests. The test needs 50%: only "
            "then both arms of a day are alike if both versions are. Run bqx_deploy with split and share 0.5."
        )
    versions = (route.champion.version, route.challenger.version)
    found = tuple(days_of(connection, pair, versions, since, as_of))
    verdict = judge([day.challenger - day.champion for day in found])
    return Result(pair, *versions, found, verdict)


def days_of(
    connection: Connection, pair: str, versions: tuple[str, str], since: int, as_of: int
) -> Iterator[Day]:
    """The trading days on which both versions gave answers that can be scored, in order."""
    told = read_captured(connection, pair, since, as_of)
    arms = [_gains(connection, pair, told.where(told.version == version), as_of) for version in versions]
    for day in np.intersect1d(arms[0][0], arms[1][0]).tolist():
        own = [gains[days == day] for days, gains in arms]
        yield Day(int(day), float(own[0].mean()), float(own[1].mean()), (own[0].size, own[1].size))


def _gains(connection: Connection, pair: str, told: Forecasts, as_of: int) -> tuple[Minutes, Floats]:
    """Trading day and gain of every answer that can be scored."""
    if not told.ts.size:
        return np.empty(0, np.int64), np.empty(0)
    scored = actuals.join(told, actuals.what_came(connection, pair, told, as_of), as_of).scored
    usual = np.array([theory.scaled_sd(w, h) for w, h in zip(scored.w, scored.h, strict=True)])
    errors = (scored.no_skill - scored.actual) ** 2 - (scored.prediction - scored.actual) ** 2
    return trading_days(scored.ts), errors / (scored.s * usual) ** 2
