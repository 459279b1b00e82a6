"""Intervals and samples, compared with those of the data set where both have them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from include.dataset import split as original
from include.training.container import sets
from include.training.container.sets import Interval


def test_the_gap_is_that_of_the_data_set() -> None:
    assert sets.GAP == original.GAP


def test_calibration_begins_a_gap_after_the_first_half_of_val() -> None:
    val, calibration = sets.halves(Interval(1000, 9000))
    assert val == Interval(1000, 5000)
    assert calibration == Interval(5195, 9000)


def test_a_val_without_room_has_no_calibration() -> None:
    val, calibration = sets.halves(Interval(0, 300))
    assert val == Interval(0, 150)
    assert calibration.start == calibration.end == 300


@pytest.mark.parametrize("days", [(60, 30, 7), (5, 2, 3), (10, 1, 1)])
def test_folds_are_those_of_the_data_set(days: tuple[int, int, int]) -> None:
    train, test, step = days
    found = sets.folds(Interval(1440, 1440 * 150), *days)
    expected = original.folds(1440, 1440 * 150, train_days=train, test_days=test, step_days=step)
    assert [(fold.number, *fold.test) for fold in found] == [
        (each.number, each.test.start, each.test.end) for each in expected
    ]
    for fold, each in zip(found, expected, strict=True):
        assert fold.parts.train.start == each.train.start
        assert fold.parts.calibration.end == each.train.end
        assert fold.test.start - fold.parts.calibration.end == sets.GAP
        assert fold.parts.val.start - fold.parts.train.end == sets.GAP
        assert fold.parts.calibration.start - fold.parts.val.end == sets.GAP


def test_a_short_interval_has_no_fold() -> None:
    assert sets.folds(Interval(0, 89 * 1440), 60, 30, 7) == []
    assert len(sets.folds(Interval(0, 90 * 1440), 60, 30, 7)) == 1


def test_thirds_lie_side_by_side() -> None:
    found = sets.thirds(Interval(10, 1011))
    assert (found[0].start, found[-1].end) == (10, 1011)
    assert all(left.end == right.start for left, right in pairwise(found))


@pytest.mark.parametrize("stride", [2, 15, 60])
def test_a_sample_is_that_of_the_data_set(stride: int) -> None:
    eligible = np.random.default_rng(1).random(10_000) < 0.7
    rows = -(-int(eligible.sum()) // stride)
    assert (sets.sample(eligible, stride, 10**6) == original.sample(eligible, rows)).all()


def test_a_sample_is_bounded_and_sees_every_minute_of_the_hour() -> None:
    chosen = sets.sample(np.ones(86_400, np.bool_), 60, 10**6)
    assert chosen.size == 1440
    assert len(set(chosen % 60)) == 60
    assert (np.diff(chosen) > 0).all()
    assert sets.sample(np.ones(86_400, np.bool_), 15, 1000).size == 1000


def test_stride_one_takes_every_row() -> None:
    eligible = np.array([True, False, True, True])
    assert sets.sample(eligible, 1, 100).tolist() == [0, 2, 3]
