"""What SageMaker has measured of the endpoint since the last run, read from CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from include.monitoring.cloudwatch import dimensions
from include.monitoring.declaration import RUN_SECONDS
from include.monitoring.values import Reading, Value

__all__ = ["endpoint_readings"]

MINUTE = timedelta(minutes=1)


def endpoint_readings(
    client: Any, values: Mapping[str, Value], endpoint: str, moment: datetime
) -> list[Reading]:
    """One reading of each value that is SageMaker's, over the four hours before.

    A percentile is that of all requests of these hours, not a mean of percentiles; what is counted is told
    per period of its metric.

    Args:
        client: boto3 client of CloudWatch.
        values: all declared ones.
        endpoint: name of the endpoint.
        moment: end of the hours, by the wall clock.
    """
    asked = {f"m{number}": value for number, value in enumerate(values.values()) if not value.metric.is_own}
    end = moment.replace(second=0, microsecond=0) + MINUTE
    found = client.get_metric_data(
        MetricDataQueries=[_query(name, value, endpoint) for name, value in asked.items()],
        StartTime=end - timedelta(seconds=RUN_SECONDS),
        EndTime=end,
    )
    by_id = {each["Id"]: each["Values"] for each in found["MetricDataResults"]}
    return [_reading(value, by_id.get(name, [])) for name, value in asked.items()]


def _query(name: str, value: Value, endpoint: str) -> dict[str, Any]:
    metric = value.metric
    watched = {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": dimensions(metric, endpoint),
    }
    return {
        "Id": name,
        "MetricStat": {"Metric": watched, "Period": RUN_SECONDS, "Stat": metric.statistic},
    }


def _reading(value: Value, found: list[float]) -> Reading:
    if not found:
        return Reading(value.name, None, note=f"CloudWatch has no {value.metric.name} of the last 4 hours.")
    metric = value.metric
    periods = RUN_SECONDS / metric.seconds if metric.statistic == "Sum" else 1
    return Reading(value.name, found[0] / metric.scale / periods)
