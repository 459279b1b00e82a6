"""Profiles survive a file, and shifts are those of the definition."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from include.dataset.evidence import FEATURES
from include.dataset.profile import FEWEST, PairProfile, describe, shifts
from include.dataset.split import SETS

NAMES = tuple(FEATURES)
FLOAT = next(name for name, column in FEATURES.items() if column.kind == "float")
CLASS = next(name for name, column in FEATURES.items() if column.kind == "category")


def some_profile() -> PairProfile:
    rng = np.random.default_rng(1)
    size = len(NAMES)
    return PairProfile(
        pair="eurusd",
        columns=NAMES,
        months=("2024-07", "2024-08"),
        grid_rows=np.array([10, 20]),
        filled_rows=np.array([1, 0]),
        rows={"train": 5, "val": 6, "test": 7},
        known=rng.random((2, size)),
        low=rng.normal(size=size),
        high=np.where(np.arange(size) == 3, np.nan, 2.0),
        mean=rng.normal(size=(3, size)),
        sd=rng.random((3, size)),
        shift=rng.random((2, size)),
        targets={name: rng.normal(size=(4, 5)) for name in SETS},
        fold_importance=np.empty((0, size)),
    )


def test_a_profile_survives_a_file_without_pickle() -> None:
    profile, sink = some_profile(), io.BytesIO()
    np.savez(sink, **profile.arrays())
    sink.seek(0)
    with np.load(sink, allow_pickle=False) as arrays:
        again = PairProfile.of(arrays)
    for name, value in vars(profile).items():
        if name != "targets":
            np.testing.assert_array_equal(getattr(again, name), value, err_msg=name)
    for name in SETS:
        np.testing.assert_array_equal(again.targets[name], profile.targets[name])
    assert again.rows == profile.rows
    assert again.columns == profile.columns
    assert replace(again, pair="x").pair == "x"


def test_mean_and_sd_leave_null_out() -> None:
    rng = np.random.default_rng(2)
    samples = [rng.normal(3, 2, (50, 4)), rng.normal(0, 1, (30, 4))]
    samples[0][::3, 1] = np.nan
    samples[1][:, 2] = np.nan
    mean, sd = describe(samples)
    for number, sample in enumerate(samples):
        for column in range(4):
            known = sample[:, column][~np.isnan(sample[:, column])]
            wanted = (known.mean(), known.std()) if known.size else (np.nan, np.nan)
            np.testing.assert_allclose((mean[number, column], sd[number, column]), wanted, rtol=1e-12)


def test_the_index_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    train, later = rng.normal(0, 1, 2000), rng.normal(0.5, 1, 1500)
    edges = np.quantile(train, np.arange(1, 10) / 10)
    a = [np.mean([(edges <= x).sum() == each for x in later]) for each in range(10)]
    b = [np.mean([(edges <= x).sum() == each for x in train]) for each in range(10)]
    wanted = sum((p - q) * np.log(p / q) for p, q in zip(a, b, strict=True))
    found = shifts([FLOAT], train[:, None], [later[:, None], train[:, None]])
    assert found[0, 0] == pytest.approx(wanted, rel=1e-9)
    assert found[1, 0] == 0.0
    assert found[0, 0] > 0.1


def test_classes_have_a_bin_each() -> None:
    train = np.repeat([0.0, 1.0, 2.0], [60, 30, 10])
    later = np.repeat([0.0, 1.0, 2.0], [30, 30, 40])
    a, b = np.array([0.3, 0.3, 0.4]), np.array([0.6, 0.3, 0.1])
    found = shifts([CLASS], train[:, None], [later[:, None]])
    assert found[0, 0] == pytest.approx(((a - b) * np.log(a / b)).sum())


def test_too_few_values_and_constants() -> None:
    few = np.full((200, 2), np.nan)
    few[: FEWEST - 1, 0] = 1.0
    few[:, 1] = 4.0
    found = shifts([FLOAT, FLOAT], few, [few, few + 1.0])
    assert np.isnan(found[:, 0]).all()
    assert found[:, 1].tolist() == [0.0, 0.0], "a column that never moved has one bin"
