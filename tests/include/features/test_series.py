"""Index points, BQX and pseudo bars of a pair."""

from __future__ import annotations

import numpy as np
import pytest

from include.errors import BadParameter
from include.features.grid import make_grid
from include.features.series import Series
from tests.include.features.markets import bars_of, series_of, simulated
from tests.oracles.market import symbols


@pytest.fixture(scope="module")
def series():
    bars = simulated()
    return Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))


def test_all_indices_share_the_one_base(series):
    assert series.S[0] == 100.0
    body = np.array([series.O, series.S])
    assert (body.min(axis=0) >= series.L).all()
    assert (body.max(axis=0) <= series.H).all()


def test_symbols_equal_their_definitions(series):
    bars = simulated()
    expected = symbols(bars, int(bars.ts[-1]), float(bars.close[0]))
    for name, atol in {
        "ts": 0,
        "S": 0,
        "O": 0,
        "H": 0,
        "L": 0,
        "b": 1e-15,
        "b_hi": 2e-14,
        "b_lo": 2e-14,
        "b_op": 2e-14,
    }.items():
        np.testing.assert_allclose(getattr(series, name), expected[name], rtol=0, atol=atol, err_msg=name)


def test_pseudo_bar_encloses_b(series):
    known = slice(15, None)
    assert (series.b_lo[known] <= series.b[known]).all()
    assert (series.b[known] <= series.b_hi[known]).all()


def test_single_price_bars_are_single_bqx_values():
    """H = L = S must give b_hi = b_lo = b to the last bit: rounding is not allowed to make a range."""
    series = series_of(np.round(100 + np.cumsum(np.random.default_rng(1).normal(0, 5e-3, 2000)), 3))
    np.testing.assert_array_equal(series.b_hi, series.b)
    np.testing.assert_array_equal(series.b_lo, series.b)


def test_differences(series):
    np.testing.assert_array_equal(series.dS[1:], np.diff(series.S))
    np.testing.assert_array_equal(series.db[16:], np.diff(series.b[15:]))
    np.testing.assert_allclose(
        series.r[1:], np.log1p(np.diff(series.S) / series.S[:-1]), rtol=1e-9, atol=1e-15
    )
    assert np.isnan([series.r[0], series.dS[0]]).all()
    assert np.isnan(series.db[:16]).all()


def test_spread_is_scaled_absent_stays_absent_negative_counts_as_zero():
    bars = bars_of(np.arange(3), np.full(3, 2.0), spread=np.array([0.01, -0.02, np.nan]))
    np.testing.assert_array_equal(Series.of(make_grid(bars, 2), 2.0).p, [0.5, 0.0, np.nan])


def test_volume_absent_in_the_source_stays_absent(series):
    bars = bars_of(np.array([0, 2]), np.ones(2))
    assert np.isnan(Series.of(make_grid(bars, 3), 1.0).V).all()
    assert (series.V[series.is_filled] == 0).all()


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_baseline_must_be_a_price(rate):
    with pytest.raises(BadParameter, match="not a positive price"):
        Series.of(make_grid(bars_of(np.arange(2), np.ones(2)), 1), rate)


def test_views_are_the_bars_of_a_domain(series):
    assert series.view("idx").close is series.S
    assert series.view("bqx").high is series.b_hi
    assert series.view("idx").eps == 1e-9
    assert series.view("bqx").eps == 1e-12


def test_flat_windows_are_those_without_a_move(series):
    for domain in ("idx", "bqx"):
        view = series.view(domain)
        for n in (20, 120):
            window = np.lib.stride_tricks.sliding_window_view(view.close, n)
            np.testing.assert_array_equal(view.flat(n)[n - 1 :], np.ptp(window, axis=1) <= view.eps)
    with pytest.raises(BadParameter, match="up to 120 rows, not 121"):
        series.view("idx").flat(121)


def test_empty_series():
    empty = series_of(np.array([]))
    assert len(empty) == 0
    assert empty.b.size == empty.b_hi.size == empty.r.size == 0
