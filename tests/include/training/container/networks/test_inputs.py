"""Inputs of the networks: the clock alone is known ahead, and nothing later than a row is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from include.dataset.transform import ColumnScale
from include.training.container.models import Seen, settings_of
from include.training.container.networks.calendar import CALENDAR, known
from include.training.container.networks.lookback import LookBack
from include.training.container.networks.scale import Scale
from include.training.container.networks.settings import TftSettings
from include.training.container.problem import JobProblem
from include.training.container.settings import HORIZONS
from tests.oracles import calendar as oracle

ASKED = {"pair": "eurusd", "model": "tft", "dataset_id": "d", "content_hash": "c"}
START = 28_668_960  # 2024-07-05 00:00 UTC, a Friday


def settings(**given: str) -> TftSettings:
    found = settings_of(ASKED | given)
    assert isinstance(found, TftSettings)
    return found


def grid(random: np.random.Generator, days: int = 6) -> Seen:
    """Rows of some days with a weekend and random holes."""
    ts = np.arange(START, START + days * 1440, dtype=np.int64)
    weekday = (ts // 1440 + 3) % 7
    ts = ts[(weekday < 5) & (random.random(ts.size) < 0.8)]
    return Seen(ts, random.normal(size=(ts.size, 2)).astype(np.float32))


def test_the_clock_is_that_of_the_features() -> None:
    """Also on the days on which London and New York change their clocks, and over new year."""
    ts = np.arange(START - 300 * 1440, START + 300 * 1440, 7, dtype=np.int64)
    expected = oracle.clock(ts)
    found = known(list(CALENDAR), ts)
    for number, name in enumerate(CALENDAR):
        np.testing.assert_allclose(found[:, number], expected[name], atol=1e-6, err_msg=name)


def test_values_of_the_clock_keep_the_shape() -> None:
    assert known(["session_ny", "time_sin_dow"], np.full((4, 5), START)).shape == (4, 5, 2)


@pytest.mark.parametrize(
    "canary",
    [
        "target__w15_h15",  # the future itself
        "base__w15_bqx_return",
        "lag__momentum_30",  # what is observed
        "time__time_sin_minute",
        "session_vol_regime",  # of the clock's family, but made from prices
    ],
)
def test_a_column_that_is_not_of_the_clock_is_not_known_ahead(canary: str) -> None:
    with pytest.raises(JobProblem, match=f"known_inputs: {canary} is no value of the clock"):
        settings(known_inputs=f"time_sin_minute,{canary}")


def test_the_default_knows_the_clock_alone() -> None:
    assert settings().known == tuple(CALENDAR)


def test_an_encoder_has_the_last_row_at_or_before_each_minute() -> None:
    """Compared with a plain search; over holes and a weekend."""
    random = np.random.default_rng(5)
    rows, asked = grid(random), settings(encoder_length="7", encoder_step="11")
    back = LookBack.of(asked, rows, None)
    for number in random.integers(200, len(rows.ts), 200):
        for place in range(7):
            minute = rows.ts[number] - (6 - place) * 11
            expected = max(row for row in range(number + 1) if rows.ts[row] <= minute)
            assert back.rows[number, place] == expected
            assert back.late(np.array([number]))[0, place] == minute - rows.ts[expected] >= 0
    assert (back.rows[:, -1] == np.arange(len(rows.ts))).all(), "the last place is the row itself"
    assert back.late(np.arange(len(rows.ts))[back.complete]).max() > 1440, "over the weekend"


def test_rows_without_a_whole_encoder_are_told_apart() -> None:
    rows = grid(np.random.default_rng(6))
    back = LookBack.of(settings(encoder_length="4", encoder_step="10"), rows, None)
    assert (back.complete == (rows.ts - 30 >= rows.ts[0])).all()


@pytest.mark.parametrize("change", ["noise", "none", "half"])
def test_no_row_after_another_is_in_its_encoder(change: str) -> None:
    """Whatever becomes of the rows after t, the encoders of the rows up to t are the same."""
    random = np.random.default_rng(7)
    rows, asked = grid(random), settings(encoder_length="6", encoder_step="13")
    for cut in random.integers(500, len(rows.ts) - 10, 20):
        later = np.arange(cut, len(rows.ts))
        later = {"noise": later, "none": later[:0], "half": later[random.random(later.size) < 0.5]}[change]
        changed = Seen(
            np.concatenate([rows.ts[:cut], rows.ts[later]]),
            np.concatenate([rows.x[:cut], random.normal(size=(later.size, 2)).astype(np.float32)]),
        )
        before = Seen(rows.ts[:cut], rows.x[:cut])
        mine, other = (LookBack.of(asked, before, past) for past in (rows, changed))
        there = mine.complete
        assert (mine.complete == other.complete).all()
        assert (mine.timeline.x[mine.rows[there]] == other.timeline.x[other.rows[there]]).all()


def test_a_request_brings_its_past_and_a_row_of_both_counts_once() -> None:
    rows, asked = grid(np.random.default_rng(8)), settings()
    now, past = Seen(rows.ts[-3:], rows.x[-3:]), Seen(rows.ts[:-2], rows.x[:-2])
    back = LookBack.of(asked, now, past)
    assert (back.timeline.ts == rows.ts).all()
    assert (back.timeline.x == rows.x).all()
    whole = LookBack.of(asked, rows, None)
    assert (back.rows == whole.rows[-3:]).all()


def test_without_minutes_there_is_no_looking_back() -> None:
    with pytest.raises(JobProblem, match="needs ts of every row"):
        LookBack.of(settings(), Seen(np.empty(0, np.int64), np.zeros((2, 3), np.float32)), None)


def scalers() -> dict[str, dict[str, float]]:
    return {
        "a": {"low": -2.0, "high": 2.0, "mean": 0.5, "sd": 0.25},
        "b": {"low": 3.0, "high": 3.0, "mean": 3.0, "sd": 0.0},
    }


def test_scaling_is_that_of_the_data_set() -> None:
    x = np.array([[1.0, 3.0], [-9.0, 4.0], [0.5, 1.0]], np.float32)
    found = Scale.of(["a", "b"], scalers()).apply(x)
    for number, name in enumerate("ab"):
        expected = ColumnScale(**scalers()[name]).apply(x[:, number].astype(np.float64), None)
        np.testing.assert_allclose(found[:, number], expected, rtol=1e-6)
    assert (found[:, 1] == 0).all()
    assert Scale.of(["b", "a"], scalers()).apply(x[:, ::-1]).tolist() == found[:, ::-1].tolist()


@pytest.mark.parametrize("column", [0, 1])
def test_a_null_is_refused_and_named(column: int) -> None:
    x = np.ones((2, 3, 2), np.float32)
    x[1, 2, column] = np.nan
    with pytest.raises(JobProblem, match=f"Column {'ab'[column]} is NULL in a row"):
        Scale.of(["a", "b"], scalers()).apply(x)


def test_a_column_without_scaler_is_named() -> None:
    with pytest.raises(JobProblem, match="Column c has no scaler"):
        Scale.of(["a", "c"], scalers())


def test_the_plan_s_values_are_the_defaults() -> None:
    tft = settings()
    assert (tft.learning_rate, tft.hidden_size, tft.attention_heads, tft.dropout) == (1e-3, 64, 4, 0.1)
    assert tft.hidden_continuous_size == 16
    found: Any = settings_of(ASKED | {"model": "multi_task"})
    assert found.sizes == (256, 128, 64)
    assert found.weights == (0.10, 0.15, 0.20, 0.25, 0.30)
    assert len(found.weights) == len(HORIZONS)


@pytest.mark.parametrize(
    ("model", "given", "named"),
    [
        ("tft", {"epochs": "0"}, "epochs is 0; it must be at least 1"),
        ("tft", {"dropout": "1"}, "dropout is 1.0"),
        ("tft", {"hidden_size": "10"}, "hidden_size 10 is no multiple of attention_heads 4"),
        ("tft", {"encoder_length": "300"}, "looks back 1495 minutes; 1440 are the most"),
        ("tft", {"known_inputs": " "}, "known_inputs: it is empty"),
        ("tft", {"rounds": "3"}, "There is no hyperparameter rounds of tft"),
        ("multi_task", {"layers": "256,x"}, "layers is '256,x'"),
        ("multi_task", {"layers": "256,0"}, "layers is '256,0'"),
        ("multi_task", {"loss_weights": "0.5,0.5"}, "write 5 numbers above 0"),
        ("multi_task", {"loss_weights": "1,1,1,1,nan"}, "write 5 numbers above 0"),
        ("multi_task", {"learning_rate": "nan"}, "learning_rate is nan"),
        ("multi_task", {"hidden_size": "64"}, "There is no hyperparameter hidden_size of multi_task"),
        ("xgboost", {"epochs": "3"}, "There is no hyperparameter epochs of xgboost"),
    ],
)
def test_what_is_wrong_is_named(model: str, given: dict[str, str], named: str) -> None:
    with pytest.raises(JobProblem, match=named):
        settings_of(ASKED | {"model": model} | given)
