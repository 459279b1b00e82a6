"""PutMetricData: values, counts, statistic sets, dimensions, resolution; what is refused; how data age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local.aws.cloudwatch.data import DAY, HOUR, Data, Metric
from local.aws.cloudwatch.database import Database
from local.aws.cloudwatch.statistics import value
from tests.cloudwatch import MINUTE, NAMESPACE, PAIR, START, Watch
from tests.local.aws.test_control import refused

ALL = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]


def told(watch: Watch, period: int = MINUTE, **more: Any) -> list[dict[str, Any]]:
    """The datapoints of the last hour, the oldest first; `more` is of GetMetricStatistics."""
    end = datetime.fromtimestamp(watch.clock(), UTC)
    asked = {
        "Namespace": NAMESPACE, "MetricName": "skill", "Dimensions": PAIR, "Period": period,
        "StartTime": end - timedelta(hours=1) if period >= MINUTE else end - timedelta(seconds=60),
        "EndTime": end + timedelta(seconds=1),
    } | more  # fmt: skip
    if not {"Statistics", "ExtendedStatistics"} & set(more):
        asked["Statistics"] = ALL
    points = watch.client.get_metric_statistics(**asked)["Datapoints"]
    return sorted(points, key=lambda point: point["Timestamp"])


def test_single_values_values_with_counts_and_sets(watch: Watch) -> None:
    watch.put(Values=None, Value=4.0)
    watch.put(1.0, 2.0, Counts=[3, 1])
    (point,) = told(watch)
    assert [point[name] for name in ALL] == [5.0, 9 / 5, 9.0, 1.0, 4.0]
    assert point["Unit"] == "None"
    known = {"SampleCount": 2.0, "Sum": 20.0, "Minimum": 5.0, "Maximum": 15.0}
    watch.put(Values=None, StatisticValues=known)
    (point,) = told(watch)
    assert [point[name] for name in ALL] == [7.0, 29 / 7, 29.0, 1.0, 15.0]


def test_percentiles_are_those_of_the_values(watch: Watch) -> None:
    values = np.random.default_rng(5).exponential(100.0, 400)
    for some in np.split(values, 4):
        watch.put(*some.tolist())
    (point,) = told(watch, ExtendedStatistics=["p50", "p99", "p99.9"])
    expected = {f"p{share}": np.percentile(values, share) for share in (50, 99, 99.9)}
    assert point["ExtendedStatistics"] == pytest.approx(expected)
    watch.put(Values=None, StatisticValues={"SampleCount": 9, "Sum": 9.5, "Minimum": 1.0, "Maximum": 2.0})
    (point,) = told(watch, ExtendedStatistics=["p99"])
    assert "ExtendedStatistics" not in point


def test_dimensions_make_another_metric_whatever_their_order(watch: Watch) -> None:
    more = [{"Name": "horizon", "Value": "15"}]
    watch.put(1.0)
    watch.put(2.0, Dimensions=None)
    watch.put(3.0, Dimensions=PAIR + more)
    watch.put(4.0, Dimensions=more + PAIR)
    assert [point["Sum"] for point in told(watch)] == [1.0]
    assert [point["Sum"] for point in told(watch, Dimensions=[])] == [2.0]
    assert [point["Sum"] for point in told(watch, Dimensions=more + PAIR)] == [7.0]


def test_units_are_kept_apart(watch: Watch) -> None:
    watch.put(1.0, Unit="Count")
    watch.put(2.0, Unit="Percent")
    assert {(point["Unit"], point["Sum"]) for point in told(watch)} == {("Count", 1.0), ("Percent", 2.0)}
    assert [point["Sum"] for point in told(watch, Unit="Count")] == [1.0]
    assert told(watch, Unit="Bytes") == []


def test_the_resolution_decides_how_fine_the_data_are(watch: Watch) -> None:
    for ago in (0, 5, 12):
        watch.put(1.0, ago=ago, StorageResolution=1)
        watch.put(1.0, ago=ago, name="coarse")
    fine = told(watch, period=10)
    assert [(point["Timestamp"].second, point["Sum"]) for point in fine] == [(50, 1.0), (0, 2.0)]
    coarse = told(watch, period=10, MetricName="coarse")
    assert [(point["Timestamp"].second, point["Sum"]) for point in coarse] == [(0, 1.0), (0, 2.0)]


def test_a_value_without_a_time_is_of_now(watch: Watch) -> None:
    watch.put(1.0, Timestamp=None)
    assert told(watch)[0]["Timestamp"] == datetime.fromtimestamp(START // 60 * 60, UTC)


def of(**more: Any) -> dict[str, Any]:
    return {"MetricName": "skill", **more}


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        (of(), "MissingParameter", "At least one of the parameters Value, Values, StatisticValues"),
        (of(Value=1.0, Values=[1.0]), "InvalidParameterCombination", "are mutually exclusive"),
        (of(Values=[1.0], Counts=[1, 2]), "InvalidParameterValue", "must be of the same size"),
        (of(Values=[1.0], Counts=[-1]), "InvalidParameterValue", "must not be negative"),
        (of(Values=[1.0] * 151), "InvalidParameterValue", "greater than 150"),
        (of(Value=2.0**361), "InvalidParameterValue", "for parameter MetricData.member.1.Value is invalid"),
        (of(Value=1.0, StorageResolution=5), "InvalidParameterValue", "StorageResolution must be 1 or 60"),
        (of(Value=1.0, Dimensions=PAIR * 2), "InvalidParameterValue", "the same dimension name twice"),
        (of(Value=1.0, Unit="Pips"), "ValidationError", "failed to satisfy constraint"),
        (of(Value=1.0, Timestamp=START - 15 * DAY), "InvalidParameterValue", "within the past two weeks"),
        (of(Value=1.0, Timestamp=START + 3 * HOUR), "InvalidParameterValue", "within the past two weeks"),
        (
            of(StatisticValues={"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}),
            "InvalidParameterValue",
            "must not be greater than the maximum",
        ),
    ],
)
def test_what_is_refused(watch: Watch, datum: dict[str, Any], code: str, message: str) -> None:
    found = refused(watch.client.put_metric_data, Namespace=NAMESPACE, MetricData=[datum])
    assert (found[0], message in found[1]) == (code, True), found
    assert watch.client.list_metrics()["Metrics"] == []


def test_one_wrong_datum_refuses_all(watch: Watch) -> None:
    data = [of(Value=1.0), of()]
    assert (
        "MetricData.member.2"
        in refused(watch.client.put_metric_data, Namespace=NAMESPACE, MetricData=data)[1]
    )
    assert watch.client.list_metrics()["Metrics"] == []
    assert refused(watch.client.put_metric_data, Namespace=NAMESPACE)[0] == "MissingParameter"
    many = [of(Value=1.0)] * 1001
    assert (
        "greater than 1000" in refused(watch.client.put_metric_data, Namespace=NAMESPACE, MetricData=many)[1]
    )


def put(data: Data, moment: float, *values: float) -> None:
    data.put("us-east-1", NAMESPACE, [of(Values=values, Timestamp=moment, StorageResolution=1)], moment)


def sums(data: Data, start: float, period: int, statistic: str = "Sum") -> list[float | None]:
    metric = Metric("us-east-1", NAMESPACE, "skill", ())
    start = int(start) // period * period
    bins = data.bins(metric, start, start + 100 * period, period).get("None", {})
    return [value(statistic, each) for _, each in sorted(bins.items())]


def test_what_is_old_becomes_coarser_and_goes(tmp_path: Path) -> None:
    database = Database(tmp_path / "data.sqlite")
    data, day = Data(database), START // DAY * DAY
    for second in range(0, 600, 10):
        put(data, day + second, 1.0, 3.0)
    rows = "SELECT count(*) FROM datum"
    assert database.read(rows)[0][0] == 120
    data.age(day + 2 * HOUR)
    assert database.read(rows)[0][0] == 120
    data.age(day + 4 * HOUR)  # seconds become minutes, values stay apart
    assert database.read(rows)[0][0] == 20
    assert sums(data, day, 60) == [24.0] * 10
    assert sums(data, day, 60, "p100") == [3.0] * 10
    data.age(day + 16 * DAY)  # minutes become sets of five
    assert database.read(rows)[0][0] == 2
    assert sums(data, day, 300) == [120.0, 120.0]
    assert sums(data, day, 300, "Maximum") == [3.0, 3.0]
    assert sums(data, day, 300, "p100") == [None, None]
    data.age(day + 64 * DAY)
    assert database.read("SELECT * FROM datum") == [(1, int(day), 1.0, 3.0, 120.0, 240.0)]
    data.age(day + 64 * DAY)
    assert sums(data, day, HOUR) == [240.0]
    data.age(day + 456 * DAY)
    assert database.read(rows)[0][0] == 0
    assert data.metrics("us-east-1", 0.0) == []
    database.close()


def test_one_value_in_a_period_keeps_its_percentiles(tmp_path: Path) -> None:
    database = Database(tmp_path / "data.sqlite")
    data, day = Data(database), START // DAY * DAY
    put(data, day + 1000, 7.0)
    data.age(day + 100 * DAY)
    assert sums(data, day, HOUR, "p99") == [7.0]
    database.close()
