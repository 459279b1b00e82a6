"""CloudWatch metrics of endpoints: counted here, and handed over by the minute they belong to."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

INVOCATIONS = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
KEPT = 900  # seconds for which the number of invocations is known
MINUTE = 60  # seconds, the resolution of SageMaker's metrics

_MICROSECONDS, _COUNT, _NONE = "Microseconds", "Count", "None"


class Place(NamedTuple):
    """What a metric is about."""

    region: str
    endpoint: str
    variant: str


class Series(NamedTuple):
    """A minute of a metric."""

    place: Place
    namespace: str
    name: str
    unit: str
    minute: int


class Metrics:
    """Metrics of all endpoints. Threads may use it at once.

    Every value is handed over by itself, with how often it occurred, so that percentiles are exact.

    Args:
        put: gives CloudWatch data of a region and namespace, in the form of PutMetricData.
        clock: says what time it is, in seconds since the epoch.
    """

    def __init__(
        self, put: Callable[[str, str, list[dict[str, Any]]], None], clock: Callable[[], float]
    ) -> None:
        self._put, self._clock, self._lock = put, clock, threading.Lock()
        self._values: defaultdict[Series, Counter[float]] = defaultdict(Counter)
        self._seconds: defaultdict[Place, deque[tuple[int, int]]] = defaultdict(deque)

    def invocation(
        self, place: Place, instances: int, status: int, times: Mapping[str, float], hit: bool
    ) -> None:
        """Count a request to a model.

        Args:
            place: which variant.
            instances: of the variant.
            status: of HTTP, as the client sees it.
            times: by metric, in microseconds.
            hit: the model was in memory.
        """
        values = {
            ("Invocations", _COUNT): 1.0,
            ("InvocationsPerInstance", _COUNT): 1.0 / max(instances, 1),
            ("Invocation4XXErrors", _COUNT): float(400 <= status < 500),
            ("Invocation5XXErrors", _COUNT): float(status >= 500),
            ("ModelCacheHit", _NONE): float(hit),
            **{(name, _MICROSECONDS): value for name, value in times.items()},
        }
        second, minute = int(time.monotonic()), self._minute()
        with self._lock:
            for (name, unit), value in values.items():
                self._values[Series(place, INVOCATIONS, name, unit, minute)][value] += 1
            seconds = self._seconds[place]
            count = seconds.pop()[1] if seconds and seconds[-1][0] == second else 0
            seconds.append((second, count + 1))
            while seconds[0][0] < second - KEPT:
                seconds.popleft()

    def loaded(self, place: Place, models: int) -> None:
        """Note how many models the instances of a variant have in memory."""
        series = Series(place, INSTANCES, "LoadedModelCount", _NONE, self._minute())
        with self._lock:
            self._values[series][float(models)] += 1

    def used(self, place: Place, cpu: float, memory: float) -> None:
        """Note how much processor and memory an instance uses, in percent."""
        minute = self._minute()
        with self._lock:
            for name, value in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
                self._values[Series(place, INSTANCES, name, "Percent", minute)][round(value, 1)] += 1

    def counts(self, place: Place, minute: float, minutes: int) -> list[int]:
        """Invocations of each of the last minutes, the newest first.

        Args:
            place: which variant.
            minute: its length in seconds.
            minutes: how many.
        """
        now, counts = time.monotonic(), [0] * minutes
        with self._lock:
            for second, count in self._seconds[place]:
                if (ago := int((now - second) // minute)) < minutes:
                    counts[ago] += count
        return counts

    def flush(self) -> None:
        """Hand over what was counted since the last time."""
        with self._lock:
            values, self._values = self._values, defaultdict(Counter)
        data: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for series, counted in values.items():
            data[series.place.region, series.namespace].append(_datum(series, counted))
        for (region, namespace), some in data.items():
            self._put(region, namespace, some)

    def _minute(self) -> int:
        return int(self._clock()) // MINUTE * MINUTE


def _datum(series: Series, counted: Counter[float]) -> dict[str, Any]:
    return {
        "MetricName": series.name,
        "Dimensions": [
            {"Name": "EndpointName", "Value": series.place.endpoint},
            {"Name": "VariantName", "Value": series.place.variant},
        ],
        "Timestamp": series.minute,
        "Unit": series.unit,
        "Values": list(counted),
        "Counts": list(counted.values()),
    }
