"""The long proofs of the Airtable client: fifty kills, and a second client with the real penalties."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.airtable.tables import tables
from tests.airtable import served
from tests.faults.plan_traffic import landed, run
from tests.faults.test_plan_kills import MISSING, OUTDATED, kill_and_run_again
from tests.include.plan.changes import fill, plan_of
from tests.include.plan.clients import NO_LIMIT

pytestmark = pytest.mark.soak


@pytest.mark.timeout(900)
def test_fifty_kills(tmp_path: Path) -> None:
    written = [kill_and_run_again(tmp_path / str(seed), seed) for seed in range(100, 150)]
    print(f"records written before the kills: {sorted(written)}")
    assert len(set(written)) >= 4, "they died at different moments"
    assert 0 < sorted(written)[25] < len(OUTDATED) + len(MISSING)


@pytest.mark.timeout(600)
def test_500_changes_with_a_second_client_take_less_than_three_minutes(
    tmp_path: Path, database_url: str
) -> None:
    with served(tmp_path, seed=tables, rate=NO_LIMIT) as server:
        fill(server, plan_of(range(250)))
        plan = plan_of(range(500), Status="Done")
        done = run(server, database_url, plan, processes=3, stolen=3.0)
        told = f"{done.count.requests} requests, {done.count.refused} refused, {done.seconds:.0f} s"
        print(told)
        assert landed(server, plan)
        assert done.seconds < 180, told
