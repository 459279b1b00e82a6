"""Evidence of monitoring, runbooks and improvement: there as long as what it speaks of is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from include.alerts import store as alerts
from include.monitoring import store
from include.monitoring.declaration import declared
from include.monitoring.steps import PROVIDED, SCOREBOARD
from include.monitoring.values import Reading
from include.objects import ObjectStore
from include.plan import drills, operating
from include.plan.drills import Drill, Drills
from include.plan.model import load
from include.reports import Reports
from include.storage.connection import Connection, connect
from tests import s3
from tests.include.monitoring.worlds import BUDGET

NAMES = ("r2", "skill")


class Look(NamedTuple):
    """Where the functions look."""

    connection: Connection
    reports: Reports
    bucket: ObjectStore | None


@pytest.fixture
def look(database_url: str, tmp_path: Path) -> Iterator[Look]:
    with s3.served(tmp_path) as server, connect(database_url) as connection:
        bucket = ObjectStore(s3.connect(server.server_port), "bqx", "")
        bucket.ensure_bucket()
        yield Look(connection, Reports(bucket._replace(prefix="reports")), bucket)


def put(look: Look, key: str, content: object) -> None:
    assert look.bucket is not None
    look.bucket.put(key, json.dumps(content).encode())


def test_values_are_published_when_each_has_one_and_the_scoreboard_is_told(look: Look) -> None:
    assert not operating.measured(look, NAMES).begun
    store.keep(
        look.connection, declared(BUDGET), [Reading("r2", 0.5), Reading("skill", None)], 28_600_000, "r"
    )
    found = operating.measured(look, NAMES)
    assert (found.done, found.begun, found.missing) == (False, True, ("skill",))
    store.keep(look.connection, declared(BUDGET), [Reading("skill", 0.1)], 28_600_240, "r")
    put(look, SCOREBOARD, {"lines": [{"name": "R2", "state": "not met"}]})
    found = operating.measured(look, NAMES)
    assert found.done
    assert found.text == "2 of 2 values are published: r2 0.5, skill 0.1; R2: not met"


def test_a_dashboard_is_done_when_it_is_in_cloudwatch_and_drawn(look: Look) -> None:
    assert not operating.drawn(look, ["cost"]).begun
    put(look, PROVIDED, {"dashboards": ["bqx-monitor-cost"]})
    assert not operating.drawn(look, ["cost"]).done
    look.reports.write("monitoring", "run 1", {"index.html": "x", "cost.png": b"x"})
    found = operating.drawn(look, ["cost"])
    assert found.done
    assert found.report.endswith("/reports/monitoring/run-1/index.html")
    assert not operating.drawn(look, ["performance"]).done


def test_alerts_are_configured_when_all_alarms_are_there_and_somebody_looks(look: Look) -> None:
    _, count = drills.declaration()
    put(look, PROVIDED, {"alarms": ["a"] * count})
    assert operating.provided(look, ()).missing == ("bqx_alert",)
    alerts.ensure_tables(look.connection)
    alerts.set_round(look.connection, datetime.now(UTC))
    assert operating.provided(look, ()).done
    put(look, PROVIDED, {"alarms": ["a"] * (count - 1)})
    assert operating.provided(look, ()).missing == ("alarms in CloudWatch",)


def test_alarms_count_as_fired_and_pages_as_drilled_while_they_are_the_same(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, count = drills.declaration()
    page = Drill(drills.page_hash("cost"), "2026-11-29")
    for known, fired, drilled in (
        (Drills(now, count, {"cost": page}), True, True),
        (Drills("old", count, {"cost": page._replace(page="old")}), False, False),
        (Drills(now, count - 1, {}), False, False),
    ):
        monkeypatch.setattr(drills, "read", lambda known=known: known)
        assert operating.fired(look, ()).done is fired
        assert operating.drilled(look, ["cost"]).done is drilled
        assert not operating.drilled(look, ["cost", "rollback"]).done


def test_a_retraining_needs_a_decision(look: Look) -> None:
    assert not operating.retrained(look, ()).begun
    look.connection.execute("CREATE SCHEMA IF NOT EXISTS bqx")
    look.connection.execute("CREATE TABLE bqx.retrainings (state TEXT, ended_at TIMESTAMPTZ, report TEXT)")
    look.connection.execute("INSERT INTO bqx.retrainings VALUES ('failed', now(), '')")
    assert (operating.retrained(look, ()).done, operating.retrained(look, ()).begun) == (False, True)
    look.connection.execute("INSERT INTO bqx.retrainings VALUES ('decided', now(), 'http://page')")
    found = operating.retrained(look, ())
    assert (found.done, found.text, found.report) == (
        True,
        "1 of 2 retrainings ended with a decision",
        "http://page",
    )


def test_reports_and_objects_are_there_or_not(look: Look) -> None:
    assert not operating.reported(look, ["plan"]).begun
    look.reports.write("plan", "run 1", {"plan.html": "x"})
    assert operating.reported(look, ["plan"]).done
    assert not operating.reported(look, ["plan", "training"]).done
    assert not operating.kept(look, ["tracking/"]).begun
    put(look, "tracking/artefacts/x", {})
    assert operating.kept(look, ["tracking/"]).text == "1 objects in tracking/"
    assert not operating.kept(look._replace(bucket=None), ["tracking/"]).done


def test_every_task_of_phase_5_has_evidence_that_names_something_known() -> None:
    tasks = [item for item in load().items if item.table == "Tasks" and item.number.startswith("5.")]
    assert len(tasks) == 14
    for task in tasks:
        assert task.evidence is not None
        assert task.evidence.kind != "none"
        names = task.evidence.families
        if task.evidence.kind == "drilled":
            assert all(drills.page_hash(name) for name in names)
        elif task.evidence.kind == "measured":
            assert set(names) <= declared(BUDGET).keys()
    evidence = [task.evidence for task in tasks if task.evidence is not None]
    drilled = [name for one in evidence if one.kind == "drilled" for name in one.families]
    assert sorted(drilled) == sorted(path.stem for path in drills.PAGES.glob("*.md") if path.stem != "README")
