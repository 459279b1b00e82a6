"""The join rule."""

from __future__ import annotations

import numpy as np

from include.features.join import common_minutes, join_exact


def test_join_takes_the_same_minute_or_nothing():
    source = np.array([10, 11, 14])
    joined = join_exact(np.array([9, 10, 12, 14, 15]), source, {"x": np.array([1.0, 2.0, 3.0])})
    np.testing.assert_array_equal(joined["x"], [np.nan, 1, np.nan, 3, np.nan])
    empty = join_exact(np.array([9, 10]), source[:0], {"x": np.empty(0)})
    assert np.isnan(empty["x"]).all()


def test_joined_columns_have_memory_of_their_own():
    """Hiding rows of a joined column must not reach into what all pairs share."""
    ts, x = np.arange(5), np.arange(5.0)
    join_exact(ts, ts, {"x": x})["x"][:] = np.nan
    np.testing.assert_array_equal(x, np.arange(5.0))


def test_before_and_after_the_source():
    joined = join_exact(np.array([1, 2, 3, 4]), np.array([2, 3]), {"x": np.array([5.0, 6.0])})
    np.testing.assert_array_equal(joined["x"], [np.nan, 5, 6, np.nan])


def test_common_minutes():
    grids = [np.array([1, 2, 3, 5, 9]), np.array([2, 3, 4, 9]), np.array([0, 2, 9])]
    np.testing.assert_array_equal(common_minutes(grids), [2, 9])
    np.testing.assert_array_equal(common_minutes(grids[:1]), grids[0])
    assert common_minutes([*grids, np.empty(0, np.int64)]).size == 0
