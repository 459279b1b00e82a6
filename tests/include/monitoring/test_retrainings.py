"""The last retraining, and the share of ten that ended with a decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.monitoring.declaration import declared
from include.monitoring.retrainings import DECIDED, FAILED, NOTHING, RUNNING, Run, judged, readings
from include.monitoring.values import CRITICAL, NO_DATA, OK, WARNING, judge
from include.retraining import log
from include.storage.connection import connect
from tests.include.monitoring.worlds import BUDGET

NOW = datetime(2026, 3, 30, 3, tzinfo=UTC)


def runs(*states: str) -> list[Run]:
    """Weekly, newest first."""
    return [Run(f"run {n}", state, NOW - timedelta(weeks=n, hours=1)) for n, state in enumerate(states)]


def levels(found: list[Run]) -> tuple[str, str]:
    values = declared(BUDGET)
    failures, success = judged(found, NOW)
    return judge(values[failures.name], failures.value), judge(values[success.name], success.value)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], (NO_DATA, NO_DATA)),
        ([RUNNING], (NO_DATA, NO_DATA)),
        ([FAILED], (WARNING, NO_DATA)),
        ([DECIDED] * 9, (OK, NO_DATA)),
        ([DECIDED] * 10, (OK, OK)),
        ([DECIDED] * 9 + [FAILED], (OK, OK)),
        ([DECIDED] * 8 + [FAILED] * 2, (OK, CRITICAL)),
        ([FAILED] + [DECIDED] * 9, (WARNING, OK)),
        ([RUNNING] + [DECIDED] * 10, (OK, OK)),
        ([DECIDED, RUNNING] + [DECIDED] * 8, (OK, OK)),  # the one of last week was killed and ended nowhere
        ([DECIDED, RUNNING, RUNNING] + [DECIDED] * 7, (OK, CRITICAL)),
        ([DECIDED] * 10 + [FAILED], (OK, OK)),
    ],
)
def test_levels_of_ten_runs(states: list[str], expected: tuple[str, str]) -> None:
    assert levels(runs(*states)) == expected


def test_they_are_read_from_the_table(database_url: str) -> None:
    with connect(database_url) as connection:
        assert [each.value for each in readings(connection, NOW)] == [None, None]
        for number in range(12):
            log.begin(connection, f"run {number:02}", "scheduled")
            log.conclude(connection, f"run {number:02}", DECIDED if number != 5 else FAILED, "")
        log.begin(connection, "run 12", "manual")
        log.conclude(connection, "run 12", NOTHING, "There are no newer data.")
        found = readings(connection, datetime.now(UTC))
    assert [(each.name, each.value) for each in found] == [
        ("retraining_failures", 0.0),
        ("retraining_success", 0.9),
    ]
