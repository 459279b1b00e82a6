"""The causal grid against a walk over the clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import BadParameter
from include.features.grid import Grid, make_grid
from tests.include.features.markets import MARKETS, bars_of
from tests.oracles.market import Row, grid_rows


def rows_of(grid: Grid) -> list[Row]:
    return [Row(*row) for row in zip(*(getattr(grid, name).tolist() for name in Row._fields), strict=True)]


def assert_same(grid: Grid, expected: list[Row]) -> None:
    got = rows_of(grid)
    assert [row.ts for row in got] == [row.ts for row in expected]
    np.testing.assert_array_equal(np.array(got, np.float64), np.array(expected, np.float64).reshape(-1, 8))


def grid_of(*minutes: int, watermark: int | None = None) -> Grid:
    ts = np.array(minutes)
    return make_grid(bars_of(ts, ts * 1.0), watermark or int(ts[-1]))


def test_gap_of_five_missing_minutes_is_filled_wholly():
    grid = grid_of(10, 16)
    assert grid.ts.tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert grid.is_filled.tolist() == [False] + [True] * 5 + [False]
    assert grid.close.tolist() == [10.0] * 6 + [16.0]


def test_gap_of_six_is_filled_for_five_and_then_breaks():
    grid = grid_of(10, 17)
    assert grid.ts.tolist() == [10, 11, 12, 13, 14, 15, 17]
    assert np.diff(grid.ts).tolist() == [1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(("watermark", "filled"), [(20, 0), (21, 1), (25, 5), (26, 5), (999, 5)])
def test_the_last_bar_is_followed_by_filled_ones_up_to_the_watermark(watermark, filled):
    grid = grid_of(19, 20, watermark=watermark)
    assert grid.ts.tolist() == [19, *range(20, 21 + filled)]
    assert grid.is_filled.sum() == filled


def test_a_watermark_before_the_last_bar_is_refused():
    with pytest.raises(BadParameter, match="watermark 19 lies before the last real bar at minute 20"):
        grid_of(10, 20, watermark=19)


def test_a_filled_row_repeats_the_close_and_the_spread_and_has_no_volume():
    ts = np.array([1, 3])
    values = {
        "open": [1.0, 4.0],
        "high": [3.0, 6.0],
        "low": [0.5, 3.5],
        "volume": [7.0, np.nan],
        "spread": [-0.1, np.nan],
    }
    bars = bars_of(ts, np.array([2.0, 5.0]), **{name: np.array(pair) for name, pair in values.items()})
    grid = make_grid(bars, 4)
    assert rows_of(grid)[1] == Row(2, 2.0, 2.0, 2.0, 2.0, 0.0, -0.1, is_filled=True)
    assert np.isnan([grid.volume[3], grid.spread[3]]).all()
    assert grid.volume[:2].tolist() == [7.0, 0.0]


def test_no_bars_no_rows():
    assert len(make_grid(bars_of(np.array([], np.int64), np.array([])), 100)) == 0


@given(
    steps=st.lists(st.integers(1, 12), min_size=1, max_size=40),
    after=st.integers(0, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_grid_equals_a_walk_over_the_clock(steps, after, seed):
    rng = np.random.default_rng(seed)
    ts = np.cumsum(steps)
    values = {name: rng.random(len(ts)) for name in ("open", "high", "low", "volume", "spread")}
    values["volume"][rng.random(len(ts)) < 0.3] = np.nan
    bars = bars_of(ts, rng.random(len(ts)), **values)
    watermark = int(ts[-1]) + after
    grid = make_grid(bars, watermark)
    assert_same(grid, grid_rows(bars, watermark))
    missing = np.diff(np.append(ts, watermark + 1)) - 1
    assert grid.is_filled.sum() == np.minimum(missing, 5).sum()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == "simulated" else pytest.mark.real_data) for n in MARKETS]
)
def test_grid_of_whole_markets(name):
    bars = MARKETS[name]()
    watermark = int(bars.ts[-1]) + 3
    assert_same(make_grid(bars, watermark), grid_rows(bars, watermark))
