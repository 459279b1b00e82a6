"""A review says what the tables say, proposes what follows, and keeps what a person answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.errors import NothingToDo
from include.monitoring.declaration import declared
from include.monitoring.store import keep
from include.monitoring.values import Reading
from include.objects import ObjectStore
from include.reports import INDEX
from include.retraining import log
from include.review import steps
from include.review.facts import Facts, Level
from include.review.proposals import proposals
from include.serving.clock import LAST_BAR
from include.storage.connection import connect
from tests.include.dataset.stores import empty_store
from tests.include.monitoring.worlds import BUDGET
from tests.include.retraining import worlds
from tests.include.retraining.test_cycle import first
from tests.include.retraining.worlds import DAY, PAIR, START, export, learn
from tests.include.storage.samples import store
from tests.reports import in_folder

GOOD = Facts(
    dataset_id="one", columns=195, stability=0.7, important={}, models={PAIR: "a"}, skill={PAIR: 0.02},
    retrainings={"decided": 10}, levels={}, findings=(0, 0), cost={"": 100.0, "Inference": 90.0},
)  # fmt: skip


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path / "s3") as opened:
        yield opened._replace(prefix="")


def test_nothing_is_proposed_without_a_reason() -> None:
    assert proposals(GOOD, BUDGET) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stability": 0.3}, "30% of their 50 most important columns"),
        ({"skill": {PAIR: 0.0}}, "No skill above the no-skill forecast in eurusd"),
        ({"skill": {}}, "Nothing was scored of eurusd"),
        ({"retrainings": {"decided": 8, "failed": 2}}, "2 of 10 retrainings failed"),
        ({"retrainings": {}}, "No retraining has ended"),
        ({"findings": (7, 2)}, "7 findings in 2 partitions"),
        (
            {"levels": {"mae_change": Level(3, 1, 0, 50)}},
            "critical in 1 of 50 readings: see runbooks/model-drift.md",
        ),
        ({"cost": {}}, "Nothing is known of the cost"),
        ({"cost": {"Inference": 181.0}}, "Inference costs $181 of $180"),
    ],
)
def test_each_reason_has_its_proposal(changes: dict, said: str) -> None:
    (told,) = proposals(GOOD._replace(**changes), BUDGET)
    assert said in told


def test_the_page_and_the_record_are_of_what_was_measured(
    database_url: str, bucket: ObjectStore, tmp_path: Path
) -> None:
    store(database_url, PAIR, worlds.market(12)[PAIR])
    export(bucket, "old", 10)
    version = first(bucket, learn(database_url, 9)).hash[:16]
    with connect(database_url) as connection:
        found = [Reading("skill", -0.01, PAIR), Reading("mae_change", 0.6), Reading("cost", 42.0)]
        keep(connection, declared(BUDGET), found, START + 10 * DAY, "run")
        log.begin(connection, "run", "scheduled")
        log.claim(connection, "run", START + 10 * DAY, START + 10 * DAY)
        log.conclude(connection, "run", "failed", "why")
    reports = in_folder(tmp_path / "reports")
    told = steps.gather(database_url, bucket, reports, BUDGET, LAST_BAR, "run")
    page = (reports.read(steps.KIND, "run", INDEX) or b"").decode()
    for said in (version, "-0.0100", "reg_idx__w30_lin_slope", "$42", "mae_change", "failed"):
        assert said in page, said
    assert any("No skill above" in each for each in told["proposals"])
    assert any("1 of 1 retrainings failed" in each for each in told["proposals"])
    assert "approve" in told["question"].lower()
    for accepted in (True, False):
        steps.conclude(bucket, told, accepted, "run")
        kept = json.loads(bucket.get("reviews/2024-07-12.json") or b"{}")
        assert (kept["accepted"], kept["proposals"]) == (accepted, told["proposals"])
    assert datetime.fromisoformat(kept["as_of"]).tzinfo == UTC


def test_nothing_was_gathered(bucket: ObjectStore) -> None:
    with pytest.raises(NothingToDo):
        steps.conclude(bucket, None, True, "run")
