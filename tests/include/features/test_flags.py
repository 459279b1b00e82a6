"""Flags and classes, and that an unknown input never becomes a 0."""

from __future__ import annotations

import numpy as np

from include.features.flags import choice, flag, sign, tercile

NAN = np.nan


def test_flag_of_an_unknown_value_is_unknown():
    x, y = np.array([1.0, 3.0, NAN, 3.0]), np.array([0.0, 0.0, 0.0, NAN])
    np.testing.assert_array_equal(flag(x > 2, x, y), [0, 1, NAN, NAN])


def test_choice_between_values():
    x = np.array([1.0, NAN, 3.0])
    np.testing.assert_array_equal(choice(x > 2, x, -1.0, x), [-1, NAN, 3])
    np.testing.assert_array_equal(x, [1, NAN, 3])


def test_terciles_begin_at_exact_thirds():
    """A third of 1440 values and a half is no rounding away from its neighbours."""
    ranks = np.array([0.5, 479.5, 480, 480.5, 959.5, 960, 1439.5, NAN]) / 1440
    np.testing.assert_array_equal(tercile(ranks), [0, 0, 1, 1, 1, 2, 2, NAN])


def test_sign_has_a_zero_band():
    x = np.array([-1.0, -1e-12, -0.0, 1e-13, 2e-12, NAN])
    np.testing.assert_array_equal(sign(x, 1e-12), [-1, 0, 0, 0, 1, NAN])
