"""Evaluates the alarms: after every minute, those of high resolution every ten seconds."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from local.aws.cloudwatch import alarm as metric_alarm
from local.aws.cloudwatch import evaluation, statistics
from local.aws.cloudwatch.alarms import Alarms
from local.aws.cloudwatch.data import MINUTE
from local.aws.cloudwatch.evaluation import Point, Rule
from local.aws.cloudwatch.queries import Queries

SETTLING = 2.0  # seconds after the end of a period for its last values to arrive
SHORT = 10  # seconds between evaluations of alarms with periods below a minute
SAMPLES = 10  # on the rarer side of a percentile; with fewer AWS calls the samples too few


class Evaluator:
    """Evaluates all alarms.

    Args:
        alarms: all of them.
        queries: answers what they ask of the metrics.
        clock: says what time it is, in seconds since the epoch.
    """

    def __init__(self, alarms: Alarms, queries: Queries, clock: Callable[[], float]) -> None:
        self._alarms, self._queries, self._clock = alarms, queries, clock
        self._evaluated: dict[tuple[str, str], tuple[str, int]] = {}
        self._looked = (-1, 0)  # at which version of the alarms, and for which ten seconds
        self._lock = threading.Lock()

    def evaluate(self) -> None:
        """Evaluate the alarms for which another minute has ended, and those that are new."""
        with self._lock:  # also while actions are carried out: whoever calls this finds them done
            look = self._alarms.version, self._settled(SHORT)
            if look == self._looked:
                return
            self._looked = look
            before, self._evaluated = self._evaluated, {}
            for region, alarm in self._alarms.all():
                key, end = (region, alarm["AlarmName"]), self._end(alarm)
                self._evaluated[key] = alarm["revision"], end
                if before.get(key) != self._evaluated[key]:
                    try:
                        self._evaluate(region, alarm, end)
                    except Exception:  # the other alarms are evaluated all the same
                        traceback.print_exc()

    def _end(self, alarm: dict[str, Any]) -> int:
        """End of the newest period of an alarm that is over."""
        return self._settled(SHORT if metric_alarm.period(alarm) < MINUTE else MINUTE)

    def _settled(self, step: int) -> int:
        """The newest multiple of some seconds whose values have arrived."""
        return int(self._clock() - SETTLING) // step * step

    def _evaluate(self, region: str, alarm: dict[str, Any], end: int) -> None:
        rule, period = Rule.of(alarm), metric_alarm.period(alarm)
        start = end - rule.range * period
        queries, watched = metric_alarm.watched(alarm)
        series = self._queries.series(queries, region, start, rule.range)[watched]
        points = [Point(moment, series.get(moment)) for moment in range(start, end, period)]
        if self._is_too_few(region, alarm, rule, end):
            return
        verdict = evaluation.evaluate(rule, points)
        if verdict is None or verdict.state == alarm["StateValue"]:
            return
        data = evaluation.reason_data(alarm, rule, points, self._clock())
        self._alarms.enter(region, alarm, *verdict, data)

    def _is_too_few(self, region: str, alarm: dict[str, Any], rule: Rule, end: int) -> bool:
        """Whether an alarm on a percentile is not to look at so few samples as there are."""
        share = statistics.percent(alarm.get("ExtendedStatistic", ""))
        if share is None or alarm.get("EvaluateLowSampleCountPercentile") != "ignore":
            return False
        (query,), watched = metric_alarm.watched(alarm)
        counted = query | {"MetricStat": query["MetricStat"] | {"Stat": "SampleCount"}}
        start = end - rule.periods * int(alarm["Period"])
        counts = self._queries.series([counted], region, start, rule.periods)[watched]
        return sum(counts.values()) * min(share, 100 - share) < SAMPLES * 100
