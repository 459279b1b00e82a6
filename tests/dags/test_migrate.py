"""Stage 1.6.9 as a DAG: a dry run by default, nothing without an approval, nothing to do is a success."""

from __future__ import annotations

import itertools
from pathlib import Path

import psycopg
import pytest

from include.forms import MIGRATE_PARAMS
from include.names import Month
from local.legacy import build_legacy

pytestmark = pytest.mark.filterwarnings("default")  # a run goes through all of Airflow

PAIRS = ("audusd", "eurusd")
NAMES = (  # all but the outbox, to which every task adds its events
    "SELECT oid, relname FROM pg_class WHERE relnamespace = 'bqx'::REGNAMESPACE AND relname !~ '^events?' "
    "ORDER BY oid"
)
DEFAULTS = {name: schema["default"] for name, schema in MIGRATE_PARAMS.items()}


@pytest.fixture
def migrate(airflow_database, dagbag, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run bqx_migrate as far as it goes without a person; states of its tasks."""
    monkeypatch.setenv("AIRFLOW_CONN_BQX_POSTGRES", database_url)
    monkeypatch.setenv("AIRFLOW_VAR_BQX_REPORTS", str(tmp_path))

    def run(**conf) -> dict[str, set[str]]:
        dag = dagbag.dags["bqx_migrate"]
        done = dag.test(run_conf=DEFAULTS | {"pairs": list(PAIRS), "dry_run": True} | conf)
        states: dict[str, set[str]] = {"run": {str(done.state)}}
        for instance in done.get_task_instances():
            states.setdefault(instance.task_id, set()).add(str(instance.state))
        return states

    return run


def test_a_dry_run_shows_the_plan_and_changes_nothing(
    migrate, db: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    build_legacy(database_url, pairs=PAIRS, months=[Month(2024, 2)])
    before = db.execute(NAMES).fetchall()
    states = migrate()
    assert states["run"] == {"success"}
    assert states["plan"] == {"success"}
    untouched = ("prepare", "count", "approval", "snapshot", "pairs.apply", "pairs.check", "publish")
    assert all(states[task] == {"skipped"} for task in untouched), states
    assert db.execute(NAMES).fetchall() == before
    (page,) = tmp_path.glob("migration/*/plan.md")
    assert "reg_idx" in page.read_text()


def test_a_database_without_legacy_tables_is_a_success(migrate) -> None:
    states = migrate(dry_run=False)
    assert states["run"] == {"success"}
    assert states["approval"] == {"skipped"}


def test_the_order_of_the_dangerous_steps(dagbag) -> None:
    dag = dagbag.dags["bqx_migrate"]
    order = ["plan", "prepare", "count", "approval", "snapshot", "pairs.apply", "pairs.check", "publish"]
    for before, after in itertools.pairwise(order):
        assert before in dag.get_task(after).get_flat_relative_ids(upstream=True), (before, after)
    assert all(dag.get_task(task).trigger_rule == "all_success" for task in order)
    approval = dag.get_task("approval")
    assert approval.defaults == ["Reject"], "no answer is a refusal"
    assert approval.fail_on_reject, "a refusal stops whatever comes after the stage"
    assert dag.params["dry_run"] is True
