"""Clean-up removes old reports and leftover build tables, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

from include.quality.findings import Inspection
from include.quality.report import write_report
from include.quality.retention import clean_up
from include.storage.connection import connect
from include.storage.schema import ensure_tables
from include.storage.tables import table_of
from tests.reports import in_folder

LEFTOVER = "bollinger_idx_eurusd_2024_02__build"


@pytest.fixture
def url(database_url: str) -> str:
    with connect(database_url) as connection:
        ensure_tables(connection, [table_of("bollinger_idx", "eurusd")])
    return database_url


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Three runs, the names not in the order of their age."""
    for age, run in enumerate(("b", "c", "a")):
        path = write_report(Inspection("eurusd", ("bollinger_idx",), run), in_folder(tmp_path))
        os.utime(path, (1e9 - age, 1e9 - age))
    return tmp_path


def runs(reports: Path) -> set[str]:
    return {entry.name for entry in (reports / "quality").iterdir()}


def test_the_newest_runs_stay(url: str, reports: Path) -> None:
    result = clean_up(url, in_folder(reports), 2)
    assert (result["reports"], result["runs_kept"]) == (["quality/a"], 2)
    assert runs(reports) == {"b", "c"}
    assert int(str(result["bytes"])) > 1000


def test_a_plan_says_the_same_and_removes_nothing(url: str, reports: Path, db: psycopg.Connection) -> None:
    db.execute(f"CREATE TABLE bqx.{LEFTOVER} (ts_utc TIMESTAMPTZ)")
    plan = clean_up(url, in_folder(reports), 1, dry_run=True)
    assert (plan["reports"], plan["tables"]) == (["quality/c", "quality/a"], [LEFTOVER])
    assert runs(reports) == {"a", "b", "c"}
    assert db.execute(f"SELECT to_regclass('bqx.{LEFTOVER}')").fetchone() != (None,)
    assert clean_up(url, in_folder(reports), 1) == plan | {"dry_run": False}


def test_reports_of_every_kind_but_data_sets_go(url: str, reports: Path) -> None:
    kept = in_folder(reports)
    kept.write("migration", "m", {"plan.txt": "x"})
    kept.write("plan", "p", {"plan.html": "x"})
    kept.write("datasets", "d", {"index.html": "x"})
    result = clean_up(url, kept, 0)
    assert set(result["reports"]) == {"quality/a", "quality/b", "quality/c", "migration/m", "plan/p"}
    assert [path.name for path in reports.rglob("*") if path.is_file()] == ["index.html"]


def test_no_folder_is_no_problem(url: str, tmp_path: Path) -> None:
    assert clean_up(url, in_folder(tmp_path / "none"), 3)["reports"] == []
    with pytest.raises(ValueError, match="-1"):
        clean_up(url, in_folder(tmp_path), -1)


def test_only_tables_that_a_build_made_are_dropped(url: str, tmp_path: Path, db: psycopg.Connection) -> None:
    others = ("my__build", "bollinger_idx_eurusd_2024_02__build_old", "bollinger_idx_eurxyz_2024_02__build")
    for name in (LEFTOVER, "m1_gbpusd_2024_12__build", *others):
        db.execute(f"CREATE TABLE bqx.{name} (ts_utc TIMESTAMPTZ)")
    db.execute("CREATE SCHEMA other")
    db.execute(f"CREATE TABLE other.{LEFTOVER} (ts_utc TIMESTAMPTZ)")
    db.execute(
        "CREATE TABLE bqx.bollinger_idx_eurusd_2024_03__build PARTITION OF bqx.bollinger_idx_eurusd "
        "FOR VALUES FROM ('2024-03-01Z') TO ('2024-04-01Z')"
    )
    result = clean_up(url, in_folder(tmp_path), 3)
    assert set(result["tables"]) == {LEFTOVER, "m1_gbpusd_2024_12__build"}
    left = {
        name
        for (name,) in db.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '__build'")
    }
    assert left == {*others, LEFTOVER, "bollinger_idx_eurusd_2024_03__build"}  # LEFTOVER: the other schema's


def test_a_table_somebody_holds_stays(url: str, tmp_path: Path, db: psycopg.Connection) -> None:
    db.execute(f"CREATE TABLE bqx.{LEFTOVER} (ts_utc TIMESTAMPTZ)")
    with db.transaction():
        db.execute(f"LOCK TABLE bqx.{LEFTOVER} IN ACCESS SHARE MODE")
        result = clean_up(url, in_folder(tmp_path), 3)
    assert (result["tables"], result["in_use"]) == ([], [LEFTOVER])
    assert db.execute(f"SELECT to_regclass('bqx.{LEFTOVER}')").fetchone() != (None,)


def test_a_running_build_is_not_seen(url: str, tmp_path: Path, db: psycopg.Connection) -> None:
    with db.transaction():
        db.execute(f"CREATE TABLE bqx.{LEFTOVER} (ts_utc TIMESTAMPTZ)")
        assert clean_up(url, in_folder(tmp_path), 3)["tables"] == []
