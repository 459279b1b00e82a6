"""Every declared alarm is fired by values of its metric, and by nothing less; no state is ever set."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from include.monitoring.cloudwatch import alarms, dimensions
from include.monitoring.declaration import declared
from include.monitoring.provision import provide
from include.monitoring.values import BREACHING, CRITICAL, FINE, UNKNOWN, WARNING, Rule, Value
from include.pairs import PAIRS
from tests.cloudwatch import Watch, watched
from tests.include.monitoring.worlds import BUDGET

VALUES = declared(BUDGET)
NUMBER = itertools.count()
RULES = [(name, level) for name, value in VALUES.items() for level in value.rules]


class World(NamedTuple):
    """A CloudWatch with all alarms of an endpoint."""

    watch: Watch
    endpoint: str

    def period(self, value: Value, amount: float | None) -> None:
        """A period of a metric passes with a value, or with none, in the middle of it."""
        metric = value.metric
        self.watch.clock.turn(metric.seconds / 2)
        if amount is not None:
            moment = datetime.fromtimestamp(self.watch.clock(), UTC)
            datum = {
                "MetricName": metric.name,
                "Dimensions": dimensions(metric, self.endpoint),
                "Timestamp": moment,
                "Value": amount * metric.scale,
            }
            self.watch.client.put_metric_data(Namespace=metric.namespace, MetricData=[datum])
        self.watch.clock.turn(metric.seconds / 2)
        self.watch.evaluate()

    def periods(self, value: Value, amounts: list[float | None]) -> None:
        """Some periods pass."""
        for amount in amounts:
            self.period(value, amount)

    def state(self, name: str, level: str) -> str:
        """Of an alarm."""
        return self.watch.state(f"{self.endpoint}-{name}-{level}")


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watched(tmp_path_factory.mktemp("aws")) as watch:
        yield watch


@pytest.fixture
def world(watch: Watch) -> Iterator[World]:
    """With an endpoint of its own, so no test finds values of another one."""
    name = f"test-{next(NUMBER)}"
    provide(watch.client, VALUES, BUDGET, name, PAIRS[:1])
    yield World(watch, name)
    watch.client.delete_alarms(AlarmNames=[each["AlarmName"] for each in alarms(VALUES, name)])


def beyond(value: Value, rule: Rule, share: float = 0.005) -> float:
    """A little beyond a limit."""
    return rule.limit + (share * max(abs(rule.limit), 1.0)) * (-1 if value.bad_below else 1)


def usual(value: Value) -> float:
    """What nobody is told of."""
    return value.rules[next(iter(value.rules))].limit


@pytest.mark.parametrize(("name", "level"), RULES)
def test_values_beyond_the_limit_fire_the_alarm_and_usual_ones_end_it(
    world: World, name: str, level: str
) -> None:
    value, rule = VALUES[name], VALUES[name].rules[level]
    world.periods(value, [usual(value)] * rule.periods)
    assert world.state(name, level) == "OK", "the limit itself is no breach"
    world.periods(value, [beyond(value, rule)] * (rule.datapoints - 1))
    assert world.state(name, level) == "OK", "one datapoint too few"
    world.period(value, beyond(value, rule))
    assert world.state(name, level) == "ALARM"
    if level == WARNING and value.critical and value.critical.limit != rule.limit:
        assert world.state(name, CRITICAL) == "OK"
    world.periods(value, [usual(value)] * rule.periods)
    assert world.state(name, level) == "OK"


@pytest.mark.parametrize(("name", "level"), RULES)
def test_silence_means_what_is_declared(world: World, name: str, level: str) -> None:
    value, rule = VALUES[name], VALUES[name].rules[level]
    # An alarm looks two periods farther back than it has to, as that of AWS.
    world.periods(value, [usual(value)] + [None] * (rule.periods + 3))
    expected = {BREACHING: "ALARM", UNKNOWN: "INSUFFICIENT_DATA", FINE: "OK"}
    assert world.state(name, level) == expected[value.missing]


@pytest.mark.parametrize(("growth", "state"), [(0.199, "OK"), (0.200, "OK"), (0.201, "ALARM")])
def test_an_mae_that_grows_by_more_than_a_fifth_alerts(world: World, growth: float, state: str) -> None:
    world.period(VALUES["mae_change"], growth)
    assert world.state("mae_change", WARNING) == state
    assert world.state("mae_change", CRITICAL) == "OK"


def test_two_slow_minutes_of_five_are_no_alarm_and_three_are(world: World) -> None:
    slow, fast = 301.0, 100.0
    world.periods(VALUES["latency_p99"], [slow, fast, slow, fast, fast])
    assert world.state("latency_p99", WARNING) == "OK"
    world.periods(VALUES["latency_p99"], [slow, fast, slow, fast, slow])
    assert world.state("latency_p99", WARNING) == "ALARM"


def test_every_alarm_of_the_declaration_is_among_these() -> None:
    assert {f"bqx-{name}-{level}" for name, level in RULES} == {
        each["AlarmName"] for each in alarms(VALUES, "bqx")
    }
