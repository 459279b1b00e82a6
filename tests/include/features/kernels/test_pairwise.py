"""Correlation and two-factor fits against numpy, at their bounds, in flat and in holed windows."""

from __future__ import annotations

import numpy as np
import pytest

from include.features.kernels.pairwise import correlation, two_factors


def test_correlation_is_bounded_and_blind_to_level():
    rng = np.random.default_rng(1)
    x = 100 + np.cumsum(rng.normal(0, 1e-3, 500))
    for factor in (1.0, -3.0):
        c = correlation(x, factor * x + 7, 20, 1e-9, 1e-9)[19:]
        np.testing.assert_allclose(c, np.sign(factor), rtol=1e-9)
        assert np.abs(c).max() <= 1
    y = 100 + np.cumsum(rng.normal(0, 1e-3, 500))
    wanted = [np.corrcoef(x[t - 59 : t + 1] - x[t], y[t - 59 : t + 1] - y[t])[0, 1] for t in range(59, 500)]
    np.testing.assert_allclose(correlation(x, y, 60, 1e-9, 1e-9)[59:], wanted, rtol=1e-9, atol=1e-12)


class TestTwoFactors:
    """The fit against least squares, and where its factors degenerate."""

    rng = np.random.default_rng(2)
    a, b, noise = rng.normal(size=(3, 200))

    def test_against_least_squares(self):
        y = 0.3 * self.a - 2 * self.b + self.noise
        fit = two_factors(y, self.a, self.b, 60, 1e-12)
        for t in range(59, 200):
            rows = slice(t - 59, t + 1)
            X = np.column_stack([np.ones(60), self.a[rows], self.b[rows]])
            e = y[rows] - X @ np.linalg.lstsq(X, y[rows], rcond=None)[0]
            assert fit.variance[t] == pytest.approx(e @ e / 57, rel=1e-9)
            assert fit.r2[t] == pytest.approx(1 - e @ e / (59 * np.var(y[rows], ddof=1)), rel=1e-9)

    def test_bounds(self):
        fit = two_factors(self.a + 2 * self.b, self.a, self.b, 60, 1e-12)
        np.testing.assert_allclose(fit.r2[59:], 1, rtol=1e-12)
        np.testing.assert_allclose(fit.variance[59:], 0, atol=1e-12)

    @pytest.mark.parametrize("second", ["flat", "collinear", "opposite"])
    def test_a_second_factor_that_adds_nothing(self, second):
        other = {"flat": np.full(200, 0.3), "collinear": 2 * self.a + 1, "opposite": -self.a}[second]
        fit, y = two_factors(self.a + self.noise, self.a, other, 60, 1e-12), self.a + self.noise
        alone = correlation(y, self.a, 60, 1e-12, 1e-12) ** 2
        np.testing.assert_allclose(fit.r2[59:], alone[59:], rtol=1e-9)

    def test_a_first_factor_that_does_not_move(self):
        y = self.b + self.noise
        fit = two_factors(y, np.full(200, 0.3), self.b, 60, 1e-12)
        np.testing.assert_allclose(fit.r2[59:], correlation(y, self.b, 60, 1e-12, 1e-12)[59:] ** 2, rtol=1e-9)

    def test_no_factor_moves(self):
        fit = two_factors(self.noise, np.zeros(200), np.ones(200), 60, 1e-12)
        assert (fit.r2[59:] == 0).all()
        squares = [np.var(self.noise[t - 59 : t + 1], ddof=1) * 59 / 57 for t in range(59, 200)]
        np.testing.assert_allclose(fit.variance[59:], squares, rtol=1e-9)

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_null_anywhere_is_null(self, place):
        """Also beside a series that stands still, which alone would give 0."""
        inputs = [np.zeros(200), np.zeros(200), np.zeros(200)]
        inputs[place] = inputs[place].copy()
        inputs[place][100] = np.nan
        fit = two_factors(*inputs, 60, 1e-12)
        rows = np.arange(200)
        null = (rows < 59) | ((rows >= 100) & (rows < 160))
        np.testing.assert_array_equal(np.isnan(fit.r2), null)
        np.testing.assert_array_equal(np.isnan(fit.variance), null)
        if place < 2:
            c = correlation(inputs[0], inputs[1], 60, 1e-12, 1e-12)
            np.testing.assert_array_equal(np.isnan(c), null)
