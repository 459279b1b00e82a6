"""Metrics of endpoints as CloudWatch is given them: every value, in the minute that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from local.aws.cloudwatch.data import Data, Metric
from local.aws.cloudwatch.database import Database
from local.aws.cloudwatch.statistics import value
from local.aws.hosting.metrics import INSTANCES, INVOCATIONS, Metrics, Place
from tests.cloudwatch import START, Clock

PLACE = Place("us-east-1", "bqx", "all")
NOON = int(START) // 60 * 60
DIMENSIONS = (("EndpointName", "bqx"), ("VariantName", "all"))


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Data]:
    database = Database(tmp_path / "data.sqlite")
    yield Data(database)
    database.close()


def told(data: Data, name: str, statistic: str, namespace: str = INVOCATIONS) -> list[float | None]:
    metric = Metric("us-east-1", namespace, name, DIMENSIONS)
    (bins,) = data.bins(metric, NOON, NOON + 600, 60).values()
    return [value(statistic, each) for _, each in sorted(bins.items())]


def test_percentiles_of_what_was_measured_are_exact(data: Data) -> None:
    clock = Clock()
    metrics = Metrics(lambda region, namespace, some: data.put(region, namespace, some, clock()), clock)
    latencies = np.random.default_rng(2).lognormal(9, 1, 300)
    for some in np.split(latencies, 3):
        for latency in some:
            metrics.invocation(PLACE, 2, 200, {"ModelLatency": float(latency)}, hit=True)
        metrics.flush()
    assert told(data, "ModelLatency", "p99") == pytest.approx([np.percentile(latencies, 99)])
    assert told(data, "ModelLatency", "SampleCount") == [300.0]
    assert told(data, "Invocations", "Sum") == [300.0]
    assert told(data, "InvocationsPerInstance", "Sum") == [150.0]


def test_what_is_handed_over_late_belongs_to_its_minute(data: Data) -> None:
    clock = Clock()
    metrics = Metrics(lambda region, namespace, some: data.put(region, namespace, some, clock()), clock)
    metrics.invocation(PLACE, 1, 200, {}, hit=True)
    metrics.loaded(PLACE, 3)
    metrics.used(PLACE, 40.0, 5.0)
    metrics.used(PLACE, 60.0, 5.0)
    clock.turn(60)
    metrics.invocation(PLACE, 1, 503, {}, hit=False)
    metrics.invocation(PLACE, 1, 404, {}, hit=False)
    metrics.flush()
    assert told(data, "Invocations", "Sum") == [1.0, 2.0]
    assert told(data, "Invocation5XXErrors", "Sum") == [0.0, 1.0]
    assert told(data, "Invocation4XXErrors", "Sum") == [0.0, 1.0]
    assert told(data, "ModelCacheHit", "Average") == [1.0, 0.0]
    assert told(data, "LoadedModelCount", "Maximum", INSTANCES) == [3.0]
    assert told(data, "CPUUtilization", "Average", INSTANCES) == [50.0]
    assert told(data, "MemoryUtilization", "Average", INSTANCES) == [5.0]
    metrics.flush()
    assert told(data, "Invocations", "Sum") == [1.0, 2.0]
