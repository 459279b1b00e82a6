"""When a cycle begins and which run decides it; partitions, stale months, how a run ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from include.build.months import build
from include.build.shared import build_shared
from include.errors import Incomplete, MissingInput, NothingToDo
from include.features.catalogue import STORED
from include.forms import DATASET_PARAMS, ENDPOINT_PARAMS, TRAINING_PARAMS
from include.market.synthetic import simulate
from include.names import to_datetime
from include.retraining import log, steps
from include.retraining.forms import RETRAIN_PARAMS
from include.serving.clock import LAST_BAR
from include.storage.connection import connect
from include.storage.partitions import attached_months
from local.postgres import Postgres
from tests.include.dataset import worlds as databases
from tests.include.retraining.worlds import DAY, PAIR, START
from tests.include.storage.samples import store

PARAMS = {name: schema["default"] for name, schema in RETRAIN_PARAMS.items()} | {"pairs": [PAIR]}


def load(url: str, days: int) -> None:
    """Bars of the first days, to the end of the last one."""
    store(url, PAIR, simulate(START, START + days * DAY, 3, 0.0, [PAIR])[PAIR])


def plan(url: str, run: str, kind: str = "scheduled", **params: Any) -> dict[str, Any]:
    steps.begin(url, run, kind)
    return steps.plan(url, PARAMS | params, LAST_BAR, run, kind, f"retrain__{run}")


def decide(url: str, run: str, planned: dict[str, Any]) -> None:
    found = {"summary": "Pairs: 1 keep.", "lines": [], "report": "", "absent": []}
    steps.conclude(url, run, planned, found, [])


def states(url: str) -> dict[str, str]:
    with connect(url) as connection:
        return {
            str(run): str(state)
            for run, state in connection.execute("SELECT run, state FROM bqx.retrainings")
        }


def test_the_plan_asks_each_phase_for_what_it_knows(database_url: str) -> None:
    load(database_url, 13)  # a Saturday evening: the bars end on Friday
    planned = plan(database_url, "scheduled__2024-07-14T02:00:00+00:00", history_days=10)
    assert planned["dataset"]["first_day"] == "2024-07-02"
    assert planned["dataset"]["end_day"] == "2024-07-12", "the last whole UTC day"
    assert planned["dataset_id"] == "2024-07-02_2024-07-11_retrain__scheduled__2024-07-14t02-00-00-00-00"
    assert planned["train"]["dataset_id"] == planned["dataset_id"]
    assert planned["dataset"].keys() == {*DATASET_PARAMS, "pairs", "dry_run"}
    assert planned["train"].keys() == {*TRAINING_PARAMS, "pairs", "dry_run"}
    assert planned["deploy"].keys() == {*ENDPOINT_PARAMS, "pairs", "dry_run", "action", "ask"}
    assert planned["deploy"]["ask"] is False


def test_the_data_set_gets_the_name_that_was_planned(database_url: str) -> None:
    from include.dataset.frame import default_id

    load(database_url, 12)
    planned = plan(database_url, "manual__1")
    assert planned["dataset_id"] == default_id(planned["start"], planned["end"], "retrain__manual__1")


def test_data_are_decided_about_once(database_url: str) -> None:
    """A manual run beside the scheduled one, a missed week that comes late, a second click."""
    load(database_url, 12)
    first = plan(database_url, "scheduled__1")
    decide(database_url, "scheduled__1", first)
    for run, kind in (
        ("manual__1", "manual"),
        ("scheduled__0", "scheduled"),
        ("asset__1", "asset_triggered"),
    ):
        with pytest.raises(NothingToDo, match="scheduled__1 has decided about the data until 2024-07-12"):
            plan(database_url, run, kind)
    assert states(database_url) == {
        "scheduled__1": "decided", "manual__1": "nothing to do", "scheduled__0": "nothing to do",
        "asset__1": "nothing to do",
    }  # fmt: skip


def test_a_cycle_that_failed_may_be_decided_by_the_next_run(database_url: str) -> None:
    load(database_url, 12)
    first = plan(database_url, "scheduled__1")
    with pytest.raises(Incomplete, match="Tasks failed: train"):
        steps.conclude(database_url, "scheduled__1", first, None, ["train"])
    assert states(database_url) == {"scheduled__1": "failed"}
    again = plan(database_url, "manual__1", "manual")
    assert again["end"] == first["end"]


def test_a_drift_waits_for_days_and_the_week_does_not(database_url: str) -> None:
    load(database_url, 9)
    decide(database_url, "scheduled__1", plan(database_url, "scheduled__1"))
    load(database_url, 12)
    with pytest.raises(NothingToDo, match="5 days more"):
        plan(database_url, "asset__1", "asset_triggered")
    assert plan(database_url, "scheduled__2")["end"] == START + 11 * DAY
    load(database_url, 17)
    assert plan(database_url, "asset__2", "asset_triggered")["end"] == START + 17 * DAY


def test_a_plan_that_is_made_again_is_of_the_same_cycle(database_url: str) -> None:
    load(database_url, 11)
    first = plan(database_url, "scheduled__1")
    load(database_url, 12)
    assert (
        steps.plan(database_url, PARAMS, LAST_BAR, "scheduled__1", "scheduled", "retrain__scheduled__1")
        == first
    )


def test_a_pair_without_bars_is_named(database_url: str) -> None:
    load(database_url, 11)
    with pytest.raises(MissingInput, match="gbpusd"):
        plan(database_url, "scheduled__1", pairs=[PAIR, "gbpusd"])


def test_months_to_come_get_partitions_once(database_url: str, db: psycopg.Connection) -> None:
    load(database_url, 11)
    planned = plan(database_url, "scheduled__1")
    assert steps.coming(database_url, planned) == {"made": 2, "months": ["2024-08", "2024-09"]}
    assert steps.coming(database_url, planned)["made"] == 0
    with connect(database_url) as connection:
        found = sorted(attached_months(connection, "m1_eurusd").values())
    assert found == [f"m1_eurusd_2024_0{month}" for month in (7, 8, 9)]
    load(database_url, 35)  # the months are filled by a load as if nobody had made them
    assert db.execute("SELECT count(*) > 0 FROM bqx.m1_eurusd WHERE ts_utc >= '2024-08-01'").fetchone() == (
        True,
    )


def test_a_table_that_somebody_else_made_gets_none(database_url: str, db: psycopg.Connection) -> None:
    load(database_url, 11)
    planned = plan(database_url, "scheduled__1")
    db.execute("COMMENT ON COLUMN bqx.m1_eurusd.close IS 'of the old system'")
    assert steps.coming(database_url, planned)["made"] == 0


@pytest.fixture(scope="module")
def built(postgres: Postgres) -> Iterator[str]:
    """Name of a database in which July is built, and August has bars."""
    with databases.database(postgres) as name:
        url = postgres.url(name)
        load(url, 30)
        build_shared(url)
        build(url, PAIR, list(STORED))
        load(url, 34)
        yield name


def test_features_of_new_months_only(built: str, postgres: Postgres) -> None:
    with databases.database(postgres, built) as name:
        url = postgres.url(name)
        told = steps.stale(url, plan(url, "scheduled__1"))
        assert told["months"] == ["2024-07", "2024-08"], "July has got its last day"
        build_shared(url)
        build(url, PAIR, list(STORED), ["2024-07"])
        assert steps.stale(url, plan(url, "scheduled__1"))["months"] == ["2024-08"]
        build(url, PAIR, list(STORED), ["2024-08"])
        with pytest.raises(NothingToDo, match="2 months are right"):
            steps.stale(url, plan(url, "scheduled__1"))


def test_a_run_ends_with_nothing_to_do_a_decision_or_a_failure(
    database_url: str, db: psycopg.Connection
) -> None:
    load(database_url, 12)
    with pytest.raises(NothingToDo):
        steps.conclude(database_url, "scheduled__1", None, None, [])
    planned = plan(database_url, "scheduled__1")
    found = {
        "summary": "Pairs: 1 keep.",
        "lines": ["keep eurusd: why"],
        "report": "link",
        "absent": ["gbpusd"],
    }
    with pytest.raises(Incomplete, match="Not compared: gbpusd"):
        steps.conclude(database_url, "scheduled__1", planned, found, [])
    assert states(database_url) == {"scheduled__1": "failed"}
    assert db.execute("SELECT to_regclass('bqx.alerts')").fetchone() == (None,), "a failure has its own mail"
    for _ in range(2):  # the task may be run again
        steps.conclude(database_url, "scheduled__1", planned, found | {"absent": []}, [])
    assert states(database_url) == {"scheduled__1": "decided"}
    assert db.execute("SELECT count(*) FROM bqx.alerts").fetchone() == (1,)


def test_a_run_that_begins_again_keeps_its_cycle(database_url: str) -> None:
    with connect(database_url) as connection:
        log.begin(connection, "run", "manual")
        first = log.claim(connection, "run", START, START - DAY)
        log.conclude(connection, "run", "failed", "why")
        log.begin(connection, "run", "manual")
        assert log.claim(connection, "run", START + DAY, START) == first
        assert to_datetime(first.end).isoformat() == "2024-06-30T00:00:00+00:00"
