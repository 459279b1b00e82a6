"""All 28 pairs, one of them broken: the others finish, and healing builds only what is missing.

Through the library at the size of a whole run; tests/dags/test_runs.py shows the same of the DAG with
three pairs.
"""

from __future__ import annotations

import psycopg
import pytest

from include.build.coverage import check_coverage
from include.build.months import build
from include.build.shared import build_shared
from include.errors import BqxError, Incomplete, SchemaMismatch
from include.pairs import PAIRS
from tests.include.storage.samples import FIRST, sample_bars, store

BROKEN = "eurjpy"
OWN = ("bqx", "technical_idx", "bollinger_bqx")
ACROSS = ("correlation_idx",)
TURN = FIRST.next.first_minute
MONTHS = 2


@pytest.fixture
def url(database_url: str) -> str:
    for seed, pair in enumerate(PAIRS):
        store(database_url, pair, sample_bars(seed, days_around=1, months=1).slice(TURN - 150, TURN + 150))
    return database_url


def run(url: str) -> tuple[dict[str, BqxError], dict[str, dict[str, object]]]:
    """Each pair by itself, as the mapped tasks of the DAG: what failed and what the rest returned."""
    failed: dict[str, BqxError] = {}
    done: dict[str, dict[str, object]] = {}
    build_shared(url)
    for pair in PAIRS:
        try:
            done[pair] = build(url, pair, [*OWN, *ACROSS])
        except BqxError as error:
            failed[pair] = error
    return failed, done


def built_at(db: psycopg.Connection) -> dict[tuple[str, str], object]:
    rows = db.execute("SELECT table_name, month::text, built_at FROM bqx.build_log").fetchall()
    return {(table, month): moment for table, month, moment in rows}


def test_one_broken_pair_of_28_stops_nobody_and_is_all_that_is_healed(
    url: str, db: psycopg.Connection
) -> None:
    assert len(PAIRS) == 28
    db.execute(f"ALTER TABLE bqx.m1_{BROKEN} RENAME COLUMN high TO broken")
    failed, done = run(url)
    assert set(failed) == {BROKEN}
    assert isinstance(failed[BROKEN], SchemaMismatch)
    assert all(result["built"] == MONTHS * len([*OWN, *ACROSS]) for result in done.values())
    with pytest.raises(Incomplete, match=f"1 of 28 pairs .*{BROKEN}:"):
        check_coverage(url, PAIRS, [*OWN[1:], *ACROSS])
    others = [pair for pair in PAIRS if pair != BROKEN]
    assert all(rows > 250 for rows in check_coverage(url, others, [*OWN[1:], *ACROSS])["rows"].values())

    db.execute(f"ALTER TABLE bqx.m1_{BROKEN} RENAME COLUMN broken TO high")
    before = built_at(db)
    failed, done = run(url)
    assert failed == {}
    assert len(check_coverage(url, PAIRS, [*OWN[1:], *ACROSS])["rows"]) == 28
    changed = {
        table for (table, month), moment in built_at(db).items() if before.get((table, month)) != moment
    }
    assert {f"{family}_{BROKEN}" for family in [*OWN, *ACROSS]} <= changed
    beyond = {table for table in changed if not table.endswith(BROKEN)}
    assert all(table.startswith("correlation_") for table in beyond), "what was right was built again"

    _, done = run(url)
    assert sum(result["built"] for result in done.values()) == 0
