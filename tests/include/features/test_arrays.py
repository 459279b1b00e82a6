"""Array helpers."""

from __future__ import annotations

import numpy as np
import pytest

from include.features.arrays import contiguous, lagged, ratio


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(0, [1, 2, 3]), (1, [np.nan, 1, 2]), (3, [np.nan] * 3), (7, [np.nan] * 3)],
)
def test_lagged(rows, expected):
    np.testing.assert_array_equal(lagged(np.array([1.0, 2.0, 3.0]), rows), expected)


def test_ratio_is_neutral_only_where_flat():
    part, whole = np.array([1.0, 1.0, np.nan, 1.0]), np.array([2.0, 0.0, 4.0, np.nan])
    got = ratio(part, whole, flat=whole == 0, neutral=0.5)
    np.testing.assert_array_equal(got, [0.5, 0.5, np.nan, np.nan])


@pytest.mark.parametrize("values", [[1, 2], np.arange(6.0)[::2], np.arange(3, dtype=np.float32)])
def test_contiguous_gives_the_one_layout_of_the_kernels(values):
    got = contiguous(values)
    assert got.dtype == np.float64
    assert got.flags.c_contiguous
    assert got.flags.writeable
    np.testing.assert_array_equal(got, values)


def test_contiguous_copies_what_must_not_be_written():
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    assert contiguous(frozen).flags.writeable
