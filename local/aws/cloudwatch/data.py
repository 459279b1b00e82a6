"""The values of metrics: checked, kept, found again."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from botocore.utils import parse_to_aware_datetime

from local.aws.cloudwatch.database import Database
from local.aws.cloudwatch.errors import absent, combination, invalid, missing
from local.aws.cloudwatch.statistics import Datum

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
OLDEST, NEWEST = 14 * DAY, 2 * HOUR  # seconds before and after now that a value may have
MOST_DATA, MOST_VALUES = 1000, 150  # in a request, in a datum
LARGEST = 2.0**360
_WAYS = ("Value", "Values", "StatisticValues")
NONE = "None"  # the unit of what has none
LISTED = 14 * DAY  # seconds for which ListMetrics knows a metric without new values
# Age in seconds, the period to which what is older is brought, and whether its values are kept apart.
RETENTION = ((3 * HOUR, MINUTE, True), (15 * DAY, 5 * MINUTE, False), (63 * DAY, HOUR, False))
FORGOTTEN = 455 * DAY

_SERIES = """
INSERT INTO series (region, namespace, name, dimensions, unit, latest) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET latest = max(latest, excluded.latest) RETURNING id
"""
_OLD = """
SELECT series, time - time % ?2, min(minimum), max(maximum), sum(samples), sum(total)
FROM datum WHERE time < ?1
GROUP BY series, time - time % ?2, CASE WHEN ?3 THEN minimum END, CASE WHEN ?3 THEN maximum END
HAVING count(*) > 1 OR min(time) % ?2 > 0
"""
_DROP = """
DELETE FROM datum WHERE series = ?1 AND time >= ?2 AND time < ?2 + ?5
AND (NOT ?6 OR minimum = ?3 AND maximum = ?4)
"""

Parameters = Mapping[str, Any]


class Metric(NamedTuple):
    """What makes a metric another one.

    Attributes:
        region, namespace, name: of it.
        dimensions: names and values, in the order of the names.
    """

    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, region: str, namespace: str, asked: Parameters) -> Metric:
        """The metric that a request names by ``MetricName`` and ``Dimensions``."""
        pairs = sorted((each["Name"], each["Value"]) for each in asked.get("Dimensions", ()))
        return cls(region, namespace, asked["MetricName"], tuple(pairs))

    def members(self) -> dict[str, Any]:
        """As answers have it."""
        told = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": told}


class Data:
    """All values. Threads may use it at once.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, region: str, namespace: str, data: Iterable[Parameters], now: float) -> None:
        """Add data in the form of PutMetricData; those without a time are of now."""
        with self._database.transaction():
            for told in data:
                metric = Metric.of(region, namespace, told)
                step = 1 if told.get("StorageResolution") == 1 else MINUTE
                time = math.floor(_seconds(told.get("Timestamp"), now) / step) * step
                series = self._series(metric, told.get("Unit", NONE), time)
                self._database.write_all(
                    "INSERT INTO datum VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                    "SET samples = samples + excluded.samples, total = total + excluded.total",
                    ((series, time, *datum) for datum in _data(told) if datum.samples > 0),
                )

    def _series(self, metric: Metric, unit: str, time: int) -> int:
        region, namespace, name, dimensions = metric
        values = region, namespace, name, json.dumps(dimensions), unit, time
        found = self._database.read(_SERIES, *values)
        return int(found[0][0])

    def bins(
        self, metric: Metric, start: int, end: int, period: int, unit: str | None = None
    ) -> dict[str, dict[int, list[Datum]]]:
        """The data of a metric by unit and period.

        Args:
            metric: which.
            start: of the first period, in seconds since the epoch.
            end: of the last one, which is cut there.
            period: seconds.
            unit: the only one; None for all.

        Returns:
            For each unit the data by the beginning of their period; periods without data are left out.
        """
        region, namespace, name, dimensions = metric
        rows = self._database.read(
            "SELECT unit, time, minimum, maximum, samples, total FROM series JOIN datum ON series = id "
            "WHERE region = ? AND namespace = ? AND name = ? AND dimensions = ? AND time >= ? AND time < ?",
            *(region, namespace, name, json.dumps(dimensions), start, end),
        )
        found: defaultdict[str, defaultdict[int, list[Datum]]] = defaultdict(lambda: defaultdict(list))
        for its, time, *datum in rows:
            if unit in (None, its):
                found[its][start + (time - start) // period * period].append(Datum(*datum))
        return {its: dict(bins) for its, bins in found.items()}

    def metrics(self, region: str, since: float) -> list[Metric]:
        """The metrics that have got values since then, in their order."""
        rows = self._database.read(
            "SELECT DISTINCT namespace, name, dimensions FROM series WHERE region = ? AND latest >= ? "
            "ORDER BY namespace, name, dimensions",
            *(region, since),
        )
        return [
            Metric(region, namespace, name, tuple((each[0], each[1]) for each in json.loads(dimensions)))
            for namespace, name, dimensions in rows
        ]

    def age(self, now: float) -> None:
        """Bring what is old to longer periods, as CloudWatch does, and forget what is too old.

        Values keep apart for 15 days. Then they become one statistic set for each period, which has no
        percentiles any more: AWS keeps a distribution, of which it publishes nothing.
        """
        with self._database.transaction():
            for age, period, apart in RETENTION:
                limit = int(now - age) // period * period
                for row in self._database.read(_OLD, limit, period, apart):
                    self._database.write(_DROP, *row[:4], period, apart)
                    self._database.write("INSERT INTO datum VALUES (?, ?, ?, ?, ?, ?)", *row)
            self._database.write("DELETE FROM datum WHERE time < ?", int(now - FORGOTTEN))
            self._database.write("DELETE FROM series WHERE latest < ?", int(now - FORGOTTEN))


def check(asked: Parameters, now: float) -> None:
    """Refuse a request for PutMetricData that fits the model and is wrong all the same.

    Raises:
        ServiceError: with the name of the member that is wrong.
    """
    if asked.get("EntityMetricData"):
        raise absent("EntityMetricData")
    data = asked.get("MetricData")
    if not data:
        raise missing("The parameter MetricData is required.")
    if len(data) > MOST_DATA:
        raise invalid(f"The collection MetricData must not have a size greater than {MOST_DATA}.")
    for number, told in enumerate(data, 1):
        _check(told, f"MetricData.member.{number}", now)


def _check(told: Parameters, place: str, now: float) -> None:
    _check_values(told, place)
    names = [each["Name"] for each in told.get("Dimensions", ())]
    if len(set(names)) < len(names):
        raise invalid(f"{place} specifies the same dimension name twice.")
    if told.get("StorageResolution", MINUTE) not in (1, MINUTE):
        raise invalid(f"The parameter {place}.StorageResolution must be 1 or 60.")
    if not -OLDEST <= _seconds(told.get("Timestamp"), now) - now <= NEWEST:
        raise invalid(f"The parameter {place}.Timestamp must specify a time within the past two weeks.")


def _check_values(told: Parameters, place: str) -> None:
    ways = [f"{place}.{name}" for name in _WAYS if name in told]
    if not ways:
        raise missing(f"At least one of the parameters {', '.join(_WAYS)} of {place} must be specified.")
    if len(ways) > 1:
        raise combination(f"The parameters {ways[0]} and {ways[1]} are mutually exclusive.")
    values, given = told.get("Values", []), told.get("StatisticValues", {})
    counts = told.get("Counts", [])
    if len(values) > MOST_VALUES:
        raise invalid(f"The collection {place}.Values must not have a size greater than {MOST_VALUES}.")
    if "Counts" in told and len(counts) != len(values):
        raise invalid(f"The parameters {place}.Values and {place}.Counts must be of the same size.")
    for number in (*values, *counts, *given.values(), told.get("Value", 0.0)):
        if not abs(float(number)) <= LARGEST:
            raise invalid(f"The value {number} for parameter {ways[0]} is invalid.")
    if min((*counts, given.get("SampleCount", 1)), default=1) < 0:
        raise invalid(f"The numbers of values of {place} must not be negative.")
    if given and given["Minimum"] > given["Maximum"]:
        raise invalid(f"The minimum of {place}.StatisticValues must not be greater than the maximum.")


def _seconds(moment: Any, now: float) -> float:
    return now if moment is None else parse_to_aware_datetime(moment).timestamp()


def _data(told: Parameters) -> Iterator[Datum]:
    if given := told.get("StatisticValues"):
        yield Datum(given["Minimum"], given["Maximum"], given["SampleCount"], given["Sum"])
        return
    values = told.get("Values", [told.get("Value")])
    for value, count in zip(values, told.get("Counts", [1] * len(values)), strict=True):
        yield Datum(value, value, count, value * count)
