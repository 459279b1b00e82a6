"""Bars of several minutes: which exist, what is in them, and from which row on they are seen."""

from __future__ import annotations

import numpy as np
import pytest

from include.features.grid import make_grid
from include.features.resample import complete, resample
from include.features.series import Series
from tests.include.features.markets import THURSDAY, bars_of, simulated
from tests.oracles.multires import blocks, visible

MIDNIGHT = THURSDAY // 1440 * 1440


def series_at(minutes, close=None, **inputs) -> Series:
    """Rows at minutes after midnight; the closes are 100, 101, 102 ... unless given."""
    minutes = np.asarray(minutes)
    close = 100.0 + np.arange(len(minutes)) if close is None else np.asarray(close, np.float64)
    values = {"H": close + 0.5, "L": close - 0.5, "V": np.ones(len(close)), "p": np.full(len(close), 0.01)}
    values |= {name: np.asarray(value, np.float64) for name, value in inputs.items()}
    return Series(
        ts=MIDNIGHT + minutes, S=close, O=close.copy(), is_filled=np.zeros(len(close), np.bool_), **values
    )


def test_a_bar_is_seen_in_the_row_of_its_last_minute_and_for_k_rows():
    bars = resample(series_at(range(3, 17)), 5)
    np.testing.assert_array_equal(bars.S, [106.0, 111.0])
    seen = bars.at_rows(bars.S)
    assert np.isnan(seen[:6]).all(), "03 to 08: 05 to 09 is not over"
    np.testing.assert_array_equal(seen[6:], [106.0] * 5 + [111.0] * 3)


def test_what_is_in_a_bar():
    high, low = [101, 109, 103, 104, 105], [99, 98, 91, 97, 96]
    bars = resample(series_at(range(5), [100, 101, 102, 103, 104], H=high, L=low, V=[1, 2, 3, 4, 5]), 5)
    assert (bars.S[0], bars.H[0], bars.L[0], bars.V[0]) == (104, 109, 91, 15)
    spreads = resample(series_at(range(5), p=[0.01, 0.02, 0.03, 0.04, 0.10]), 5).p
    assert spreads[0] == pytest.approx(0.04, rel=1e-15)


def test_one_minute_without_volume_makes_that_bar_null_and_no_other():
    bars = resample(series_at(range(15), V=[1.0] * 7 + [np.nan] + [1.0] * 7), 5)
    np.testing.assert_array_equal(bars.V, [5, np.nan, 5])


def test_a_bar_that_a_break_cuts_into_does_not_exist():
    """Minute 7 is missing: neither the 5-minute bar of 05 nor the 15-minute bar of 00 is complete."""
    minutes = [*range(7), *range(8, 30)]
    assert resample(series_at(minutes), 5).S.size == 5
    fifteen = resample(series_at(minutes), 15)
    assert fifteen.S.size == 1
    np.testing.assert_array_equal(np.isnan(fifteen.at_rows(fifteen.S)), [True] * 28 + [False])


def test_the_newest_complete_bar_is_used_however_old():
    series = series_at([*range(5), *range(5001, 5004), 5006])
    five = resample(series, 5)
    np.testing.assert_array_equal(five.at_rows(five.S)[4:], [104.0] * 5)


def test_a_bar_of_filled_minutes_alone_counts():
    """The last real bar is that of minute 4: 05 to 09 are filled, and then the pair is silent."""
    bars = bars_of(MIDNIGHT + np.array([0, 1, 2, 3, 4, 30]), np.linspace(1.0, 1.5, 6))
    series = Series.of(make_grid(bars, int(bars.ts[-1])), 1.0)
    five = resample(series, 5)
    np.testing.assert_allclose(five.S, [140, 140])
    assert five.r[1] == 0


def test_differences_go_from_one_complete_bar_to_the_next_across_a_break():
    five = resample(series_at([*range(5), *range(100, 105)]), 5)
    assert five.r[1] == pytest.approx(np.log(109 / 104))
    assert np.isnan(five.r[0])


def test_the_close_of_b_is_that_of_the_last_minute():
    series = series_at(range(40))
    np.testing.assert_array_equal(resample(series, 5).b[4:], series.b[24::5])


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 14, 15])
def test_few_rows(rows):
    for k in (5, 15):
        bars = resample(series_at(range(rows)), k)
        assert bars.S.size == rows // k
        assert bars.at_rows(bars.S).size == rows


@pytest.mark.parametrize("k", [5, 15])
def test_it_equals_the_oracle_on_a_market_with_gaps(k):
    source = simulated()
    series = Series.of(make_grid(source, int(source.ts[-1])), 1.14)
    names = ("S", "H", "L", "b", "V", "p")
    wanted = blocks({name: getattr(series, name) for name in ("ts", *names)}, k)
    found = resample(series, k)
    assert len(complete(series.ts, k)) == len(wanted) > 200
    assert len(wanted) < (series.ts[-1] - series.ts[0]) / k
    for name in names:
        column = np.array([getattr(bar, name) for bar in wanted])
        np.testing.assert_allclose(getattr(found, name), column, rtol=1e-14, err_msg=name)
        np.testing.assert_allclose(
            found.at_rows(getattr(found, name)), visible(series.ts, wanted, column), rtol=1e-14, err_msg=name
        )
