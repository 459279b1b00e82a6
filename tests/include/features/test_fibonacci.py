"""Fibonacci levels by hand and by SQL."""

from __future__ import annotations

import numpy as np
import pytest

from include.features import fibonacci
from tests.include.features.markets import series_of
from tests.oracles import sql


@pytest.fixture(scope="module")
def bars():
    rng = np.random.default_rng(13)
    close = 100 + np.cumsum(rng.normal(0, 1e-2, 800))
    return close, close + rng.uniform(0, 0.02, 800), close - rng.uniform(0, 0.02, 800)


@pytest.mark.parametrize("domain", ["idx", "bqx"])
def test_range_and_levels_equal_sql(bars, domain):
    series = series_of(*bars)
    view = series.view(domain)
    first = 0 if domain == "idx" else 15
    columns = fibonacci.compute(series, domain)
    for name, expected in sql.fibonacci(view.high[first:], view.low[first:]).items():
        np.testing.assert_allclose(columns[name][first:], expected, rtol=1e-12, atol=1e-15, err_msg=name)


def test_hand_computed():
    """A range of 90 to 110 that the close ends at 100, with a true range of 4 in every bar."""
    close = np.full(100, 100.0)
    high, low = close + 2, close - 2
    high[10], low[20] = 110.0, 90.0
    got = {name: values[-1] for name, values in fibonacci.compute(series_of(close, high, low), "idx").items()}
    expected = {
        "fib_23_6": 105.28, "fib_38_2": 102.36, "fib_50_0": 100.0, "fib_61_8": 97.64,
        "fib_ext_127_2": 115.44, "fib_ext_161_8": 122.36, "fib_range_high": 110.0, "fib_range_low": 90.0,
    }  # fmt: skip
    assert {name: got[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert got["dist_to_fib_38_2"] == pytest.approx(-2.36 / 4, rel=0.05)
    assert got["dist_to_fib_61_8"] == pytest.approx(2.36 / 4, rel=0.05)


def test_distance_is_clipped_and_neutral_over_a_flat_range(bars):
    close, high, low = (x.copy() for x in bars)
    close[400:] = high[400:] = low[400:] = 150.0  # a jump, then stillness: the true range dies away
    for domain, lead in (("idx", 0), ("bqx", 15)):
        columns = fibonacci.compute(series_of(close, high, low), domain)
        for name in ("dist_to_fib_38_2", "dist_to_fib_61_8"):
            assert np.nanmax(np.abs(columns[name])) <= 100
            assert (columns[name][500 + lead :] == 0).all()
    assert fibonacci.compute(series_of(close, high, low), "idx")["dist_to_fib_38_2"][498] == 100


def test_levels_are_ordered(bars):
    columns = fibonacci.compute(series_of(*bars), "idx")
    order = ("range_low", "61_8", "50_0", "38_2", "23_6", "range_high", "ext_127_2", "ext_161_8")
    levels = np.array([columns[f"fib_{name}"][99:] for name in order])
    assert (np.diff(levels, axis=0) > 0).all()


def test_rounding_of_an_unchanged_price_is_no_range():
    close = np.full(150, 101.3) + np.tile([0.0, 2.8e-14], 75)
    columns = fibonacci.compute(series_of(close), "idx")
    assert columns["fib_range_high"][-1] > columns["fib_range_low"][-1]
    assert (columns["dist_to_fib_38_2"][99:] == 0).all()


def test_distance_is_never_measured_in_less_than_epsilon():
    """A range just above nothing, 80 bars ago: its true range has decayed to 1e-11 by now."""
    close = np.full(150, 100.0)
    close[70] += 3e-9
    columns = fibonacci.compute(series_of(close), "idx")
    height = columns["fib_range_high"][-1] - columns["fib_range_low"][-1]
    assert height > 1e-9
    assert columns["dist_to_fib_38_2"][-1] == pytest.approx(-0.618 * height / 1e-9, rel=1e-5)
