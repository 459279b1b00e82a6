"""Moments against pandas, their bounds, and single ticks at level 100."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.features import statistics
from tests.include.features.markets import series_of
from tests.oracles.compare import relative_error


@pytest.fixture(scope="module")
def close():
    """Near 100, where pandas keeps nine digits as long as nothing has jumped."""
    return 100 + np.cumsum(np.random.default_rng(6).normal(0, 1e-2, 2000))


@pytest.mark.parametrize("n", [20, 50, 120])
def test_against_pandas(close, n):
    columns = statistics.compute(series_of(close), "idx")
    rolling = pd.Series(close).rolling(n)
    for name, expected in {
        "mean": rolling.mean(), "std": rolling.std(), "min": rolling.min(), "max": rolling.max(),
    }.items():  # fmt: skip
        assert relative_error(columns[f"{name}_{n}"], expected.to_numpy()).max() < 1e-9, name
    for name, expected in {"skew": rolling.skew(), "kurt": rolling.kurt()}.items():
        assert relative_error(columns[f"{name}_{n}"], expected.to_numpy()).max() < 1e-6, name


@pytest.mark.parametrize("n", [20, 50, 120])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_spike_attains_the_bounds(n, sign):
    close = np.full(150, 100.0)
    close[-1] += sign * 0.2
    columns = {name: values[-1] for name, values in statistics.compute(series_of(close), "idx").items()}
    assert columns[f"z_score_{n}"] == pytest.approx(sign * (n - 1) / np.sqrt(n), rel=1e-9)
    assert columns[f"skew_{n}"] == pytest.approx(sign * np.sqrt(n), rel=1e-9)
    assert columns[f"kurt_{n}"] == pytest.approx(n, rel=1e-9)
    assert columns[f"range_{n}"] == pytest.approx(0.2, rel=1e-9)


@pytest.mark.parametrize("n", [20, 50, 120])
def test_levels_near_100_with_moves_of_a_tick(n):
    """One tick of 1e-3 in a flat window: the mean's own rounding must not enter the moments."""
    for place in (1, 7, n):
        close = np.full(n + 200, 100.123)
        close[200 + n - place :] += 1e-3
        columns = {name: values[-1] for name, values in statistics.compute(series_of(close), "idx").items()}
        step = close[-1] - close[0]
        p = place / n
        assert columns[f"std_{n}"] == pytest.approx(
            step * np.sqrt(n / (n - 1) * p * (1 - p)), rel=1e-9, abs=1e-15
        )
        expected = 0.0 if place == n else np.sqrt((1 - p) / p * (n - 1) / n)
        assert columns[f"z_score_{n}"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("domain", ["idx", "bqx"])
def test_both_domains_are_one_computation(close, domain):
    """statistics_bqx is statistics_idx of the series b, up to the rows b does not have."""
    series = series_of(close)
    other = series_of(series.b[15:])
    for name, values in statistics.compute(series, "bqx").items():
        np.testing.assert_array_equal(values[15:], statistics.compute(other, "idx")[name], err_msg=name)
