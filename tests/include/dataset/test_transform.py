"""Scaling by hand and against scikit-learn, and that nothing but training rows is looked at."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from include.dataset import transform
from include.dataset.transform import ColumnScale, Scaler
from include.errors import BadParameter

FLAG = "event__jump_flag_5_sigma"


def table(rows: int = 4000, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    flag = np.zeros(rows)
    flag[7] = 1.0
    holes = rng.normal(size=rows)
    holes[rng.random(rows) < 0.03] = np.nan
    return {
        "level": 100 + rng.normal(0, 1e-3, rows),
        "tails": rng.standard_t(2, rows) * 1e-6,
        "holes": holes,
        "mostly_zero": np.where(np.arange(rows) == 9, 3.0, 0.0),
        "constant": np.full(rows, 0.1),
        "event__jump_flag_2_5_sigma": flag,
    }


def first(share: float, rows: int = 4000) -> np.ndarray:
    return np.arange(rows) < share * rows


def test_values_by_hand():
    scaler = transform.fit({"x": np.array([1.0, 3.0, 100.0])}, np.array([True, True, False]), winsor=0.0)
    assert scaler.columns["x"] == ColumnScale(low=1.0, high=3.0, mean=2.0, sd=1.0)
    scaled = scaler.apply({"x": np.array([1.0, 2.0, 100.0, -5.0, np.nan])})["x"]
    np.testing.assert_array_equal(scaled, [-1, 0, 1, -1, np.nan])


def test_without_limits_it_is_the_standard_scaler():
    columns, train = table(), first(0.7)
    scaler = transform.fit(columns, train, winsor=0.0)
    for name in ("level", "tails", "holes"):
        values = columns[name].reshape(-1, 1)
        peer = StandardScaler().fit(values[train])
        assert scaler.columns[name].mean == pytest.approx(peer.mean_[0], rel=1e-9, abs=1e-15)
        # at a level of 100 with moves of 1e-3 the peer's own variance is good to 1e-6
        assert scaler.columns[name].sd == pytest.approx(peer.scale_[0], rel=1e-6)


def test_training_values_have_mean_0_and_sd_1_and_stay_within_the_limits():
    columns, train = table(), first(0.7)
    scaled = transform.fit(columns, train).apply(columns)
    for name in ("level", "tails", "holes"):
        known = scaled[name][train & ~np.isnan(columns[name])]
        assert known.mean() == pytest.approx(0.0, abs=1e-9)
        assert known.std() == pytest.approx(1.0, rel=1e-9)
    assert np.abs(scaled["tails"]).max() < np.abs(columns["tails"] / columns["tails"].std()).max() / 2
    np.testing.assert_array_equal(np.isnan(scaled["holes"]), np.isnan(columns["holes"]))


def test_rare_values_are_kept_where_the_limits_would_leave_none():
    columns = table()
    scaled = transform.fit(columns, np.ones(4000, bool)).apply(columns)
    assert scaled["mostly_zero"][9] > 10
    assert scaled["event__jump_flag_2_5_sigma"][7] > 10


def test_a_class_is_never_cut():
    name = sorted(transform.DISCRETE)[0]
    values = np.r_[np.zeros(2000), np.ones(1990), np.full(1, 2.0)]
    scaler = transform.fit({name: values, "free": values}, np.ones(values.size, bool))
    assert scaler.columns[name].high == 2.0
    assert scaler.columns["free"].high == 1.0


def test_a_column_that_never_moved_in_training_is_0_forever():
    values = np.r_[np.full(50, 0.1), np.random.default_rng(0).normal(size=50), np.nan]
    scaler = transform.fit({"x": values}, np.arange(101) < 50)
    assert scaler.columns["x"].sd == 0.0
    np.testing.assert_array_equal(scaler.apply({"x": values})["x"], np.r_[np.zeros(100), np.nan])


def test_clip_limits_the_scaled_values():
    columns, train = table(), first(0.7)
    scaled = transform.fit(columns, train, clip=3.0).apply(columns)
    assert max(np.nanmax(np.abs(values)) for values in scaled.values()) == 3.0


def test_a_scaler_survives_json_to_the_last_bit():
    scaler = transform.fit(table(), first(0.7), clip=3.0)
    again = Scaler.of(json.loads(json.dumps(scaler.to_dict())))
    assert again == scaler
    assert list(again.columns) == list(scaler.columns)


def test_columns_may_come_in_any_order_and_number():
    columns = table()
    scaler = transform.fit(columns, first(0.7))
    whole = scaler.apply(columns)
    np.testing.assert_array_equal(
        scaler.apply({"tails": columns["tails"][5:9]})["tails"], whole["tails"][5:9]
    )
    with pytest.raises(BadParameter, match="stranger"):
        scaler.apply({"stranger": columns["tails"]})


def test_what_cannot_be_fitted_is_refused_by_name():
    values = np.r_[np.full(10, np.nan), np.ones(10)]
    with pytest.raises(BadParameter, match="empty"):
        transform.fit({"empty": values}, np.arange(20) < 10)
    for setting in ({"winsor": 0.5}, {"winsor": -0.1}, {"clip": 0.0}):
        with pytest.raises(BadParameter, match="winsor"):
            transform.fit({"x": np.ones(3)}, np.ones(3, bool), **setting)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.sampled_from([0.0, 1e3, np.nan, np.inf, 1e300]))
def test_later_rows_do_not_touch_the_fit(seed, share, noise):
    columns, train = table(rows=500, seed=seed), first(share, 500)
    rng = np.random.default_rng(seed)
    other = {
        name: np.where(train, values, rng.normal(size=500) * noise if np.isfinite(noise) else noise)
        for name, values in columns.items()
    }
    settled, disturbed = (transform.fit(each, train) for each in (columns, other))
    assert json.dumps(settled.to_dict()) == json.dumps(disturbed.to_dict())


def test_the_test_above_would_see_a_fit_on_everything():
    columns, train = table(), first(0.7)
    other = {name: np.where(train, values, 5.0) for name, values in columns.items()}
    everything = np.ones(4000, bool)
    assert transform.fit(columns, everything) != transform.fit(other, everything)
