"""Coverage reads the tables, not the log: whatever is missing or different is named."""

from __future__ import annotations

import psycopg
import pytest

from include.build.coverage import check_coverage, gaps_of
from include.build.months import build
from include.errors import Incomplete
from include.features.grid import make_grid
from tests.include.storage.samples import sample_bars, store

PAIRS = ("eurusd", "gbpusd")
FAMILIES = ("bollinger_idx", "bollinger_bqx")


@pytest.fixture
def url(database_url: str) -> str:
    for seed, pair in enumerate(PAIRS):
        store(database_url, pair, sample_bars(seed, days_around=1, months=2))
        build(database_url, pair, ["bqx", *FAMILIES])
    return database_url


def test_complete_pairs_are_counted_exactly(url: str) -> None:
    bars = sample_bars(0, days_around=1, months=2)
    rows = check_coverage(url, PAIRS, FAMILIES)["rows"]
    assert set(rows) == set(PAIRS)
    assert rows["eurusd"] == len(make_grid(bars, max(int(bars.ts[-1]), int(sample_bars(1, 1, 2).ts[-1]))))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DROP TABLE bqx.bollinger_bqx_gbpusd_2024_02", "bollinger_bqx lacks 2024-02"),
        ("DROP TABLE bqx.bollinger_bqx_gbpusd", r"bollinger_bqx lacks 3 months \(2024-01 to 2024-03\)"),
        (
            "DELETE FROM bqx.bollinger_idx_gbpusd WHERE ts_utc = '2024-02-01 00:10+00'",
            "bollinger_idx has other keys than the rest in 2024-02",
        ),
        (
            "UPDATE bqx.bollinger_idx_gbpusd SET ts_utc = '2024-02-20Z' WHERE ts_utc = '2024-02-01 00:10+00'",
            "bollinger_idx has other keys than the rest in 2024-02",
        ),
    ],
)
def test_a_gap_is_named_with_its_pair(url: str, db: psycopg.Connection, damage: str, told: str) -> None:
    db.execute(damage)
    with pytest.raises(Incomplete, match=f"1 of 2 pairs are not right. gbpusd: {told}"):
        check_coverage(url, PAIRS, FAMILIES)


def test_months_that_were_not_asked_for_do_not_matter(url: str, db: psycopg.Connection) -> None:
    db.execute("DROP TABLE bqx.bollinger_bqx_gbpusd_2024_02")
    rows = check_coverage(url, PAIRS, FAMILIES, ["2024-03"])["rows"]
    assert all(count > 0 for count in rows.values())


def test_a_month_that_was_built_in_no_table_is_named_if_asked_for(url: str, db: psycopg.Connection) -> None:
    for name in ("bqx", *FAMILIES):
        db.execute(f"DROP TABLE bqx.{name}_gbpusd_2024_02")
    months = ["2024-01", "2024-02"]
    told = ["gbpusd: bollinger_idx lacks 2024-02; bollinger_bqx lacks 2024-02."]
    assert gaps_of(url, "gbpusd", FAMILIES, months) == told
    assert gaps_of(url, "eurusd", FAMILIES, months) == []
    with pytest.raises(Incomplete, match=r"1 of 2 pairs are not right\. gbpusd: bollinger_idx lacks 2024-02"):
        check_coverage(url, PAIRS, FAMILIES, months)


def test_a_month_without_bars_is_no_gap(url: str, db: psycopg.Connection) -> None:
    for name in ("m1", "bqx", *FAMILIES):
        db.execute(f"DROP TABLE bqx.{name}_gbpusd_2024_02")
    months = ["2024-01", "2024-02", "2024-03"]
    assert gaps_of(url, "gbpusd", FAMILIES, months) == []
    assert gaps_of(url, "gbpusd", FAMILIES, [*months, "2024-04"]) == [], "nor one after the last bar"


def test_a_pair_that_was_never_built_is_no_success(url: str) -> None:
    store(url, "usdjpy", sample_bars(3, days_around=1, months=2))
    with pytest.raises(Incomplete, match="usdjpy"):
        check_coverage(url, [*PAIRS, "usdjpy"], FAMILIES)


def test_failed_tasks_are_named_although_every_key_is_there(url: str) -> None:
    gate = "pairs.s1_6_10_technical_idx.gate"
    with pytest.raises(Incomplete, match=f"1 of 2 pairs are not right. gbpusd: failed {gate}"):
        check_coverage(url, PAIRS, FAMILIES, failed={"gbpusd": [gate]})
