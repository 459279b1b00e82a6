"""Scores in production are those of a second computation, beside no skill, and silence is told as no data."""

from __future__ import annotations

import numpy as np
import pytest

from include.monitoring import performance
from include.monitoring.actuals import join
from include.monitoring.declaration import declared
from include.monitoring.performance import CHANGES, SCORES, Baseline, baseline_of
from include.monitoring.values import CRITICAL, NO_DATA, OK, WARNING, Reading, judge, over_all
from tests.include.monitoring.worlds import BUDGET, START, VERSION, WEEK, forecasts, grid, oracle

LATER = START + 4 * WEEK
SAME = Baseline(1.0, 0.0)


def found(readings: list[Reading]) -> dict[tuple[str, int], float | None]:
    return {(each.name, each.horizon): each.value for each in readings}


@pytest.mark.parametrize("windows", [None, {15: 45, 30: 75, 45: 60, 60: 60, 75: 15}])
def test_every_score_is_that_of_a_second_computation(windows: dict[int, int] | None) -> None:
    came = grid()
    told = forecasts(came, windows=windows)
    as_of = START + 2 * WEEK + 3000
    readings = performance.readings("eurusd", join(told, came, as_of), SAME)
    expected = oracle(came, told, as_of)
    assert len(expected) == 5 * len(SCORES)
    assert {each.pair for each in readings} == {"eurusd"}
    values = found(readings)
    for key, value in expected.items():
        assert values[key] == pytest.approx(value, rel=1e-9), key
    for name in SCORES:
        mean = np.mean([value for (other, _), value in expected.items() if other == name])
        assert values[name, 0] == pytest.approx(mean, rel=1e-9)


def test_a_forecast_of_no_skill_has_none() -> None:
    came = grid()
    values = found(performance.readings("eurusd", join(forecasts(came, noise=0.0), came, LATER), SAME))
    for h in (15, 30, 45, 60, 75):
        assert values["skill", h] == pytest.approx(0, abs=1e-12)
        assert values["directional_accuracy", h] == values["directional_accuracy_no_skill", h]
    assert values["mae_change", 0] == pytest.approx(0, abs=1e-12)
    assert values["r2_drop", 0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "level"), [(1.199, OK), (1.2, OK), (1.201, WARNING), (1.499, WARNING), (1.501, CRITICAL)]
)
def test_a_step_of_the_mae_alerts_above_a_fifth_and_not_below(step: float, level: str) -> None:
    """The errors of all forecasts grow by a step, those of no skill stay."""
    came = grid()
    joined = join(forecasts(came), came, LATER)
    values = found(performance.readings("eurusd", joined, SAME))
    baseline = Baseline(values["mae_scaled", 0] / values["mae_scaled_no_skill", 0], 0.0)  # type: ignore[operator]
    error = joined.scored.prediction - joined.scored.actual
    worse = joined._replace(scored=joined.scored._replace(prediction=joined.scored.actual + step * error))
    change = found(performance.readings("eurusd", worse, baseline))["mae_change", 0]
    assert change == pytest.approx(step - 1, abs=1e-9)
    exact = round(change or 0.0, 9)
    assert judge(declared(BUDGET)["mae_change"], exact) == level


def test_volatility_alone_moves_no_alarm() -> None:
    """Ten times the volatility: the errors grow tenfold, those of no skill too."""
    quiet, wild = (grid(sigma=sigma) for sigma in (1e-4, 1e-3))
    first, second = (
        found(performance.readings("eurusd", join(forecasts(came), came, LATER), SAME))
        for came in (quiet, wild)
    )
    assert second["mae", 15] == pytest.approx(10 * first["mae", 15], rel=0.1)  # type: ignore[operator]
    for name in CHANGES:
        assert second[name, 0] == pytest.approx(first[name, 0], abs=0.01)


def test_missing_actuals_are_no_data_and_not_silence() -> None:
    came = grid()
    told = forecasts(came)
    nothing = came._replace(
        ts=came.ts[:0], q={w: q[:0] for w, q in came.q.items()}, s={w: s[:0] for w, s in came.s.items()}
    )
    for rows in (None, nothing):
        readings = performance.readings("eurusd", join(told, rows, LATER), SAME)
        missing = readings.pop()
        assert (missing.name, missing.value) == ("actuals_missing", 1.0)
        assert "without what came" in missing.note
        assert {each.name for each in readings} == {*SCORES, *CHANGES}
        for each in readings:
            assert each.value is None
            assert judge(declared(BUDGET)["mae_change"], each.value) == NO_DATA
            assert "without what came" in each.note


def test_no_forecasts_are_no_data_too() -> None:
    came = grid()
    none = forecasts(came).where(np.zeros(forecasts(came).ts.size, np.bool_))
    readings = performance.readings("eurusd", join(none, came, LATER), SAME)
    assert all(each.value is None for each in readings)
    assert {each.note for each in readings} == {"There are no forecasts in the window."}


def test_without_scores_in_the_record_nothing_is_compared() -> None:
    came = grid()
    readings = performance.readings("eurusd", join(forecasts(came), came, LATER), None)
    changes = [each for each in readings if each.name in CHANGES]
    assert [each.value for each in changes] == [None, None]
    assert {each.note for each in changes} == {
        "The decision record of the model has no scores to compare with."
    }


def test_the_baseline_is_the_test_set_of_the_chosen_model() -> None:
    def score(mae: float, r2: float) -> dict[str, dict[str, float]]:
        return {"mae_scaled": {"model": mae, "no_skill": 2.0}, "r2": {"model": r2, "no_skill": 0.1}}

    record = {"chosen": "xgboost", "scores": {"xgboost": {"val": score(1, 0.5), "test": score(1.9, 0.15)}}}
    assert baseline_of(record) == pytest.approx(Baseline(0.95, 0.05))
    del record["scores"]["xgboost"]["test"]  # type: ignore[index]
    assert baseline_of(record) == pytest.approx(Baseline(0.5, 0.4))
    for nothing in ({}, {"chosen": None}, {"chosen": "xgboost", "scores": {"xgboost": {"val": {"r2": {}}}}}):
        assert baseline_of(nothing) is None


def test_models_of_other_windows_are_not_scored_together() -> None:
    came = grid()
    old = forecasts(came, windows={15: 15, 30: 30})
    old = old.where(old.ts < START + 2 * WEEK)
    new = forecasts(came, since=2 * WEEK, windows={15: 75, 30: 30})
    new = new._replace(version=np.full(new.ts.size, "fedcba9876543210"))
    both = old._make(np.concatenate(columns) for columns in zip(old, new, strict=True))
    assert both.newest != VERSION
    kept = performance.of_one_model(both)
    assert set(zip(kept.h.tolist(), kept.w.tolist(), strict=True)) == {(15, 75), (30, 30)}
    assert (kept.h == 30).sum() == (both.h == 30).sum()


def test_all_pairs_together() -> None:
    values = declared(BUDGET)
    skill = [
        Reading("skill", 0.1, "eurusd"),
        Reading("skill", 0.3, "gbpusd"),
        Reading("skill", None, "usdjpy"),
    ]
    together = over_all(values["skill"], skill)
    assert together.value == pytest.approx(0.2)
    assert together.note == "No data for 1 of 3 pairs."
    worst = over_all(
        values["mae_change"], [Reading("mae_change", 0.1, "eurusd"), Reading("mae_change", 0.3, "gbpusd")]
    )
    assert (worst.value, worst.note) == (0.3, "GBPUSD is the worst.")
    assert over_all(values["skill"], skill[2:]).value is None
