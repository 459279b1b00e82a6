"""What a data set is to be: its period, its name, and what is refused before anything is computed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from include.dataset.frame import Frame, plan_frame
from include.dataset.manifest import check_id
from include.dataset.split import SETS
from include.errors import BadParameter, Incomplete, MissingInput
from include.forms import DATASET_PARAMS
from include.names import to_datetime
from include.storage.connection import connect
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.dataset.conftest import World
from tests.include.dataset.worlds import PAIRS, SMALL


@pytest.fixture
def copied(world: World, postgres: Postgres) -> Iterator[str]:
    """URL of a database like that of the world, to break something in."""
    with worlds.database(postgres, world.database) as name:
        yield postgres.url(name)


def test_without_params_the_period_is_that_of_all_pairs(world: World) -> None:
    frame = plan_frame(world.url, PAIRS[::-1], "manual__2026-11-22T18:00:00+00:00", {})
    assert frame.pairs == PAIRS
    assert (frame.start, frame.end) == (worlds.FIRST, worlds.END)
    assert frame.months == ("2024-07", "2024-08")
    assert frame.dataset_id == "2024-07-15_2024-08-06_manual__2026-11-22t18-00-00-00-00"
    assert (frame.rows, frame.trees) == (5000, 100)
    assert frame.folds == (), "60 and 30 days do not fit into three weeks"


def test_a_frame_survives_the_way_between_tasks(world: World) -> None:
    frame = plan_frame(world.url, PAIRS, "a", SMALL)
    again = Frame.of(json.loads(json.dumps(frame.to_dict())))
    assert again == frame
    assert again.fingerprint == frame.fingerprint
    assert plan_frame(world.url, PAIRS, "a", SMALL | {"trees": 11}).fingerprint != frame.fingerprint


def test_days_are_taken_as_they_are_given(world: World) -> None:
    frame = plan_frame(world.url, PAIRS, "a", {"first_day": "2024-07-17", "end_day": "2024-07-27"})
    assert [f"{to_datetime(minute):%Y-%m-%d %H:%M}" for minute in (frame.start, frame.end)] == [
        "2024-07-17 00:00",
        "2024-07-27 00:00",
    ]
    assert frame.months == ("2024-07",)
    assert f"{to_datetime(frame.split.val.start):%Y-%m-%d %H:%M}" == "2024-07-24 00:00"


def test_folds_are_spread_over_the_training_interval(world: World) -> None:
    days = {"fold_train_days": 3, "fold_test_days": 1, "fold_step_days": 1}
    every = plan_frame(world.url, PAIRS, "a", days | {"max_folds": 99}).folds
    some = plan_frame(world.url, PAIRS, "a", days | {"max_folds": 3}).folds
    assert len(every) > 8
    assert [fold.number for fold in some] == [0, round((len(every) - 1) / 2), len(every) - 1]
    train = plan_frame(world.url, PAIRS, "a", {}).split.train
    assert all(train.start <= fold.train.start < fold.test.end <= train.end for fold in every)
    assert plan_frame(world.url, PAIRS, "a", days | {"max_folds": 0}).folds == ()


@pytest.mark.parametrize("label", ["Größe / 1", "x" * 300, "", "scheduled__2026-01-01"])
def test_the_name_of_any_run_becomes_an_id(world: World, label: str) -> None:
    name = plan_frame(world.url, PAIRS, label, {}).dataset_id
    check_id(name)
    assert name.startswith("2024-07-15_2024-08-06")
    assert name != plan_frame(world.url, PAIRS, label + "y", {}).dataset_id


@pytest.mark.parametrize(
    ("pairs", "params", "told"),
    [
        (["eurxxx"], {}, "eurxxx cannot be in a data set"),
        ([], {}, "No pair"),
        (PAIRS, {"columns": "some"}, "selected or all"),
        (PAIRS, {"target_window": "20"}, "target_window is '20'"),
        (PAIRS, {"first_day": "July"}, "first_day is 'July'"),
        (PAIRS, {"first_day": "2024-08-01", "end_day": "2024-08-01"}, "would begin on 2024-08-01"),
        (PAIRS, {"dataset_id": "No/Id"}, "cannot be a data set's id"),
    ],
)
def test_what_cannot_be_is_refused(world: World, pairs: list[str], params: dict, told: str) -> None:
    with pytest.raises(BadParameter, match=re.escape(told)):
        plan_frame(world.url, pairs, "a", params)


def test_pairs_and_months_without_bars_are_named(world: World) -> None:
    with pytest.raises(MissingInput, match="audusd"):
        plan_frame(world.url, ["eurusd", "audusd"], "a", {})
    with pytest.raises(MissingInput, match=r"eurusd has no bars in 2024-09"):
        plan_frame(world.url, PAIRS, "a", {"end_day": "2024-09-15"})


def test_incomplete_tables_are_named(copied: str) -> None:
    with connect(copied) as connection:
        connection.execute("DELETE FROM bqx.fibonacci_bqx_gbpusd WHERE ts_utc = '2024-08-01 12:00+00'")
    told = r"1 of 2 pairs.*gbpusd: fibonacci_bqx has other keys than the rest in 2024-08"
    with pytest.raises(Incomplete, match=told):
        plan_frame(copied, PAIRS, "a", {})
    assert plan_frame(copied, PAIRS, "a", {"end_day": "2024-07-30"}).months == ("2024-07",)
    assert plan_frame(copied, ["eurusd"], "a", {}).pairs == ("eurusd",)


def test_every_param_of_the_form_has_an_effect(world: World) -> None:
    """A param that nobody reads would be drawn, filled in and ignored."""
    changed = {
        "first_day": "2024-07-16", "end_day": "2024-08-05", "dataset_id": "other", "columns": "all",
        "target_window": "15", "sample_rows": 300, "trees": 12, "max_folds": 1, "fold_train_days": 4,
        "fold_test_days": 1, "fold_step_days": 2,
    }  # fmt: skip
    assert set(changed) == set(DATASET_PARAMS) - {"keep_datasets"}  # of clean_up
    usual = plan_frame(world.url, PAIRS[:1], "a", SMALL)
    assert all(getattr(usual.split, name).end > 0 for name in SETS)
    for name, value in changed.items():
        assert plan_frame(world.url, PAIRS[:1], "a", SMALL | {name: value}) != usual, name
