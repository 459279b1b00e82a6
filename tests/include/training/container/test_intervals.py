"""The conformal quantile, against its definition and against its promise."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from include.training.container.intervals import half_width


@pytest.mark.parametrize("n", [9, 10, 19, 29, 99, 100, 1000, 4999])
def test_it_is_the_quantile_of_the_definition(n: int) -> None:
    residuals = np.random.default_rng(n).normal(size=n)
    k = ceil((n + 1) * Fraction(9, 10))
    assert half_width(residuals) == sorted(abs(residuals))[k - 1]


def test_with_too_few_rows_there_is_none() -> None:
    assert half_width(np.empty(0)) is None
    assert half_width(np.ones(8)) is None
    assert half_width(np.arange(9.0)) == 8.0


def test_a_new_outcome_is_covered_as_promised() -> None:
    """Over many calibration sets the coverage is k / (n + 1), whatever the distribution."""
    random = np.random.default_rng(7)
    n, tries = 49, 20_000
    drawn = random.standard_t(3, size=(tries, n + 1))
    covered = [abs(row[-1]) <= half_width(row[:-1]) for row in drawn]  # type: ignore[operator]
    expected = ceil(50 * 0.9) / 50
    assert np.mean(covered) == pytest.approx(expected, abs=4 * (expected * (1 - expected) / tries) ** 0.5)
