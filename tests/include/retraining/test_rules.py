"""Every row of the table, its limits, and a second implementation that decides the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.retraining.rules import DEPLOY, KEEP, REVIEW, RULES, Case, judge

GOOD: dict[str, Any] = {"days": 20, "least_days": 5, "before": 0.1, "after": 0.1}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"why_not": "It is suspicious."}, "no challenger"),
        ({"same": True}, "serves already"),
        ({"champion": False}, "first"),
        ({"missing": ("lag__return_lag_1",)}, "critical feature missing"),
        ({"unknown": True}, "champion unknown"),
        ({"windows": False}, "other windows"),
        ({"days": 4}, "too few days"),
        ({"after": 0.04}, "fall"),
        ({}, "better or close"),
        ({"after": 0.07}, "worse"),
    ],
)
def test_every_row_has_its_case(changes: dict[str, Any], name: str) -> None:
    assert judge(Case(**GOOD | changes)).name == name
    assert len({rule.name for rule in RULES}) == 10


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (0.3, DEPLOY), (0.0, DEPLOY), (-0.02, DEPLOY), (-0.020001, KEEP), (-0.05, KEEP), (-0.050001, REVIEW),
        (math.nan, KEEP),
    ],
)  # fmt: skip
def test_a_limit_itself_is_no_breach(change: float, outcome: str) -> None:
    for before in (0.0, 0.1, -0.3):
        assert judge(Case(**GOOD | {"before": before, "after": before + change})).outcome == outcome


def oracle(case: Case) -> str:
    """The same rules, read off the specification."""
    if case.why_not or case.same:
        return KEEP
    if not case.champion:
        return DEPLOY
    if case.missing or case.unknown or not case.windows:
        return REVIEW
    if case.days < case.least_days:
        return KEEP
    fall = float(f"{case.before - case.after:.8g}")
    if fall > 0.05:
        return REVIEW
    return DEPLOY if fall <= 0.02 else KEEP


@given(
    st.builds(
        Case,
        why_not=st.sampled_from(["", "no"]),
        champion=st.booleans(),
        same=st.booleans(),
        unknown=st.booleans(),
        windows=st.booleans(),
        missing=st.sampled_from([(), ("a",)]),
        days=st.integers(0, 8),
        least_days=st.integers(1, 8),
        before=st.sampled_from([0.0, 0.1, math.nan]),
        after=st.sampled_from([-0.1, 0.0, 0.05, 0.08, 0.1, 0.12, math.nan]),
    )
)
def test_a_second_implementation_decides_the_same(case: Case) -> None:
    assert judge(case).outcome == oracle(case)
