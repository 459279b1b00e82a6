"""Good tables pass the gate; every planted fault fails it and is named with its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.build.months import build
from include.build.shared import build_shared
from include.errors import BadParameter, QualityError
from include.features.catalogue import family
from include.features.grid import make_grid
from include.names import Month
from include.pairs import USD_MAJORS
from include.quality.gate import check_stage
from local.postgres import Postgres
from tests.include.quality.samples import PAIR, built, change, copy_of
from tests.include.storage.samples import sample_bars, store
from tests.reports import in_folder

FAMILIES = ("bollinger_idx", "statistics_bqx")
COLUMNS = [column for name in FAMILIES for column in family(name).columns]
BARS = sample_bars(days_around=1, months=2)


@pytest.fixture(scope="module")
def template(postgres: Postgres) -> Iterator[str]:
    with built(postgres, f"gate_{os.getpid()}", BARS, FAMILIES) as name:
        yield name


@pytest.fixture
def url(postgres: Postgres, template: str) -> Iterator[str]:
    with copy_of(postgres, template) as url:
        yield url


def check(
    url: str, folder: Path, families: tuple[str, ...] = FAMILIES, **options: object
) -> dict[str, object]:
    return check_stage(url, PAIR, families, reports=in_folder(folder), run_label="run 1", **options)


def test_good_tables_pass_and_are_counted_exactly(url: str, tmp_path: Path) -> None:
    result = check(url, tmp_path)
    grid = make_grid(BARS, int(BARS.ts[-1]))
    assert result["rows"] == len(FAMILIES) * len(grid)
    assert (result["partitions"], result["columns"]) == (3 * len(FAMILIES), len(COLUMNS))
    assert result["null_warm_up"] == sum(column.first_row for column in COLUMNS)
    assert (result["null_absent_input"], result["absent_inputs"]) == (0, [])
    assert len(result["sampled"]) == 1
    assert "passed" in Path(str(result["report"])).read_text()


def test_the_run_decides_the_sample(url: str, tmp_path: Path) -> None:
    families = FAMILIES[:1]
    first = check(url, tmp_path, families)["sampled"]
    assert check(url, tmp_path, families)["sampled"] == first
    others = [check(url, tmp_path, families, sample_seed=seed)["sampled"] for seed in range(1, 5)]
    assert any(other != first for other in others)


AT = "WHERE ts_utc = '2024-02-01 10:00Z'"
SHIFT = (
    "UPDATE bqx.statistics_bqx_eurusd AS t SET mean_50 = s.other FROM (SELECT ts_utc, "
    "{0}(mean_50) OVER (ORDER BY ts_utc) AS other FROM bqx.statistics_bqx_eurusd_2024_0{1}) AS s "
    "WHERE s.ts_utc = t.ts_utc AND s.other IS NOT NULL"
)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            f"UPDATE bqx.bollinger_idx_eurusd SET bb_percent_b_20 = 7 {AT}",
            r"bollinger_idx_eurusd 2024-02 bb_percent_b_20: largest value 7, allowed to 1.58.*"
            r"1 row differs, first 2024-02-01 10:00 UTC: 7 instead of",
        ),
        (
            f"UPDATE bqx.bollinger_idx_eurusd SET bb_bandwidth_50 = -1 {AT}",
            "2024-02 bb_bandwidth_50: smallest value -1, allowed from",
        ),
        (
            f"UPDATE bqx.bollinger_idx_eurusd SET bb_middle_20 = NULL {AT}",
            r"2024-02 bb_middle_20: 1 NULL that neither warm-up nor an absent input explains; 1 row differs, "
            r"first 2024-02-01 10:00 UTC: NULL instead of",
        ),
        (
            f"UPDATE bqx.bollinger_idx_eurusd SET bb_middle_20 = 'NaN' {AT}",
            "2024-02 bb_middle_20: holds NaN or infinity",
        ),
        (
            f"UPDATE bqx.bollinger_idx_eurusd SET bb_upper_20 = '-Infinity' {AT}",
            "2024-02 bb_upper_20: holds NaN or infinity",
        ),
        (
            "UPDATE bqx.bollinger_idx_eurusd SET bb_middle_20 = 100 WHERE ts_utc = "
            "(SELECT ts_utc FROM bqx.bollinger_idx_eurusd ORDER BY ts_utc OFFSET 18 LIMIT 1)",
            "2024-01 bb_middle_20: 1 values where NULL must be.*instead of NULL",
        ),
        (
            f"DELETE FROM bqx.bollinger_idx_eurusd {AT}",
            r"2024-02: 2,\d\d\d rows, 2,\d\d\d expected from the bars; 1 lost, first 2024-02-01 10:00 UTC",
        ),
        (
            f"UPDATE bqx.bollinger_idx_eurusd SET ts_utc = '2024-02-20Z' {AT}",
            r"2024-02: other rows than the bars ask for; 1 lost, first 2024-02-01 10:00 UTC; "
            r"1 not a row of the grid, first 2024-02-20 00:00 UTC",
        ),
        (SHIFT.format("lag", 2), "2024-02 mean_50: .*every value stands one row late"),
        (SHIFT.format("lead", 3), "2024-03 mean_50: .*every value stands one row early"),
        (
            "UPDATE bqx.bollinger_idx_eurusd_2024_03 SET bb_upper_20 = bb_upper_50, "
            "bb_upper_50 = bb_upper_20",
            "2024-03 bb_upper_20: .*it holds the values of bb_upper_50.*"
            "2024-03 bb_upper_50: .*it holds the values of bb_upper_20",
        ),
        ("DROP TABLE bqx.bollinger_idx_eurusd_2024_02", r"2024-02: the month is missing, 2,\d\d\d rows"),
        ("DROP TABLE bqx.bollinger_idx_eurusd", "bollinger_idx_eurusd: the table does not exist"),
        (
            "ALTER TABLE bqx.bollinger_idx_eurusd DROP COLUMN bb_upper_50",
            "bollinger_idx_eurusd: the columns are not those of the catalogue: bb_upper_50",
        ),
    ],
)
def test_a_planted_fault_is_caught_and_named(url: str, tmp_path: Path, damage: str, told: str) -> None:
    change(url, damage)
    with pytest.raises(QualityError, match=told) as caught:
        check(url, tmp_path)
    page = tmp_path / "quality" / "run-1" / f"bollinger_idx_statistics_bqx_{PAIR}.html"
    assert str(page) in str(caught.value)
    assert page.exists()


@pytest.mark.parametrize("month", ["2024-01", "2024-02", "2024-03"])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_wrong_value_inside_its_range_is_caught_in_any_month(
    url: str, tmp_path: Path, month: str, seed: int
) -> None:
    partition = f"bqx.statistics_bqx_eurusd_{month.replace('-', '_')}"
    change(
        url,
        f"UPDATE {partition} SET std_20 = std_20 * 1.001 WHERE ts_utc = "
        f"(SELECT ts_utc FROM {partition} ORDER BY ts_utc OFFSET 900 LIMIT 1)",
    )
    told = f"with 1 finding in 1 partition. statistics_bqx_eurusd {month} std_20: .*1 row differs"
    with pytest.raises(QualityError, match=told):
        check(url, tmp_path, sample_seed=seed)


@pytest.mark.parametrize("month", ["2024-02", "2024-03"])
def test_rows_in_another_order_are_caught_although_every_sum_is_right(
    url: str, tmp_path: Path, month: str
) -> None:
    partition = f"bqx.bollinger_idx_eurusd_{month.replace('-', '_')}"
    change(
        url,
        f"UPDATE {partition} AS t SET bb_middle_20 = s.other FROM (SELECT ts_utc, "
        "coalesce(lag(bb_middle_20) OVER (ORDER BY ts_utc), last_value(bb_middle_20) OVER "
        "(ORDER BY ts_utc ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS other "
        f"FROM {partition}) AS s WHERE s.ts_utc = t.ts_utc",
    )
    with pytest.raises(QualityError, match=f"{month} bb_middle_20: .*one row late"):
        check(url, tmp_path)


def test_months_that_were_not_asked_for_do_not_matter(url: str, tmp_path: Path) -> None:
    change(url, f"DELETE FROM bqx.bollinger_idx_eurusd {AT}")
    assert check(url, tmp_path, months=["2024-03"])["partitions"] == len(FAMILIES)


def test_tables_of_other_bars_are_said_to_be_out_of_date(url: str, tmp_path: Path) -> None:
    close = BARS.close.copy()
    close[-1000:] *= 1.01
    store(url, PAIR, replace(BARS, open=close, high=close, low=close, close=close))
    with pytest.raises(QualityError, match="Not built from the present bars by the present code: boll"):
        check(url, tmp_path)


def test_a_family_that_nobody_knows_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="bolinger"):
        check(url, tmp_path, ("bolinger",))


VOLUME = ("volume_idx",)


def volume_tables(url: str, volume: np.ndarray) -> None:
    store(url, PAIR, replace(BARS, volume=volume))
    build(url, PAIR, VOLUME)


def test_an_absent_volume_is_stated_once_and_is_no_fault(database_url: str, tmp_path: Path) -> None:
    volume_tables(database_url, np.full(len(BARS), np.nan))
    result = check(database_url, tmp_path, VOLUME)
    columns = family("volume_idx").columns
    assert result["absent_inputs"] == ["eurusd: source has no volume"]
    assert result["null_warm_up"] == sum(column.first_row for column in columns)
    assert result["null_warm_up"] + result["null_absent_input"] == result["rows"] * len(columns)
    change(database_url, f"UPDATE bqx.volume_idx_eurusd SET volume_level = 0 {AT}")
    with pytest.raises(QualityError, match="2024-02 volume_level: 1 values where NULL must be"):
        check(database_url, tmp_path, VOLUME)


def test_a_volume_that_is_absent_for_an_hour_excuses_its_windows_only(
    database_url: str, tmp_path: Path
) -> None:
    volume = BARS.volume.copy()
    hour = slice(*np.searchsorted(BARS.ts, Month(2024, 2).first_minute + np.array([300, 360])))
    volume[hour] = np.nan
    volume_tables(database_url, volume)
    result = check(database_url, tmp_path, VOLUME)
    assert result["absent_inputs"][0].startswith("eurusd: no volume in 6")
    assert result["null_absent_input"] > 60 * len(family("volume_idx").columns)
    change(
        database_url,
        "UPDATE bqx.volume_idx_eurusd SET volume_sma_20 = NULL WHERE ts_utc = '2024-02-01 08:00Z'",
    )
    with pytest.raises(QualityError, match=r"volume_sma_20: 1 NULL .*first 2024-02-01 08:00 UTC: NULL"):
        check(database_url, tmp_path, VOLUME)


def test_an_impossible_class_is_above_its_range(database_url: str, tmp_path: Path) -> None:
    volume_tables(database_url, BARS.volume)
    change(database_url, f"UPDATE bqx.volume_idx_eurusd SET volume_regime = 5 {AT}")
    with pytest.raises(QualityError, match="volume_regime: largest value 5, allowed to 2"):
        check(database_url, tmp_path, VOLUME)


def test_columns_of_several_pairs_are_right_where_the_others_have_rows(
    database_url: str, tmp_path: Path
) -> None:
    for seed, pair in enumerate(USD_MAJORS):
        store(database_url, pair, sample_bars(seed, days_around=1, months=1))
    build_shared(database_url)
    build(database_url, PAIR, ["correlation_idx"])
    result = check(database_url, tmp_path, ("correlation_idx",))
    assert result["absent_inputs"] == []
    assert result["null_warm_up"] >= 0.9 * sum(one.first_row for one in family("correlation_idx").columns)
    change(database_url, f"UPDATE bqx.correlation_idx_eurusd SET cov_trace_20 = NULL {AT}")
    with pytest.raises(QualityError, match="2024-02 cov_trace_20: 1 NULL that neither warm-up"):
        check(database_url, tmp_path, ("correlation_idx",))


def test_a_month_with_fewer_bars_than_a_warm_up_is_right(database_url: str, tmp_path: Path) -> None:
    first = int(BARS.ts[0])
    bars = BARS.slice(Month(2024, 2).first_minute - 40, first + 10_000)
    store(database_url, PAIR, bars)
    build(database_url, PAIR, FAMILIES)
    result = check(database_url, tmp_path)
    assert result["rows"] == len(FAMILIES) * len(make_grid(bars, int(bars.ts[-1])))
    assert result["null_warm_up"] == sum(column.first_row for column in COLUMNS)
