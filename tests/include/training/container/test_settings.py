"""Hyperparameters: strings in, checked values out; what is wrong is named."""

from __future__ import annotations

import pytest

from include.dataset.targets import learned_windows, target_name
from include.training.container.models import MODELS, settings_of
from include.training.container.problem import JobProblem

REQUIRED = {"pair": "eurusd", "model": "xgboost", "dataset_id": "d", "content_hash": "c"}


def test_the_plan_s_values_are_the_defaults() -> None:
    boosting, forest = (settings_of(REQUIRED | {"model": model}) for model in ("xgboost", "random_forest"))
    assert (boosting.rounds, boosting.max_depth, boosting.learning_rate, boosting.subsample) == (
        500,
        8,
        0.05,
        0.8,
    )
    assert (forest.trees, forest.max_depth, forest.min_child_weight) == (200, 15, 10)
    assert boosting.train_stride == 15
    assert not boosting.backtest


def test_every_setting_has_a_default_or_is_required() -> None:
    for model in MODELS:
        settings = settings_of(REQUIRED | {"model": model})
        assert set(settings.to_dict()) == set(settings.DEFAULTS[model]) | set(REQUIRED)


@pytest.mark.parametrize("window", ["matched", "15", "75"])
def test_horizons_are_those_of_the_data_set(window: str) -> None:
    horizons = settings_of(REQUIRED | {"target_window": window}).horizons
    assert [(each.window, each.minutes) for each in horizons] == list(learned_windows(window))
    assert [each.target for each in horizons] == [target_name(w, h) for w, h in learned_windows(window)]


def test_windows_are_all_that_the_no_skill_forecast_needs() -> None:
    assert settings_of(REQUIRED).windows == (15, 30, 45, 60, 75)
    assert settings_of(REQUIRED | {"target_window": "15"}).windows == (15,)
    assert settings_of(REQUIRED | {"target_window": "45"}).windows == (15, 30, 45)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"pair": ""}, "pair is missing"),
        ({"model": "lightgbm"}, "model is 'lightgbm'"),
        ({"max_dept": "3"}, "no hyperparameter max_dept"),
        ({"seed": "one"}, "seed is 'one'; it must be a whole number"),
        ({"rounds": "2.5"}, "rounds is '2.5'; it must be a whole number"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; it must be a number"),
        ({"trees": "0"}, "trees is 0; it must be at least 1"),
        ({"subsample": "1.2"}, "subsample is 1.2; it must be above 0 and at most 1"),
        ({"learning_rate": "nan"}, "learning_rate is nan"),
        ({"min_child_weight": "inf"}, "min_child_weight is inf"),
        ({"backtest": "yes"}, "backtest is 'yes'; write true or false"),
        ({"target_window": "20"}, "target_window is '20'"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, str], named: str) -> None:
    with pytest.raises(JobProblem, match=named):
        settings_of(REQUIRED | given)


@pytest.mark.parametrize("name", ["sagemaker_program", "_tuning_objective_metric"])
def test_names_that_sagemaker_adds_are_ignored(name: str) -> None:
    assert settings_of(REQUIRED | {name: "any"}) == settings_of(REQUIRED)


def test_seeds_differ_by_step_and_are_the_same_again() -> None:
    settings = settings_of(REQUIRED)
    seeds = [settings.seed_of(name, block) for name in ("h15", "h30") for block in range(50)]
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert settings.seed_of("h15", 3) == settings_of(REQUIRED).seed_of("h15", 3)
    assert settings.seed_of("h15", 3) != settings_of(REQUIRED | {"seed": "8"}).seed_of("h15", 3)
