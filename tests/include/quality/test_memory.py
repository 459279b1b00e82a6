"""What a gate found right is not looked at again, until table, rows, inputs or the gate itself are others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.build.months import build
from include.errors import QualityError
from include.quality import memory, retention
from include.quality.steps import build_stage
from include.storage.partitions import attached_months
from tests.include.storage.samples import sample_bars, store
from tests.reports import in_folder

PAIR, FAMILIES = "eurusd", ("bollinger_idx", "statistics_idx")
TABLE = f"{FAMILIES[0]}_{PAIR}"


class World:
    """A pair whose stage is right, as a first gate found."""

    def __init__(self, url: str, db: psycopg.Connection, folder: Path) -> None:
        self.url, self.db, self.folder = url, db, folder
        self.runs = 0
        store(url, PAIR, sample_bars(0, days_around=1, months=2))
        build(url, PAIR, ["bqx"])
        self.first = self.gate()

    def gate(self, **options: Any) -> dict[str, Any]:
        """Build and check the stage in a run of its own; the result of the gate."""
        self.runs += 1
        where = {"reports": in_folder(self.folder), "run_label": f"run{self.runs}"}
        built: dict[str, Any] = build_stage(self.url, PAIR, FAMILIES, **where, **options)
        return dict(built["gate"]) | {"built": built["built"]}

    def partition(self, number: int = 0) -> str:
        """A partition of the first family."""
        return sorted(attached_months(self.db, TABLE).values())[number]


@pytest.fixture
def world(database_url: str, db: psycopg.Connection, tmp_path: Path) -> World:
    return World(database_url, db, tmp_path)


def test_the_second_gate_looks_at_nothing_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.first["partitions"] > len(FAMILIES)
    assert world.first["unchanged"] == 0
    verdicts = "SELECT * FROM bqx.gate_log ORDER BY table_name, month"
    before = world.db.execute(verdicts).fetchall()
    monkeypatch.setattr("include.quality.gate.expect", lambda *_: pytest.fail("bars are read again"))
    second = world.gate()
    assert (second["built"], second["partitions"], second["rows"]) == (0, 0, 0)
    assert second["unchanged"] == world.first["partitions"]
    assert second["report"] == world.first["report"]
    assert world.db.execute(verdicts).fetchall() == before, "the verdicts stay, with their page"


def swap(world: World) -> None:
    name = world.partition()
    bound = world.db.execute(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s", [name]
    ).fetchone()
    assert bound is not None
    world.db.execute(f"ALTER TABLE bqx.{TABLE} DETACH PARTITION bqx.{name}")
    world.db.execute(f"ALTER TABLE bqx.{name} RENAME TO other")
    world.db.execute(f"CREATE TABLE bqx.{name} (LIKE bqx.other INCLUDING ALL)")
    world.db.execute(f"INSERT INTO bqx.{name} SELECT * FROM bqx.other")
    world.db.execute(f"ALTER TABLE bqx.{TABLE} ATTACH PARTITION bqx.{name} {bound[0]}")


def other_inputs(world: World) -> None:
    world.db.execute(f"UPDATE bqx.build_log SET input_hash = 'x' WHERE table_name = '{TABLE}'")


def other_rows(world: World) -> None:
    name = world.partition()
    world.db.execute(f"DELETE FROM bqx.{name} WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.{name})")


def in_order(world: World) -> set[str]:
    return memory.pairs_in_order(world.url, [PAIR, "gbpusd"], FAMILIES)


def other_bars(world: World) -> None:
    world.db.execute(
        "UPDATE bqx.m1_eurusd SET volume = volume + 1, high = high * 1.0001"
        " WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.m1_eurusd)"
    )


def no_verdict(world: World) -> None:
    world.db.execute("UPDATE bqx.gate_log SET seen = NULL")


def no_bars(world: World) -> None:
    world.db.execute("ALTER TABLE bqx.m1_eurusd RENAME TO away")


@pytest.mark.parametrize("change", [swap, other_inputs, other_rows, other_bars, no_verdict, no_bars])
def test_a_pair_is_in_order_until_anything_about_it_is_another(
    world: World, change: Callable[[World], None]
) -> None:
    """A pair that was never loaded is not, nor is one of which a family was not built."""
    assert in_order(world) == {PAIR}
    assert memory.pairs_in_order(world.url, [PAIR], [*FAMILIES, "reg_idx"]) == set()
    change(world)
    assert in_order(world) == set()


def test_nothing_is_in_order_in_an_empty_database(database_url: str) -> None:
    assert memory.pairs_in_order(database_url, [PAIR], FAMILIES) == set()


@pytest.mark.parametrize("change", [swap, other_inputs, other_rows])
def test_another_table_other_inputs_or_other_rows_are_looked_at_again(
    world: World, change: Callable[[World], None]
) -> None:
    """Only the partitions that changed: the rest stays known."""
    change(world)
    again = world.gate()
    assert 1 <= again["partitions"] < world.first["partitions"]
    assert again["partitions"] + again["unchanged"] == world.first["partitions"]
    assert again["report"] != world.first["report"]
    assert world.gate()["unchanged"] == world.first["partitions"]


def test_another_gate_looks_at_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "code", lambda: "another")
    assert world.gate() | {"report": "", "seconds": 0, "rows_compared": 0, "sampled": []} == (
        world.first | {"report": "", "seconds": 0, "rows_compared": 0, "sampled": [], "built": 0}
    )


def test_an_edit_in_place_is_found_by_rebuild_alone(world: World) -> None:
    name, column = world.partition(), _a_column(world)
    value = f"SELECT sum({column}) FROM bqx.{name}"
    right = world.db.execute(value).fetchone()
    world.db.execute(f"UPDATE bqx.{name} SET {column} = {column} + 1")
    assert world.gate()["partitions"] == 0
    assert world.db.execute(value).fetchone() != right
    healed = world.gate(rebuild=True)
    assert healed["partitions"] == world.first["partitions"]
    assert world.db.execute(f"SELECT sum({column}) FROM bqx.{world.partition()}").fetchone() == right


def _a_column(world: World) -> str:
    row = world.db.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        " AND data_type IN ('real', 'double precision') ORDER BY 1 LIMIT 1",
        [TABLE],
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_what_was_found_wrong_is_never_remembered(world: World) -> None:
    name, column = world.partition(), _a_column(world)
    world.db.execute(f"UPDATE bqx.{name} SET {column} = {column} + 1")
    world.db.execute("UPDATE bqx.gate_log SET seen = NULL")
    for _ in range(2):
        with pytest.raises(QualityError):
            world.gate()
    wrong = "SELECT count(*) FROM bqx.gate_log WHERE findings > 0 AND seen IS NOT NULL"
    assert world.db.execute(wrong).fetchone() == (0,)
    assert world.gate(rebuild=True)["built"] == world.first["partitions"]


def test_the_page_of_a_verdict_stays_as_long_as_it_counts(world: World) -> None:
    reports = in_folder(world.folder)
    for _ in range(3):
        world.gate()
        retention.clean_up(world.url, reports, 0)
    assert Path(str(world.first["report"])).exists()
    world.gate(rebuild=True)
    retention.clean_up(world.url, reports, 0)
    assert not Path(str(world.first["report"])).exists()
