"""What is asked of metrics: GetMetricStatistics, GetMetricData, ListMetrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.utils import parse_to_aware_datetime

from local.aws.cloudwatch import expressions, statistics
from local.aws.cloudwatch.data import DAY, HOUR, LISTED, MINUTE, Data, Metric
from local.aws.cloudwatch.errors import absent, combination, invalid, unfit
from local.aws.cloudwatch.expressions import Series
from local.aws.cloudwatch.pages import page, position

SHORT = (1, 5, 10, 20, 30)  # periods below a minute, in seconds
MOST_POINTS = 1440  # of an answer of GetMetricStatistics
MOST_QUERIES, MOST_VALUES = 500, 100_800  # of a request of GetMetricData
MOST_METRICS = 500  # of a page of ListMetrics

Parameters = Mapping[str, Any]


class Queries:
    """Answers the requests.

    Args:
        data: of all metrics.
        clock: says what time it is.
    """

    def __init__(self, data: Data, clock: Callable[[], float]) -> None:
        self._data, self._clock = data, clock
        self.operations = {
            "GetMetricStatistics": self._statistics,
            "GetMetricData": self._metric_data,
            "ListMetrics": self._list,
        }

    def series(
        self, queries: Sequence[Parameters], region: str, start: int, periods: int
    ) -> dict[str, Series]:
        """The series of some queries of one period, by their ids.

        Args:
            queries: in the form of GetMetricData, checked.
            region: of the metrics.
            start: of the first period, in seconds since the epoch.
            periods: how many.
        """
        by_id = {query["Id"]: query for query in queries}
        found: dict[str, Series] = {}

        def find(name: str) -> Series:
            if name not in found:
                query, period = by_id[name], period_of(by_id[name], by_id)
                end = start + periods * period
                if "Expression" in query:
                    tree = expressions.parse(query["Expression"])
                    parts = {each: find(each) for each in expressions.names(tree)}
                    found[name] = expressions.evaluate(tree, parts, range(start, end, period))
                else:
                    found[name] = self._points(query["MetricStat"], region, start, end)
            return found[name]

        return {name: find(name) for name in by_id}

    def _points(self, stat: Parameters, region: str, start: int, end: int) -> Series:
        """A statistic of a metric over all its units."""
        metric = Metric.of(region, stat["Metric"].get("Namespace", ""), stat["Metric"])
        bins: dict[int, list[statistics.Datum]] = {}
        for its in self._data.bins(metric, start, end, stat["Period"], stat.get("Unit")).values():
            for moment, data in its.items():
                bins.setdefault(moment, []).extend(data)
        points = {moment: statistics.value(stat["Stat"], data) for moment, data in sorted(bins.items())}
        return {moment: value for moment, value in points.items() if value is not None}

    def _statistics(self, asked: Parameters, region: str) -> dict[str, Any]:
        simple, extended = asked.get("Statistics", []), asked.get("ExtendedStatistics", [])
        if not simple and not extended:
            raise combination(
                "At least one of the parameters Statistics and ExtendedStatistics must be specified."
            )
        for statistic in extended:
            if statistics.percent(statistic) is None:
                raise invalid(
                    f"The value {statistic} for parameter ExtendedStatistics is not supported. The stand-in "
                    "has percentiles, p0 to p100."
                )
        period = asked["Period"]
        check_period(period)
        start, end = self._span(asked, period)
        if (count := math.ceil((end - start) / period)) > MOST_POINTS:
            raise combination(
                f"You have requested up to {count:,} datapoints, which exceeds the limit of {MOST_POINTS:,}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        metric = Metric.of(region, asked["Namespace"], asked)
        points = [
            _point(moment, unit, data, simple, extended)
            for unit, bins in self._data.bins(metric, start, end, period, asked.get("Unit")).items()
            for moment, data in bins.items()
        ]
        return {"Label": asked["MetricName"], "Datapoints": points}

    def _metric_data(self, asked: Parameters, region: str) -> dict[str, Any]:
        queries = asked["MetricDataQueries"]
        if len(queries) > MOST_QUERIES:
            raise unfit(f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}.")
        check_queries(queries)
        by_id = {query["Id"]: query for query in queries}
        told: list[dict[str, Any]] = []
        backwards = asked.get("ScanBy") != "TimestampAscending"
        for period in sorted({period_of(query, by_id) for query in queries}):
            start, end = self._span(asked, period)
            same = [query for query in queries if period_of(query, by_id) == period]
            found = self.series(same, region, start, math.ceil((end - start) / period))
            for query in same:
                if query.get("ReturnData", True):
                    points = sorted(found[query["Id"]].items(), reverse=backwards)
                    told.append({"Id": query["Id"], "Label": _label(query), "points": points})
        order = [query["Id"] for query in queries]
        told.sort(key=lambda each: order.index(each["Id"]))
        return _page_of_values(told, asked)

    def _span(self, asked: Parameters, period: int) -> tuple[int, int]:
        """Begin and end of what is asked for; the begin is rounded down as CloudWatch documents it."""
        start, end = (parse_to_aware_datetime(asked[name]).timestamp() for name in ("StartTime", "EndTime"))
        if start >= end:
            raise invalid("The parameter StartTime must be less than the parameter EndTime.")
        age = self._clock() - start
        step = MINUTE if age < 15 * DAY else 5 * MINUTE if age < 63 * DAY else HOUR
        step = period if period in SHORT else step
        return math.floor(start / step) * step, math.ceil(end)

    def _list(self, asked: Parameters, region: str) -> dict[str, Any]:
        age = 3 * HOUR if "RecentlyActive" in asked else LISTED
        wanted = [(each["Name"], each.get("Value")) for each in asked.get("Dimensions", ())]
        found = [
            metric.members()
            for metric in self._data.metrics(region, self._clock() - age)
            if asked.get("Namespace") in (None, metric.namespace)
            and asked.get("MetricName") in (None, metric.name)
            and all(
                any(name == its and value in (None, told) for its, told in metric.dimensions)
                for name, value in wanted
            )
        ]
        return page("Metrics", found, asked, MOST_METRICS)


def _point(
    moment: int,
    unit: str,
    data: Sequence[statistics.Datum],
    simple: Sequence[str],
    extended: Sequence[str],
) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": moment, "Unit": unit}
    point |= {name: statistics.value(name, data) for name in simple}
    values = {name: statistics.value(name, data) for name in extended}
    if known := {name: value for name, value in values.items() if value is not None}:
        point["ExtendedStatistics"] = known
    return point


def check_period(period: int) -> None:
    """Refuse a period that CloudWatch does not have."""
    if period not in SHORT and period % MINUTE:
        raise invalid(
            f"The parameter Period must be one of {', '.join(map(str, SHORT))} or a multiple of {MINUTE}."
        )


def check_queries(queries: Sequence[Parameters]) -> None:
    """Refuse queries in the form of GetMetricData that fit the model and are wrong all the same."""
    names = [query["Id"] for query in queries]
    if len(set(names)) < len(names):
        raise unfit("The values for parameter id in MetricDataQueries are not unique.")
    for query in queries:
        name = query["Id"]
        if not (name[0].islower() and name.replace("_", "").isalnum() and name.isascii()):
            raise unfit(f"Invalid metrics list: the id {name} has to begin with a lower-case letter.")
        if ("Expression" in query) == ("MetricStat" in query):
            raise unfit(f"The query {name} needs either an Expression or a MetricStat.")
        if "MetricStat" in query:
            stat = query["MetricStat"]
            if not {"Namespace", "MetricName"} <= set(stat["Metric"]):
                raise unfit(f"The metric of query {name} needs Namespace and MetricName.")
            if not statistics.is_known(stat["Stat"]):
                raise absent(f"the statistic {stat['Stat']}")
            check_period(stat["Period"])
    by_id = {query["Id"]: query for query in queries}
    for query in queries:
        period_of(query, by_id)
        if "Expression" in query:
            tree = expressions.parse(query["Expression"])
            expressions.evaluate(tree, {name: {} for name in expressions.names(tree)}, ())


def period_of(query: Parameters, by_id: Mapping[str, Parameters]) -> int:
    """The period of a query; that of an expression is the one of its metrics.

    Raises:
        ServiceError: its metrics have several, or there are none.
    """
    found = _periods(query, by_id, ())
    if len(found) != 1:
        raise unfit(f"The expression of {query['Id']} needs metrics of one period, and has {sorted(found)}.")
    return found.pop()


def _periods(query: Parameters, by_id: Mapping[str, Parameters], behind: tuple[str, ...]) -> set[int]:
    if "MetricStat" in query:
        return {int(query["MetricStat"]["Period"])}
    found: set[int] = set()
    for name in expressions.names(expressions.parse(query["Expression"])):
        if name not in by_id or name in (*behind, query["Id"]):
            raise unfit(f"Error in expression '{query['Id']}': it cannot use {name}.")
        found |= _periods(by_id[name], by_id, (*behind, query["Id"]))
    return found


def _label(query: Parameters) -> str:
    if "Label" in query:
        return str(query["Label"])
    return str(query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"])


def _page_of_values(told: list[dict[str, Any]], asked: Parameters) -> dict[str, Any]:
    """So many values as the request wants, from where the page before ended."""
    first = position(asked)
    last = first + asked.get("MaxDatapoints", MOST_VALUES)
    results, passed = [], 0
    for each in told:
        points = each["points"][max(first - passed, 0) : max(last - passed, 0)]
        passed += len(each["points"])
        results.append(
            {
                "Id": each["Id"],
                "Label": each["Label"],
                "Timestamps": [moment for moment, _ in points],
                "Values": [value for _, value in points],
                "StatusCode": "PartialData" if passed > last else "Complete",
            }
        )
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    if passed > last:
        answer["NextToken"] = str(last)
    return answer
