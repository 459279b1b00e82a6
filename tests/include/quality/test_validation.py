"""Great Expectations judges profiles: each rule refuses exactly the rows that break it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from include.quality.validation import RULES, Broken, check_profiles

GOOD: dict[str, Any] = {
    "table": "reg_idx_eurusd", "month": "2024-01", "rows": 5, "rows_expected": 5, "keys": "17",
    "keys_expected": "17", "low": 0.0, "high": 1.0, "low_allowed": 0.0, "high_allowed": 1.0,
    "null_unexplained": 0, "unfounded": 0, "not_finite": 0, "differs": 0,
}  # fmt: skip


def judged(*changes: dict[str, Any], rows: int | None = None) -> list[Broken]:
    records = [GOOD | {"column": f"c{i}"} | change for i, change in enumerate(({}, *changes))]
    return check_profiles(pd.DataFrame(records), len(records) if rows is None else rows)


def test_good_profiles_pass() -> None:
    assert judged({"low": None, "high": None}, {"low_allowed": None, "high_allowed": None, "high": 9e9}) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"rows": 4}, "rows"),
        ({"keys": "18"}, "keys"),
        ({"low": -1e-8}, "below"),
        ({"high": 1.1}, "above"),
        ({"null_unexplained": 1}, "null_unexplained"),
        ({"unfounded": 1}, "unfounded"),
        ({"not_finite": 1}, "not_finite"),
        ({"differs": 1}, "differs"),
    ],
)
def test_a_broken_rule_names_its_rows(change: dict[str, Any], rule: str) -> None:
    assert judged({}, change, {}) == [Broken(rule, (2,))]
    assert rule in RULES


def test_a_column_that_is_missing_or_there_twice_is_seen() -> None:
    assert [one.rule for one in judged(rows=2)] == ["complete"]
    assert [one.rule for one in judged({"column": "c0"})] == ["once"]
