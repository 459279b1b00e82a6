"""Rolling kernels against extended precision, with jumps, NULL and flat windows inside."""

from __future__ import annotations

import numpy as np
import pytest

from include.features.kernels import rolling
from include.features.kernels.extremes import still
from include.features.kernels.jit import BLOCK
from tests.oracles.compare import relative_error
from tests.oracles.statistics import kurtosis, skewness, z
from tests.oracles.windows import deviations, over, sd

EPS = 1e-9
WINDOWS = (4, 5, 14, 15, 20, 33, 120)


@pytest.fixture(scope="module")
def x():
    """Level 100, moves of 1e-3, a jump of 2% up and down, more rows than three blocks."""
    rng = np.random.default_rng(1)
    moves = rng.normal(0, 1e-3, 3 * BLOCK + 77)
    moves[[600, 1300]] += [2.0, -2.0]
    return 100 + np.cumsum(moves)


def flat_of(x, n):
    return still(x, n, EPS) >= n


@pytest.mark.parametrize("n", WINDOWS)
def test_moments(x, n):
    got = rolling.moments(x, n, flat_of(x, n))
    for values, statistic in {
        0: lambda w: w.mean(axis=1),
        1: lambda w: sd(w, EPS),
        2: lambda w: z(w, EPS),
        3: skewness,
        4: kurtosis,
    }.items():
        assert relative_error(got[values], over(x, n, statistic)).max() < 1e-11


@pytest.mark.parametrize("n", [2, 3, *WINDOWS])
def test_level_is_the_first_part_of_the_moments(x, n):
    level = rolling.level(x, n, flat_of(x, n))
    assert relative_error(level.mean, over(x, n, lambda w: w.mean(axis=1))).max() < 1e-15
    assert relative_error(level.sd, over(x, n, lambda w: sd(w, EPS))).max() < 1e-12
    np.testing.assert_array_equal(rolling.sd(x, n, flat_of(x, n)), level.sd)
    assert relative_error(level.z, over(x, n, lambda w: z(w, EPS))).max() < 1e-11


@pytest.mark.parametrize("n", WINDOWS)
def test_bands(x, n):
    bands = rolling.bands(x, n, flat_of(x, n), 1.5)
    middle, half = over(x, n, lambda w: w.mean(axis=1)), 1.5 * over(x, n, lambda w: sd(w, EPS, ddof=0))
    assert relative_error(bands.middle, middle).max() < 1e-15
    assert relative_error(bands.upper, middle + half).max() < 1e-15
    assert relative_error(bands.lower, middle - half).max() < 1e-15
    assert relative_error(bands.width, 2 * half).max() < 1e-12
    assert relative_error(bands.percent, 0.5 + (x - middle) / (2 * half)).max() < 1e-9


@pytest.mark.parametrize("n", WINDOWS)
def test_mean_deviation(x, n):
    away, deviation = rolling.mean_deviation(x, n)
    assert relative_error(away, over(x, n, lambda w: deviations(w)[:, -1])).max() < 1e-11
    assert relative_error(deviation, over(x, n, lambda w: abs(deviations(w)).mean(axis=1))).max() < 1e-12


def test_a_jump_leaves_with_its_window(x):
    """After a 2% jump has left, the result is that of the same bars without it, to the last bit."""
    n = 20
    after = x[1300:]
    whole = rolling.moments(x, n, flat_of(x, n))
    alone = rolling.moments(after, n, flat_of(after, n))
    for a, b in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(a[1300 + n :], b[n:])


@pytest.mark.parametrize("n", [5, 20, 120])
def test_a_null_empties_its_own_windows_only(x, n):
    row = 2 * BLOCK - 3
    holed = x.copy()
    holed[row] = np.nan
    for function in (
        lambda y: rolling.moments(y, n, flat_of(y, n)),
        lambda y: rolling.level(y, n, flat_of(y, n)),
        lambda y: rolling.bands(y, n, flat_of(y, n), 2.0),
        lambda y: rolling.mean_deviation(y, n),
    ):
        for got, clean in zip(function(holed), function(x), strict=True):
            expected = clean.copy()
            expected[row : row + n] = np.nan
            np.testing.assert_array_equal(got, expected)


def test_flat_windows_are_exactly_flat():
    x = np.full(60, 100.1) + np.tile([0.0, 4e-14], 30)  # rounding of an unchanged price
    moments = rolling.moments(x, 20, flat_of(x, 20))
    for values in moments[1:]:
        assert (values[19:] == 0).all()
    np.testing.assert_allclose(moments.mean[19:], 100.1, rtol=1e-15)
    bands = rolling.bands(x, 20, flat_of(x, 20), 2.0)
    assert (bands.width[19:] == 0).all()
    assert (bands.percent[19:] == 0.5).all()


@pytest.mark.parametrize("rows", [0, 1, 19, 20])
def test_short_input(rows):
    x = np.arange(float(rows))
    for values in (*rolling.moments(x, 20, flat_of(x, 20)), *rolling.mean_deviation(x, 20)):
        assert np.isnan(values).sum() == min(rows, 19)


@pytest.mark.parametrize("n", [20, 50, 120])
@pytest.mark.parametrize("sign", [1, -1])
def test_bounds_are_attained_by_one_spike(n, sign):
    x = np.full(n, 100.0)
    x[-1] += sign * 0.37
    moments = rolling.moments(x, n, flat_of(x, n))
    assert moments.z[-1] == pytest.approx(sign * (n - 1) / np.sqrt(n), rel=1e-9)
    assert moments.skew[-1] == pytest.approx(sign * np.sqrt(n), rel=1e-9)
    assert moments.kurt[-1] == pytest.approx(n, rel=1e-9)


@pytest.mark.parametrize("n", [20, 50, 120])
def test_lower_bound_of_kurtosis_is_attained_by_two_equal_halves(n):
    x = np.tile([100.0, 100.5], n // 2)
    kurt = rolling.moments(x, n, flat_of(x, n)).kurt[-1]
    assert kurt == pytest.approx(-2 * (n - 1) / (n - 3), rel=1e-9)
