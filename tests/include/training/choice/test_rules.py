"""The rule table: each row by an example that fails without it, combinations by a second implementation."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.training.choice import rules
from include.training.choice.rules import (
    DEPLOYMENT,
    ENSEMBLE,
    FOREST,
    MULTI_TASK,
    SELECTION,
    TFT,
    WEIGHTS,
    XGBOOST,
    Case,
    Incumbent,
    deploy,
    select,
)
from tests.oracles import choice

BOTH = {FOREST: 0.10, XGBOOST: 0.12}
ALL = BOTH | {MULTI_TASK: 0.10, TFT: 0.17, ENSEMBLE: 0.20}
YES: dict[str, Any] = {"days": 20, "approved": True}

# scores, what else is known, the chosen model, the row that says so
SELECTED: list[tuple[dict[str, float], dict[str, Any], str, str]] = [
    ({}, YES, "", "no baseline"),
    ({TFT: 0.5, MULTI_TASK: 0.5}, YES, "", "no baseline"),
    ({FOREST: math.nan, XGBOOST: math.nan}, YES, "", "no baseline"),
    ({FOREST: 0.1, XGBOOST: 0.5}, {"days": 19}, FOREST, "too few days"),
    ({XGBOOST: 0.5}, {"days": 19}, XGBOOST, "too few days"),
    (ALL, YES | {"days": 19, "correlation": 0.1}, FOREST, "too few days"),
    (ALL, YES | {"correlation": 0.84}, ENSEMBLE, "ensemble"),
    (ALL, YES | {"correlation": 0.85}, TFT, "G3: TFT"),
    (ALL, YES | {"correlation": math.nan}, TFT, "G3: TFT"),
    (ALL | {ENSEMBLE: 0.19}, YES | {"correlation": 0.1}, TFT, "G3: TFT"),
    (ALL | {ENSEMBLE: math.nan}, YES | {"correlation": 0.1}, TFT, "G3: TFT"),
    (ALL | {FOREST: math.nan}, YES | {"correlation": 0.1}, TFT, "G3: TFT"),
    ({FOREST: 0.1, TFT: 0.15}, YES, TFT, "G3: TFT"),
    (BOTH | {TFT: 0.16}, YES, FOREST, "G1: random forest"),
    ({FOREST: 0.20, XGBOOST: 0.10, TFT: 0.21}, YES, FOREST, "G1: random forest"),
    (ALL, YES | {"approved": False, "correlation": 0.1}, FOREST, "G1: random forest"),
    (BOTH | {TFT: math.nan}, YES, FOREST, "G1: random forest"),
    (BOTH | {MULTI_TASK: 0.17}, YES, MULTI_TASK, "G3: multi-task network"),
    (BOTH | {MULTI_TASK: 0.17, TFT: 0.20}, YES, MULTI_TASK, "G3: multi-task network"),
    (BOTH | {MULTI_TASK: 0.17, TFT: 0.22}, YES, TFT, "G3: TFT"),
    (BOTH | {MULTI_TASK: 0.15, TFT: 0.17}, YES, TFT, "G3: TFT"),
    ({FOREST: 0.1}, YES, FOREST, "only baseline"),
    ({FOREST: math.nan, XGBOOST: 0.1}, YES, XGBOOST, "only baseline"),
    ({FOREST: 0.1, XGBOOST: math.nan}, YES, FOREST, "only baseline"),
    ({FOREST: 0.1, XGBOOST: 0.14}, YES, XGBOOST, "G1: XGBoost"),
    ({FOREST: 0.1, XGBOOST: 0.13}, YES, FOREST, "G1: random forest"),
    ({FOREST: 0.1, XGBOOST: 0.1}, YES, FOREST, "G1: random forest"),
    (BOTH, YES | {"worse": {FOREST}}, XGBOOST, "the forest is worse than no skill"),
    (BOTH, YES | {"worse": {FOREST, XGBOOST}}, FOREST, "G1: random forest"),
    ({FOREST: 0.1, XGBOOST: 0.1}, YES | {"worse": {FOREST}}, FOREST, "G1: random forest"),
    (BOTH, {"days": 19, "worse": {FOREST}}, FOREST, "too few days"),
    (BOTH | {TFT: 0.17}, YES | {"worse": {FOREST}}, TFT, "G3: TFT"),
]

# what is known, the chosen model, whether it may be deployed, the row that says so
DEPLOYED: list[tuple[dict[str, Any], str, bool, str]] = [
    ({"days": 30}, "", False, "no model"),
    ({"days": 30, "suspicious": True, "skilled": {FOREST}}, FOREST, False, "suspicious"),
    ({"days": 19, "incumbent": Incumbent(False, 0.0)}, FOREST, False, "too few days beside an incumbent"),
    ({"days": 19, "incumbent": Incumbent(True, 0.0)}, FOREST, False, "too few days beside an incumbent"),
    ({"days": 20, "incumbent": Incumbent(True, 0.11)}, FOREST, False, "the incumbent is better"),
    ({"days": 20, "skilled": {FOREST}}, FOREST, True, "skill"),
    ({"days": 20, "incumbent": Incumbent(False, 0.9), "skilled": {FOREST}}, FOREST, True, "skill"),
    ({"days": 20, "incumbent": Incumbent(True, 0.10)}, FOREST, True, "unproven"),
    ({"days": 20, "skilled": {XGBOOST}}, FOREST, True, "unproven"),
    ({"days": 19, "skilled": {FOREST}}, FOREST, True, "unproven"),
]


def chosen(scores: dict[str, float], known: dict[str, Any]) -> tuple[str, str]:
    case = Case(scores, **known)
    row = select(case)
    return row.model(case), row.name


@pytest.mark.parametrize(("scores", "known", "model", "row"), SELECTED)
def test_every_row_chooses(scores: dict[str, float], known: dict[str, Any], model: str, row: str) -> None:
    assert chosen(scores, known) == (model, row)


@pytest.mark.parametrize(("known", "model", "allowed", "row"), DEPLOYED)
def test_every_row_allows_or_forbids(known: dict[str, Any], model: str, allowed: bool, row: str) -> None:
    found = deploy(Case({FOREST: 0.10}, **known), model)
    assert (found.allowed, found.name) == (allowed, row)


def test_no_row_is_without_an_example() -> None:
    assert {row.name for row in SELECTION} == {example[3] for example in SELECTED}
    assert {row.name for row in DEPLOYMENT} == {example[3] for example in DEPLOYED}


@pytest.mark.parametrize("row", [row.name for row in SELECTION])
def test_no_row_that_chooses_can_be_dropped(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("SELECTION", "SINGLE"):
        rows = getattr(rules, table)
        monkeypatch.setattr(rules, table, tuple(each for each in rows if each.name != row))
    assert any(_differs(scores, known, model) for scores, known, model, name in SELECTED if name == row)


@pytest.mark.parametrize("example", [example for example in DEPLOYED if not example[2]])
def test_no_row_that_forbids_can_be_dropped(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known, model, _, row = example
    monkeypatch.setattr(rules, "DEPLOYMENT", tuple(each for each in DEPLOYMENT if each.name != row))
    if model:
        assert deploy(Case({FOREST: 0.10}, **known), model).allowed
    else:
        with pytest.raises(KeyError):
            deploy(Case({FOREST: 0.10}, **known), model)


def test_who_takes_no_part_is_told_why() -> None:
    case = Case({FOREST: math.nan, XGBOOST: 0.1, TFT: 0.2, ENSEMBLE: 0.2}, days=30)
    assert set(case.refused) == {FOREST, TFT, ENSEMBLE}
    assert "not a number" in case.refused[FOREST]
    assert "G2" in case.refused[TFT]


def test_the_weights_are_those_of_the_plan() -> None:
    assert WEIGHTS == {XGBOOST: 0.40, TFT: 0.35, FOREST: 0.25}


NEAR = st.sampled_from([math.nan, -0.5, 0.0, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.9])


@settings(max_examples=2_000, deadline=None)
@given(
    scores=st.dictionaries(st.sampled_from([FOREST, XGBOOST, MULTI_TASK, TFT, ENSEMBLE]), NEAR),
    days=st.sampled_from([0, 19, 20, 60]),
    approved=st.booleans(),
    correlation=st.sampled_from([math.nan, -1.0, 0.5, 0.849, 0.85, 1.0]),
    suspicious=st.booleans(),
    skilled=st.sets(st.sampled_from([FOREST, XGBOOST, TFT])),
    worse=st.sets(st.sampled_from([FOREST, XGBOOST, TFT])),
    incumbent=st.none() | st.tuples(st.booleans(), NEAR),
)
def test_a_second_implementation_decides_alike(
    scores: dict[str, float], skilled: set[str], incumbent: tuple[bool, float] | None, **known: Any
) -> None:
    case = Case(
        scores, skilled=skilled, incumbent=None if incumbent is None else Incumbent(*incumbent), **known
    )
    model = select(case).model(case)
    assert (model, deploy(case, model).allowed) == choice.choose(scores, incumbent=incumbent, **known)


def _differs(scores: dict[str, float], known: dict[str, Any], model: str) -> bool:
    try:
        return chosen(scores, known)[0] != model
    except (KeyError, IndexError, StopIteration):
        return True
