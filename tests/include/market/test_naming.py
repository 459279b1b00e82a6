"""What a name says of a file."""

from __future__ import annotations

import pytest

from include.market.naming import ending_of, in_order, pairs_in, sides_in


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("eurusd", ["eurusd"]),
        ("EUR_USD-2024", ["eurusd"]),
        ("EURUSDm_M1", ["eurusd"]),
        ("EURUSDM15", ["eurusd"]),
        ("eurusd1m", ["eurusd"]),
        ("C:EUR.USD", ["eurusd"]),
        ("EURUSD-GBPUSD", ["eurusd", "gbpusd"]),
        ("EURUSDT", []),
        ("neurusd", []),
        ("usdeur", []),
    ],
)
def test_pairs_by_hand(name: str, pairs: list[str]) -> None:
    assert pairs_in(name) == pairs


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("a.csv", ".csv"),
        ("A.CSV.GZ", ".gz"),
        ("EURUSD_M1_202407030000_202407032359", ""),
        ("EURUSD_01.01.2023-31.12.2023", ""),
        ("EURUSD.1", ""),
        ("a.7z", ".7z"),
        ("a.parquet", ".parquet"),
    ],
)
def test_endings_by_hand(name: str, ending: str) -> None:
    assert ending_of(name) == ending


def test_sides_stand_alone() -> None:
    assert sides_in("EURUSD_M1_BID_2023.csv") == {"bid"}
    assert sides_in("midnight_forbidden_task.csv") == set()


def test_a_hole_is_seen_between_years_and_months_of_one_series() -> None:
    assert in_order(["a2019", "a201801", "a2018"]) == ([1, 2, 0], None)
    assert in_order(["a2019", "a2017"]) == ([1, 0], (1, 0))
    assert in_order(["b2019", "a2017"]) == ([0, 1], None), "not one series"
    assert in_order(["a2023-2024", "a2017"]) == ([0, 1], None), "from-to names say nothing here"
