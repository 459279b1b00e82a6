"""Gate G2: each condition that keeps it closed, alone, and what a person is asked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.training.choice import cost, gate
from include.training.choice.gate import Opening, judge
from include.training.truth.bootstrap import ByChance
from include.training.truth.looks import Beside
from include.training.truth.reduce import reduce_job
from include.training.truth.reduced import Reduced
from include.training.truth.scores import SetScores, score
from include.training.truth.verdicts import SKILL
from tests.include.training.choice.runs import forecasts
from tests.include.training.truth.jobs import files

UPDATES = Path(__file__).parents[4] / "include/plan/desired/updates.yaml"
NO_CHANCE = ByChance(0, 0, (0, 0), 0, (0, 0), 0)


def reduced(pair: str, model: str, **job: Any) -> Reduced:
    return Reduced.from_bytes(reduce_job(pair, model, files(forecasts(pair, **job))))


@pytest.fixture(scope="module")
def val() -> SetScores:
    """XGBoost has skill on eurusd and none on gbpusd; a forest has skill there."""
    jobs = [
        reduced("eurusd", "xgboost", seed=1, skill=0.04),
        reduced("gbpusd", "random_forest", seed=2, skill=0.04),
        reduced("gbpusd", "xgboost", seed=3),
    ]
    return score(jobs, "val")


def with_r2(val: SetScores, r2: float) -> SetScores:
    pairs = tuple(each._replace(r2=Beside(r2, 0.0, 0.0)) for each in val.pairs)
    return val._replace(pairs=pairs)


def opening(val: SetScores | None, pair: str = "eurusd") -> Opening:
    return judge(val, [pair])[0]


def test_it_opens_by_skill_of_xgboost_alone(val: SetScores) -> None:
    found = judge(val, ["eurusd", "gbpusd", "usdjpy"])
    assert [each.opens for each in found] == [True, False, False]
    assert "below 0.85, and its skill, at " in found[0].reason
    assert "over 15 looks" in found[0].reason
    assert found[1].reason.startswith("XGBoost shows no skill on validation: its best skill, at ")
    assert found[2].reason == "There is no XGBoost model that could be scored."


def test_it_stays_closed_where_r2_is_reached_or_not_a_number(val: SetScores) -> None:
    assert opening(with_r2(val, 0.849)).opens
    reached = opening(with_r2(val, 0.85))
    assert (reached.opens, reached.reason) == (
        False, "R2 of XGBoost on validation is 0.850, not below 0.85: nothing better is needed.",
    )  # fmt: skip
    assert "is not a number" in opening(with_r2(val, math.nan)).reason
    assert not opening(with_r2(val, math.nan)).opens


def test_it_stays_closed_with_few_days() -> None:
    few = score([reduced("eurusd", "xgboost", seed=1, skill=0.3, few=True)], "val")
    assert (opening(few).opens, opening(few).reason) == (
        False, "Validation has 10 trading days, and below 20 no gate opens.",
    )  # fmt: skip


def test_it_stays_closed_without_models() -> None:
    assert not opening(None).opens
    assert not opening(SetScores("val", 0, (), (), NO_CHANCE)).opens


def test_skill_counts_only_after_control_over_all_looks(val: SetScores) -> None:
    """The same p-values, but adjusted to nothing: the verdict is that of the truth report."""
    blocks = tuple(block._replace(verdict="no skill") for block in val.blocks)
    assert not opening(val._replace(blocks=blocks)).opens
    one = tuple(
        block._replace(verdict=SKILL if block.h == 45 and block.model == "xgboost" else "no skill")
        for block in val.blocks
    )
    assert opening(val._replace(blocks=one)).opens


def test_skill_counts_only_where_the_window_is_the_horizon(val: SetScores) -> None:
    other = tuple(block._replace(w=75) if block.h < 75 else block for block in val.blocks)
    only = tuple(block._replace(verdict=SKILL if block.h == 15 else "no skill") for block in other)
    assert not opening(val._replace(blocks=only)).opens
    none = tuple(block._replace(w=block.h + 1) for block in val.blocks)
    assert opening(val._replace(blocks=none)).reason == "No horizon has a window of its own length."


def test_a_person_is_told_why_what_it_costs_and_what_it_may_bring(val: SetScores) -> None:
    found = judge(val, ["eurusd", "gbpusd", "usdjpy"])
    text = gate.question(found, "https://page")
    assert gate.subject(found) == (
        "Train TFT and the multi-task network for 1 of 3 pairs: 2.1 hours of ml.g4dn.xlarge, about $1.58?"
    )
    for words in ("| EURUSD | 0.0", "60 hours for 28 pairs", "expects R2 of 0.85 to 0.92", "https://page"):
        assert words in text
    assert "GBPUSD" not in text
    assert "Too good?" not in text
    assert gate.saved(found) == gate.spent(found) == cost.of_pairs(1)  # usdjpy was not judged


def test_a_person_is_warned_of_what_is_too_good() -> None:
    leak = score([reduced("eurusd", "xgboost", seed=1, skill=0.5)], "val")
    assert "**Too good?** R2 of EURUSD is more than 0.05 above" in gate.question(judge(leak, ["eurusd"]), "")


def test_all_pairs_cost_what_the_plan_says() -> None:
    assert cost.of_pairs(28) == (60.0, pytest.approx(44.184))
    updates = yaml.safe_load(UPDATES.read_text())["updates"]
    parts = (part for update in updates for part in update.get("work", ()))
    work = next(part for part in parts if part["name"] == "TFT on a GPU")
    assert (work["hours"], work["pairs"]) == (cost.HOURS, cost.PAIRS)
