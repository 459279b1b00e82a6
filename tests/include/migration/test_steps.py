"""The tasks of the DAG: what an earlier run left undone is seen in the database and done by the next."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.build.months import build
from include.errors import MigrationFailed, MigrationRefused
from include.migration import execute, steps
from include.migration.plan import Options, make_plan
from include.storage.schema import ensure_tables
from include.storage.tables import table_of
from tests.faults.migrations import carry_out, document, request
from tests.include.migration import database
from tests.include.migration.database import PAIRS, ROWS
from tests.include.storage.samples import sample_bars, store
from tests.reports import in_folder

RENAMED = {"reg_idx_eurusd": 2 * ROWS, "statistics_idx_eurusd": 2 * ROWS}


@pytest.fixture
def legacy(database_url: str) -> str:
    database.build(database_url)
    return database_url


def until(url: str, folder: Path, last: str) -> dict[str, Any]:
    """A run that is killed after one of its tasks."""
    done: dict[str, Any] = {}
    wanted, kept = request(PAIRS), {"reports": in_folder(folder), "run_label": "killed"}
    done["plan"] = steps.plan(url, wanted, **kept)
    made = done["plan"]["hash"]
    steps.prepare(url, wanted, done["plan"], parallel=1)
    for pair in PAIRS:
        steps.count(url, wanted, made, pair)
        steps.apply(url, wanted, made, pair)
        if last == "check":
            steps.check(url, wanted, pair)
    return done


def counts(folder: Path) -> dict[str, tuple[str, str]]:
    """Rows before and after by table, from the document."""
    rows = csv.DictReader(document(folder, "counts.csv").read_text().splitlines())
    return {row["table"]: (row["rows_before"], row["rows_after"]) for row in rows}


@pytest.mark.parametrize("last", ["apply", "check"])
def test_a_run_that_was_killed_before_it_wrote_its_documents_is_made_good(
    legacy: str, tmp_path: Path, last: str
) -> None:
    undisturbed = tmp_path / "undisturbed"
    until(legacy, tmp_path / "killed", last)
    assert not document(tmp_path / "killed", "tables.md").exists()
    results = carry_out(legacy, undisturbed, request(PAIRS))
    assert results["plan"]["pairs"] == list(PAIRS)
    assert "Nothing to rename" in results["plan"]["page"]
    assert "Documents that this run writes: eurusd, gbpusd, usdjpy." in results["plan"]["page"]
    found = counts(undisturbed)
    assert {name: found[name] for name in RENAMED} == {
        name: (str(rows), str(rows)) for name, rows in RENAMED.items()
    }
    manifest = document(undisturbed, "manifest.csv").read_text()
    assert "reg_eurusd_2024_01,reg_idx_eurusd_2024_01" in manifest
    assert manifest.count("\n") > 20
    again = carry_out(legacy, tmp_path / "again", request(PAIRS))
    assert again["plan"]["pairs"] == [], "everything is there now"


def test_documents_that_are_gone_are_written_again_with_the_counts_of_then(
    legacy: str, tmp_path: Path, db: psycopg.Connection
) -> None:
    carry_out(legacy, tmp_path / "first", request(PAIRS))
    before = counts(tmp_path / "first")
    store(legacy, "eurusd", sample_bars(days_around=1, months=2))
    build(legacy, "eurusd", ["statistics_idx"])  # from now on the table has other rows
    assert carry_out(legacy, tmp_path / "none", request(PAIRS))["plan"]["pairs"] == []
    shutil.rmtree(document(tmp_path / "first", "."))
    results = carry_out(legacy, tmp_path / "second", request(PAIRS))
    assert results["plan"]["pairs"] == list(PAIRS)
    after = counts(tmp_path / "second")
    assert {name: after[name] for name in RENAMED} == {name: before[name] for name in RENAMED}


def test_documents_of_some_pairs_do_not_stand_for_others(legacy: str, tmp_path: Path) -> None:
    carry_out(legacy, tmp_path / "one", request(["eurusd"]))
    results = carry_out(legacy, tmp_path / "all", request(PAIRS))
    assert results["plan"]["pairs"] == ["gbpusd", "usdjpy"]
    manifest = document(tmp_path / "all", "manifest.csv").read_text()
    assert {line.split(",")[1] for line in manifest.splitlines()[1:]} == set(PAIRS)


def test_nothing_is_published_while_something_is_left(legacy: str, tmp_path: Path) -> None:
    wanted = request(PAIRS)
    with pytest.raises(MigrationFailed, match="Left to rename: reg_eurusd"):
        steps.publish(legacy, wanted, "", reports=in_folder(tmp_path), run_label="r")


def test_a_table_that_the_builds_made_gives_way_to_the_legacy_one_if_allowed(
    legacy: str, tmp_path: Path, db: psycopg.Connection
) -> None:
    """What an older version of this bundle could do: build first, and then find only conflicts."""
    db.execute("ALTER TABLE bqx.statistics_features_eurusd RENAME TO hidden")
    ensure_tables(db, [table_of("statistics_idx", "eurusd")])
    db.execute("CREATE TABLE bqx.part PARTITION OF bqx.statistics_idx_eurusd DEFAULT")
    db.execute("INSERT INTO bqx.statistics_idx_eurusd (ts_utc, mean_20) VALUES ('2024-01-01Z', 1)")
    db.execute(
        "INSERT INTO bqx.build_log (table_name, month, row_count, input_hash, seconds)"
        " VALUES ('statistics_idx_eurusd', '2024-01-01', 1, 'x', 1)"
    )
    db.execute("ALTER TABLE bqx.hidden RENAME TO statistics_features_eurusd")
    (conflict,) = make_plan(legacy, pairs=["eurusd"]).conflicts
    assert "allow replace_built" in conflict.reason
    allowed = Options(replace_built=True)
    carry_out(legacy, tmp_path / "run", request(["eurusd"], options=allowed))
    rows = "SELECT count(*), count(entropy_60min) FROM bqx.statistics_idx_eurusd"
    assert db.execute(rows).fetchone() == (2 * ROWS, 2 * ROWS)
    assert db.execute("SELECT count(*) FROM bqx.build_log").fetchone() == (0,)


def test_a_table_of_ours_to_which_somebody_added_a_column_is_not_dropped(
    legacy: str, db: psycopg.Connection
) -> None:
    db.execute("ALTER TABLE bqx.statistics_features_eurusd RENAME TO hidden")
    ensure_tables(db, [table_of("statistics_idx", "eurusd")])
    db.execute("ALTER TABLE bqx.hidden RENAME TO statistics_features_eurusd")
    wanted = request(["eurusd"], options=Options(replace_built=True))
    plan = make_plan(legacy, pairs=["eurusd"], options=wanted.options)
    db.execute("ALTER TABLE bqx.statistics_idx_eurusd ADD COLUMN note TEXT")
    with pytest.raises(MigrationRefused, match="has the column note, which is not ours"):
        execute.run(legacy, plan, "eurusd")
