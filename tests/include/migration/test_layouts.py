"""Tables that builds could not work with are refused by the plan; each remedy leads to a built table."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from include.build.months import build
from include.errors import MigrationRefused, SchemaMismatch
from include.migration import steps
from include.migration.model import Batch
from include.migration.plan import make_plan
from include.storage.connection import connect
from include.storage.fitness import month_of, unfit
from tests.faults.migrations import carry_out, request
from tests.include.migration.layouts import LAYOUTS, MONTHS, NAME, NEW, OTHERS, ROWS, Layout, make
from tests.include.storage.samples import sample_bars, store
from tests.reports import in_folder

PAIR, FAMILY = "eurusd", "statistics_idx"
DOCS = Path(__file__).parents[3] / "docs/migration.md"

REMEDIES = {
    "a foreign key to the table": r"(ALTER TABLE bqx\.orders DROP CONSTRAINT \w+)",
    "a foreign key to a partition": r"(ALTER TABLE bqx\.orders DROP CONSTRAINT \w+)",
    "a view of a partition": f"CREATE OR REPLACE VIEW bqx.february AS SELECT ts_utc FROM bqx.{NAME}",
    "no primary key": r"(ALTER TABLE \S+ ADD PRIMARY KEY \(ts_utc\))",
    "names of other months": f"ALTER TABLE bqx.{NAME}_2024_02 RENAME TO {NAME}_2024_01",
    "a column that asks for values": f"ALTER TABLE bqx.{NAME} ALTER COLUMN entropy_60min DROP NOT NULL",
    "a partition of another schema": r"(ALTER TABLE archive\.\w+ SET SCHEMA bqx)",
}


def recipe(table: str) -> str:
    """The statements of the documentation for a table."""
    (found,) = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return found.replace("reg_eurusd", table)


def batch_of(url: str) -> Batch:
    plan = make_plan(url, pairs=[PAIR])
    (batch,) = (batch for batch in plan.batches if batch.family == FAMILY)
    return batch


def assert_goes_all_the_way(url: str, db: psycopg.Connection, folder: Path) -> None:
    """Migrated, built, and taken back: every legacy value is there each time."""
    total = f"SELECT count(entropy_60min), sum(entropy_60min) FROM bqx.{NAME}"
    before = db.execute(total).fetchone()
    assert before == (ROWS, ROWS * (ROWS - 1) / 2)
    carry_out(url, folder / "migrate", request([PAIR]))
    assert db.execute(total.replace(NAME, NEW)).fetchone() == before
    store(url, PAIR, sample_bars(days_around=1, months=2))
    built = build(url, PAIR, [FAMILY])
    assert built["built"] > 0
    assert built["legacy_rows_aside"] > 0, "an hour without a bar is kept beside the table"
    carry_out(url, folder / "revert", request([PAIR], action=steps.REVERT))
    assert db.execute(total).fetchone() == before


@pytest.mark.parametrize("name", [*LAYOUTS, *OTHERS])
def test_what_cannot_be_built_is_refused_before_anything_is_renamed(
    database_url: str, db: psycopg.Connection, tmp_path: Path, name: str
) -> None:
    layout = (LAYOUTS | OTHERS)[name]
    make(db, layout)
    batch = batch_of(database_url)
    assert (batch.state, batch.renames) == ("conflict", ())
    assert layout.says in batch.reason
    wanted = request([PAIR])
    planned = steps.plan(database_url, wanted, reports=in_folder(tmp_path), run_label="run")
    assert layout.says in planned["page"]
    with pytest.raises(MigrationRefused, match=re.escape(layout.says)):
        steps.prepare(database_url, wanted, planned, parallel=1)
    assert db.execute(f"SELECT count(*) FROM bqx.{NAME}").fetchone() == (ROWS,)


@pytest.mark.parametrize("name", [*LAYOUTS, *OTHERS])
def test_the_remedy_leads_to_a_built_table(
    database_url: str, db: psycopg.Connection, tmp_path: Path, name: str
) -> None:
    make(db, (LAYOUTS | OTHERS)[name])
    if name in LAYOUTS:
        assert "Partitions that are not months" in batch_of(database_url).reason
        db.execute(recipe(NAME))
        assert db.execute(f"SELECT count(*) FROM before.{NAME}").fetchone() == (ROWS,), "the old one stays"
    else:
        found = re.search(REMEDIES[name], batch_of(database_url).reason)
        db.execute(found[1] if found else REMEDIES[name])
    assert batch_of(database_url).state == "to do"
    assert_goes_all_the_way(database_url, db, tmp_path)


def test_an_empty_default_partition_and_months_of_any_name_are_fine(
    database_url: str, db: psycopg.Connection, tmp_path: Path
) -> None:
    default = MONTHS + ";CREATE TABLE bqx.{t}_rest PARTITION OF bqx.{t} DEFAULT"
    make(db, Layout(default, "", after="ALTER TABLE bqx.{t}_2024_03 RENAME TO march"))
    assert batch_of(database_url).state == "to do"
    assert_goes_all_the_way(database_url, db, tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("CREATE TABLE bqx.orders AS SELECT ts_utc FROM bqx.{t};"
         "ALTER TABLE bqx.orders ADD FOREIGN KEY (ts_utc) REFERENCES bqx.{t}",
         "foreign key orders_ts_utc_fkey"),
        ("CREATE TABLE bqx.moved AS SELECT * FROM bqx.{t}; DROP TABLE bqx.{t}_2024_02;"
         "CREATE TABLE bqx.other PARTITION OF bqx.{t} DEFAULT;"
         "INSERT INTO bqx.{t} SELECT * FROM bqx.moved WHERE ts_utc >= '2024-02-01 00:00+00' "
         "AND ts_utc < '2024-03-01 00:00+00'", "DEFAULT partition other holds rows"),
        ("DROP TABLE bqx.{t}_2024_02; CREATE TABLE bqx.half PARTITION OF bqx.{t} "
         "FOR VALUES FROM ('2024-02-01 00:00+00') TO ('2024-02-16 00:00+00')", "no months of UTC: half"),
    ],
)  # fmt: skip
def test_a_build_of_a_table_that_changed_since_says_the_same(
    database_url: str, db: psycopg.Connection, tmp_path: Path, change: str, says: str
) -> None:
    """Never a bare error of the database; the plan has a note about it."""
    make(db, Layout(MONTHS, ""))
    carry_out(database_url, tmp_path, request([PAIR], views=False))
    db.execute(change.format(t=NEW))
    store(database_url, PAIR, sample_bars(days_around=1, months=2))
    with pytest.raises(SchemaMismatch, match=says):
        build(database_url, PAIR, [FAMILY])
    notes = {note.kind: note.text for note in make_plan(database_url, pairs=[PAIR]).notes}
    assert says in notes["unfit"]


@pytest.mark.parametrize(
    ("bound", "month"),
    [
        ("FOR VALUES FROM ('2024-12-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')", "2024-12"),
        ("FOR VALUES FROM ('2024-12-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')", None),
        ("FOR VALUES FROM ('2024-12-01 05:00:00+00') TO ('2025-01-01 05:00:00+00')", None),
        ("FOR VALUES FROM ('2024-12-01 00:00:00+00') TO (MAXVALUE)", None),
        ("FOR VALUES FROM ('2024-12-01 00:00:00+00', 1) TO ('2025-01-01 00:00:00+00', 1)", None),
        ("DEFAULT", None),
        ("", None),
    ],
)
def test_the_month_of_a_bound(bound: str, month: str | None) -> None:
    found = month_of(bound)
    assert (found and str(found)) == month


def test_of_tables_that_are_not_there_nothing_is_said(database_url: str) -> None:
    with connect(database_url) as connection:
        assert unfit(connection, ["reg_idx_eurusd"]) == {}
