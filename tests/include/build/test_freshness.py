"""A month is fresh if it was made from what is there now; whatever it follows from makes it stale."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psycopg
import pytest

from include.build import chunks
from include.build.coverage import check_coverage
from include.build.freshness import Stale, check_freshness, describe
from include.build.months import build
from include.build.shared import build_shared
from include.features.catalogue import STORED
from include.pairs import USD_MAJORS
from local.postgres import Postgres
from tests.include.features.currencies import without
from tests.include.quality.samples import copy_of
from tests.include.storage.samples import FIRST, sample_bars, store

PAIRS = ("eurusd", "audjpy")
LOADED = (*USD_MAJORS, "audjpy")
SHARING = ("correlation_idx", "correlation_bqx")
OTHERS = tuple(family for family in STORED if family not in SHARING)
MONTHS = ("2024-01", "2024-02", "2024-03")


@pytest.fixture(scope="module")
def template(postgres: Postgres) -> Iterator[str]:
    """Eight pairs over the turns of two months, two of them with every table."""
    name = f"freshness_{os.getpid()}"
    postgres.create_database(name)
    url = postgres.url(name)
    for seed, pair in enumerate(LOADED):
        store(url, pair, sample_bars(seed, days_around=1, months=2))
    build_shared(url)
    for pair in PAIRS:
        build(url, pair, ["bqx", *STORED])
    yield name
    with closing(postgres.connect()) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def url(postgres: Postgres, template: str) -> Iterator[str]:
    with copy_of(postgres, template) as url:
        yield url


def stale(url: str) -> set[tuple[str, str]]:
    return {(one.table, one.month) for one in check_freshness(url, PAIRS).stale}


def tables(
    families: tuple[str, ...], pairs: tuple[str, ...] = PAIRS, months: tuple[str, ...] = MONTHS
) -> set:
    return {(f"{family}_{pair}", month) for family in families for pair in pairs for month in months}


def run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def test_what_was_just_built_is_fresh_and_its_fingerprints_are_those_of_the_log(url: str) -> None:
    found = check_freshness(url, PAIRS)
    assert found.stale == ()
    with psycopg.connect(url) as connection:
        logged = connection.execute(
            "SELECT table_name, to_char(month, 'YYYY-MM'), input_hash FROM bqx.build_log"
            " WHERE table_name NOT LIKE 'bqx\\_%' AND table_name NOT LIKE 'correlation_shared'"
        ).fetchall()
    assert len(logged) == len(STORED) * len(PAIRS) * len(MONTHS)
    told = {(table, month): h for table, months in found.fingerprints.items() for month, h in months.items()}
    assert told == {(table, month): input_hash for table, month, input_hash in logged}
    assert set(found.inputs) == set(PAIRS)
    assert {month for months in found.inputs.values() for month in months} == set(MONTHS)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # the last evening of a month: its own rows, and the first ones of the next
        (
            "UPDATE bqx.m1_audjpy SET close = close * 1.0001, high = high * 1.0002"
            " WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.m1_audjpy WHERE ts_utc < '2024-02-01Z')",
            tables(STORED, ("audjpy",), MONTHS[:2]) | tables(SHARING, PAIRS, MONTHS[:2]),
        ),
        # a major that no table of its own was built for: what all pairs share
        (
            "UPDATE bqx.m1_gbpusd SET close = close * 1.0001, high = high * 1.0002"
            " WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.m1_gbpusd)",
            tables(SHARING, PAIRS, ("2024-03",)),
        ),
        ("DELETE FROM bqx.m1_eurusd WHERE ts_utc = '2024-03-01 12:00Z'",
         tables(STORED, ("eurusd",), ("2024-03",)) | tables(SHARING, PAIRS, ("2024-03",))),
        ("UPDATE bqx.baseline_rates SET baseline_rate = 1.5 WHERE pair = 'eurusd'",
         tables(STORED, ("eurusd",)) | tables(SHARING)),
        ("UPDATE bqx.m1_audjpy SET price_side = 'mid' WHERE ts_utc >= '2024-03-01Z'",
         tables(STORED, ("audjpy",), ("2024-03",)) | tables(SHARING, PAIRS, ("2024-03",))),
        ("UPDATE bqx.loads SET watermark = '2024-03-01 12:00Z'", tables(STORED, PAIRS, ("2024-03",))),
        ("DELETE FROM bqx.build_log WHERE table_name = 'volume_idx_eurusd' AND month = '2024-02-01'",
         {("volume_idx_eurusd", "2024-02")}),
        ("DELETE FROM bqx.m1_eurusd WHERE ts_utc < '2024-02-01Z'",
         tables(STORED, ("eurusd",), MONTHS[:2]) | tables(SHARING, PAIRS, MONTHS[:2])),
        ("SELECT 1", set()),
    ],
    ids=["evening", "major", "row", "baseline", "price side", "watermark", "unbuilt", "month", "nothing"],
)  # fmt: skip
def test_what_a_table_follows_from_makes_it_stale_and_a_run_heals_it(
    url: str, change: str, expected: set[tuple[str, str]]
) -> None:
    run(url, change)
    assert stale(url) == expected
    build_shared(url)
    for pair in PAIRS:
        build(url, pair, STORED)
    assert stale(url) == set()


def test_another_formula_makes_everything_stale(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "code_version", lambda: "another")
    assert stale(url) == tables(STORED)


def test_families_that_share_nothing_need_no_other_pair(url: str) -> None:
    run(url, "DROP TABLE bqx.correlation_shared, bqx.m1_usdcad CASCADE")
    assert check_freshness(url, PAIRS, OTHERS).stale == ()


def test_what_was_built_without_all_majors_is_fresh(database_url: str) -> None:
    """The check reads further back than the build of what all pairs share."""
    few = ("audusd", "gbpusd", "usdcad")
    for seed, pair in enumerate(few):
        bars = sample_bars(seed, months=1)
        hour = int(np.searchsorted(bars.ts, FIRST.next.first_minute)) - 300 - 100 * seed
        store(database_url, pair, without(bars, hour, 60))  # the pairs share fewer minutes than each has
    build_shared(database_url)
    for pair in few:
        build(database_url, pair, ["bqx", *STORED])
    assert check_freshness(database_url, few).stale == ()


def test_a_pair_that_cannot_be_read_is_named(url: str) -> None:
    run(url, "UPDATE bqx.m1_eurusd SET close = NULL WHERE ts_utc = '2024-03-01 12:00Z'")
    told = check_freshness(url, PAIRS).stale
    assert {one.month for one in told} == {"2024-03"}
    assert (
        "The bar of eurusd at 2024-03-01 12:00 UTC in bqx.m1_eurusd cannot be used: its close is NULL"
        in str(told[0])
    )


def test_a_month_without_bars_is_emptied_and_comes_back(url: str) -> None:
    run(url, "CREATE TABLE kept AS SELECT * FROM bqx.m1_eurusd WHERE ts_utc < '2024-02-01Z'")
    run(url, "DELETE FROM bqx.m1_eurusd WHERE ts_utc < '2024-02-01Z'")
    build(url, "eurusd", ["technical_idx", "bqx"])
    count = "SELECT count(*) FROM bqx.technical_idx_eurusd WHERE ts_utc < '2024-02-01Z'"
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(count).fetchone() == (0,)
        assert check_freshness(url, ["eurusd"], ["technical_idx"]).stale == ()
        connection.execute("INSERT INTO bqx.m1_eurusd SELECT * FROM kept")
        assert [one.month for one in check_freshness(url, ["eurusd"], ["technical_idx"]).stale] == list(
            MONTHS[:2]
        )
        build(url, "eurusd", ["technical_idx", "bqx"])
        assert connection.execute(count).fetchone() != (0,)


def test_a_run_of_some_months_says_which_others_it_left_stale(url: str) -> None:
    run(url, "UPDATE bqx.m1_eurusd SET close = close * 1.0001, high = high * 1.0002"
        " WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.m1_eurusd WHERE ts_utc < '2024-02-01Z')")  # fmt: skip
    build_shared(url, ["2024-01"])
    build(url, "eurusd", STORED, ["2024-01"])
    told = check_coverage(url, ["eurusd"], STORED, ["2024-01"])
    assert told["rows"]["eurusd"] > 0
    elsewhere = told["stale_elsewhere"]
    assert (
        'Run the DAG bqx_features with "pairs": ["eurusd", "audjpy"], "months": ["2024-01", "2024-02"]'
        in (elsewhere.replace('["audjpy", "eurusd"]', '["eurusd", "audjpy"]'))
    )
    assert 'Run the DAG bqx_load with "pairs": ["eurusd"]' in elsewhere


def test_what_is_stale_is_told_shortly() -> None:
    many = [Stale("eurusd", f"t{number}", "2024-02", "why") for number in range(5)]
    assert describe([]) == ""
    assert describe(many) == (
        "bqx.t0 2024-02: why; bqx.t1 2024-02: why; bqx.t2 2024-02: why. And 2 more months of tables. "
        'Run the DAG bqx_features with "pairs": ["eurusd"], "months": ["2024-02"].'
    )
