"""Whole DAG runs against a real PostgreSQL: failure isolation, healing, repetition, dry run."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.forms import DRY_RUN, FEATURE_PARAMS, LOAD_PARAMS
from include.settings import FAMILIES, STAGES
from tests.include.storage.samples import sample_bars

pytestmark = pytest.mark.filterwarnings(
    "default"
)  # a run goes through all of Airflow: its warnings are its own

PAIRS = ["audusd", "eurusd", "gbpusd"]
# A run in this process leaves its configuration in the DAG's params, so each run states all of them.
PARAMS = {
    "bqx_load": LOAD_PARAMS | {"dry_run": DRY_RUN},
    "bqx_features": FEATURE_PARAMS | {"dry_run": DRY_RUN},
}
DEFAULTS = {
    dag_id: {name: schema["default"] for name, schema in params.items()} for dag_id, params in PARAMS.items()
}
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs of bars as files."""
    folder = tmp_path_factory.mktemp("bars")
    for seed, pair in enumerate(PAIRS):
        bars = sample_bars(seed, days_around=1, months=1)
        columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume", "spread")}
        ts = pa.array(bars.ts * 60_000_000, pa.timestamp("us", tz="UTC"))
        pq.write_table(pa.table({"ts_utc": ts} | columns), folder / f"{pair}.parquet")
    return folder


@pytest.fixture
def run(airflow_database, dagbag, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run a DAG to its end in this process; returns its run."""
    monkeypatch.setenv("AIRFLOW_CONN_BQX_POSTGRES", database_url)
    monkeypatch.setenv("AIRFLOW_VAR_BQX_REPORTS", str(tmp_path / "reports"))
    number = 0

    def run_dag(dag_id: str, **conf):
        nonlocal number
        number += 1
        dag = dagbag.dags[dag_id]
        for task in dag.tasks:
            task.retries = 0
        return dag.test(
            logical_date=START + timedelta(seconds=hash((database_url, number)) % 10**8),
            run_conf=DEFAULTS[dag_id] | conf,
        )

    return run_dag


def states(dag_run) -> dict[str, Counter]:
    """State of the mapped task instances by task."""
    counts: dict[str, Counter] = {}
    for instance in dag_run.get_task_instances():
        counts.setdefault(instance.task_id, Counter())[str(instance.state)] += 1
    return counts


def keys(db: psycopg.Connection, table: str) -> list[datetime]:
    return [ts for (ts,) in db.execute(f"SELECT ts_utc FROM bqx.{table} ORDER BY 1")]


def test_load_then_features_then_break_a_pair_and_heal_it(run, folder: Path, db: psycopg.Connection) -> None:
    loaded = run("bqx_load", source=str(folder), pairs=PAIRS, price_side="bid")
    assert loaded.state == "success"
    assert states(loaded)["pairs.write"] == {"success": 3}

    db.execute("ALTER TABLE bqx.m1_eurusd RENAME COLUMN high TO broken")
    broken = run("bqx_features", pairs=PAIRS)
    found = states(broken)
    assert broken.state == "failed"
    for stage in STAGES[:-1]:
        assert found[f"pairs.{stage.group}.build"] == {"success": 2, "failed": 1}, stage
    assert found["shared"] == {"success": 1}, "one pair that cannot be read must not stop the others"
    assert found["pairs.s2_1_base.build"] == {"success": 2, "upstream_failed": 1}
    assert found["last.s1_6_17_correlation_bqx.build"] == {"success": 2, "skipped": 1}
    assert found["coverage"] == {"failed": 1}
    assert found["clean_up"] == {"success": 1}
    assert len(keys(db, "reg_bqx_gbpusd")) == len(keys(db, "bqx_gbpusd")) > 2000

    db.execute("ALTER TABLE bqx.m1_eurusd RENAME COLUMN broken TO high")
    built_before = dict(db.execute("SELECT table_name || month, built_at FROM bqx.build_log").fetchall())
    healed = run("bqx_features", pairs=PAIRS)
    assert healed.state == "success"
    built_after = dict(db.execute("SELECT table_name || month, built_at FROM bqx.build_log").fetchall())
    new = [name for name, moment in built_after.items() if built_before.get(name) != moment]
    assert new, "the broken pair must have been built"
    again = ("eurusd", "correlation_")  # correlations of the others lacked the broken pair
    assert all(any(part in name for part in again) for name in new), "what was right is not built again"
    for pair in PAIRS:
        assert all(keys(db, f"{family}_{pair}") == keys(db, f"bqx_{pair}") for family in FAMILIES)

    unchanged = run("bqx_features", pairs=PAIRS)
    found = states(unchanged)
    assert unchanged.state == "success"
    assert found["select"] == found["coverage"] == {"success": 1}
    assert all(found[f"pairs.{stage.group}.build"] == {"skipped": 1} for stage in STAGES[:-1])

    db.execute("DELETE FROM bqx.reg_idx_gbpusd WHERE ts_utc = (SELECT min(ts_utc) FROM bqx.reg_idx_gbpusd)")
    mended = run("bqx_features", pairs=PAIRS)
    assert mended.state == "success"
    assert all(states(mended)[f"pairs.{stage.group}.build"] == {"success": 1} for stage in STAGES[:-1])
    assert keys(db, "reg_idx_gbpusd") == keys(db, "bqx_gbpusd")


def test_a_bad_file_fails_the_load_and_leaves_the_database_alone(
    run, folder: Path, db: psycopg.Connection, tmp_path: Path
) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    truncated = tmp_path / "gbpusd.parquet"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    failed = run("bqx_load", source=str(tmp_path), pairs=PAIRS, price_side="bid")
    assert failed.state == "failed"
    # What failed is an event, for the alerts and the project plan; there is nothing of the bars.
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'bqx'"
    assert {name for (name,) in db.execute(tables)} == {"events"}


def test_a_dry_run_of_the_load_writes_nothing(run, folder: Path, db: psycopg.Connection) -> None:
    dry = run("bqx_load", source=str(folder), pairs=PAIRS, dry_run=True)
    assert dry.state == "success"
    assert db.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'bqx'").fetchone() == (0,)


def test_only_the_families_asked_for_are_built(run, folder: Path, db: psycopg.Connection) -> None:
    run("bqx_load", source=str(folder), pairs=["eurusd"])
    built = run("bqx_features", pairs=["eurusd"], families=["technical_idx", "reg_bqx"], months=["2024-02"])
    assert built.state == "success"
    found = states(built)
    assert found["pairs.s1_6_11_technical_bqx.build"] == {"skipped": 1}
    assert found["pairs.s2_1_base.build"] == {"success": 1}
    tables = {name for (name,) in db.execute("SELECT DISTINCT table_name FROM bqx.build_log")}
    assert tables == {"m1_eurusd", "bqx_eurusd", "technical_idx_eurusd", "reg_bqx_eurusd"}
    assert found["shared"] == {"skipped": 1}
    assert {moment.month for moment in keys(db, "technical_idx_eurusd")} == {2}


def test_a_gate_that_finds_something_fails_its_stage_and_leaves_a_report(
    run, folder: Path, db: psycopg.Connection, tmp_path: Path
) -> None:
    asked = {"pairs": ["eurusd", "gbpusd"], "families": ["technical_idx", "correlation_bqx"]}
    run("bqx_load", source=str(folder), pairs=PAIRS, price_side="bid")
    assert run("bqx_features", **asked).state == "success"
    (page,) = tmp_path.glob("reports/quality/*/s1_6_10_technical_idx_eurusd.html")
    assert "passed" in page.read_text()

    db.execute(
        "UPDATE bqx.technical_idx_eurusd SET rsi_14 = 50.5 "
        "WHERE ts_utc = (SELECT ts_utc FROM bqx.technical_idx_eurusd WHERE rsi_14 IS NOT NULL LIMIT 1)"
    )
    assert run("bqx_features", **asked).state == "success", "only a rebuild finds what is edited in place"
    db.execute("UPDATE bqx.gate_log SET seen = NULL")  # as if it had been edited before any gate looked
    failed = run("bqx_features", **asked)
    found = states(failed)
    assert failed.state == "failed"
    assert found["pairs.s1_6_10_technical_idx.build"] == {"success": 1, "failed": 1}
    assert found["last.s1_6_17_correlation_bqx.build"] == {"success": 1, "skipped": 1}
    (red,) = (
        page
        for page in tmp_path.glob("reports/quality/*/s1_6_10_technical_idx_eurusd.html")
        if "passed" not in page.read_text()
    )
    assert "rsi_14" in red.read_text()

    mended = run("bqx_features", **asked, rebuild=True, keep_runs=1)
    assert mended.state == "success"
    (kept,) = (tmp_path / "reports" / "quality").iterdir()
    assert "passed" in (kept / red.name).read_text(), "the reports of older runs were removed"
