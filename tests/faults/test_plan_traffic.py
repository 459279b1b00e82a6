"""The limit of Airtable is kept by all processes together, and nobody else's traffic stops us for good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.airtable.server import Server
from local.airtable.tables import tables
from tests.airtable import served
from tests.faults.plan_traffic import landed, run
from tests.include.plan.changes import fill, plan_of
from tests.include.plan.clients import NO_LIMIT


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path, seed=tables, rate=NO_LIMIT, penalty=2.0) as running:
        yield running


def test_500_changes_of_five_processes_are_50_writes_and_never_too_fast(
    server: Server, database_url: str
) -> None:
    fill(server, plan_of(range(250)))
    plan = plan_of(range(500), Status="Done")
    done = run(server, database_url, plan, processes=5)
    print(f"{done.count.requests} requests in {done.seconds:.1f} s")
    assert sum(len(one.created) + len(one.updated) for one in done.applied) == 500
    assert landed(server, plan)
    assert (done.count.writes, done.count.refused) == (50, 0)
    assert done.count.busiest <= 5
    assert done.count.requests / done.seconds > 2.5, "the quota is used"


def test_with_somebody_else_on_the_same_base_it_takes_longer(server: Server, database_url: str) -> None:
    fill(server, plan_of(range(50)))
    plan = plan_of(range(100), Status="Done")
    done = run(server, database_url, plan, processes=2, stolen=3.0)
    print(f"{done.count.requests} requests in {done.seconds:.1f} s, {done.count.refused} refused")
    assert landed(server, plan)
    assert done.count.writes - done.count.refused <= 12
    assert done.count.refused <= 6, "after the first refusals what is left of the quota is found"


def test_a_storm_stops_every_process_and_loses_nothing(server: Server, database_url: str) -> None:
    plan = plan_of(range(90))
    storm = threading.Timer(4.0, server.limits.storm, [3.0])
    storm.start()
    done = run(server, database_url, plan, processes=3)
    storm.join()
    assert landed(server, plan)
    assert 1 <= done.count.refused <= 5, "those on their way, nobody after them"
