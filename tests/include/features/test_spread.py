"""Spread columns against their oracle, on bars without, with crossed and with equal spreads."""

from __future__ import annotations

import numpy as np
import pytest

from include.features import engine
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.series import Series
from tests.include.features import currencies
from tests.include.features.markets import recorded, series_of
from tests.oracles import spread as oracle
from tests.oracles.compare import relative_error, worst
from tests.oracles.market import grid_rows

COLUMNS = FAMILIES["spread_idx"].columns


def computed(bars, mid_offset=0.5):
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]), mid_offset)
    return engine.compute("spread_idx", series)


def expected(bars, mid_offset=0.5):
    rows = grid_rows(bars, int(bars.ts[-1]))
    close, spread = (np.array([getattr(row, name) for row in rows]) for name in ("close", "spread"))
    return oracle.columns(close, spread, float(bars.close[0]), mid_offset)


def assert_equal_to_oracle(bars, mid_offset=0.5):
    values, reference = computed(bars, mid_offset), expected(bars, mid_offset)
    for feature in COLUMNS:
        column = feature.name
        error = relative_error(values[column], reference[column])
        assert error.max() < 1e-9, f"{column} {worst(values[column], reference[column])}"
        assert not np.isnan(values[column]).all(), column
        known = values[column][~np.isnan(values[column])]
        assert feature.low is None or known.min() >= feature.low - 1e-9, column
        assert feature.high is None or known.max() <= feature.high + 1e-9, column
    return values


@pytest.mark.parametrize("pair", ["eurusd", "audcad", "usdjpy"])
@pytest.mark.parametrize("mid_offset", [0.5, 0.0, -0.5])
def test_simulated_bars(pair, mid_offset):
    assert_equal_to_oracle(currencies.market()[pair], mid_offset)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "first", "end"),
    [
        ("volume_spread_2023/audnzd", "2023-07-02", "2023-07-08"),
        ("spread_2012/gbpusd", "2012-02-06", "2012-02-11"),
        ("spread_2013/usdjpy", "2013-02-04", "2013-02-09"),
    ],
)
def test_recorded_bars(folder, first, end):
    values = assert_equal_to_oracle(recorded(f"extra/{folder}", first, end))
    assert np.nanmax(values["spread_spike_flag"]) == 1


def spread_series(p):
    """Series with a spread per row and prices at 100."""
    series = series_of(np.full(len(p), 100.0))
    return Series(
        **{n: getattr(series, n) for n in series.__dataclass_fields__} | {"p": np.asarray(p, np.float64)}
    )


def test_one_absent_spread_makes_its_windows_null_and_no_other():
    p = np.random.default_rng(1).uniform(0.001, 0.02, 3200)
    whole = engine.compute("spread_idx", spread_series(p))
    p[1500] = np.nan
    holed = engine.compute("spread_idx", spread_series(p))
    rows = np.arange(3200)
    for feature in COLUMNS:
        if feature.name == "spread_change_5":
            lost = (rows == 1500) | (rows == 1505)
        else:
            lost = (rows >= 1500) & (rows < 1500 + feature.min)
        null = lost | (rows < feature.first_row)
        np.testing.assert_array_equal(np.isnan(holed[feature.name]), null, err_msg=feature.name)
        np.testing.assert_array_equal(holed[feature.name][~null], whole[feature.name][~null])


def test_absent_everywhere_is_null_everywhere():
    for values in engine.compute("spread_idx", series_of(np.full(1600, 100.0))).values():
        assert np.isnan(values).all()


@pytest.mark.parametrize("level", [0.0, 0.0123])
def test_a_spread_that_never_moves(level):
    columns = engine.compute("spread_idx", spread_series(np.full(1500, level)))
    pct = 100 * level / (100 + level / 2)
    for feature in COLUMNS:
        neutral = feature.neutral
        wanted = (pct if feature.name == "spread_pct" else level) if neutral is None else neutral
        np.testing.assert_allclose(columns[feature.name][feature.first_row :], wanted, rtol=1e-15)


def test_crossed_quotes_count_as_no_spread():
    bars = currencies.market()["eurusd"]
    floored = currencies.replaced(bars, spread=np.where(bars.spread < 0, 0.0, bars.spread))
    assert (bars.spread < 0).sum() > 10
    before, after = computed(bars), computed(floored)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def test_bounds_are_attained():
    p = np.full(1500, 0.01)
    p[-1] = 0.02
    top = {name: values[-1] for name, values in engine.compute("spread_idx", spread_series(p)).items()}
    assert top["spread_z_20"] == pytest.approx(19 / np.sqrt(20), rel=1e-9)
    rising = engine.compute("spread_idx", spread_series(np.linspace(0.01, 0.02, 1500)))
    falling = engine.compute("spread_idx", spread_series(np.linspace(0.02, 0.01, 1500)))
    assert rising["spread_percentile_60"][-1] == 1 - 0.5 / 60
    assert falling["spread_percentile_60"][-1] == 0.5 / 60
    assert (rising["spread_regime"][-1], falling["spread_regime"][-1]) == (2, 0)
    assert (top["spread_spike_flag"], top["spread_max_20"]) == (1, 0.02)


def test_a_flat_stretch_in_a_moving_spread_is_a_compression():
    p = np.concatenate([np.random.default_rng(2).uniform(0.001, 0.02, 120), np.full(20, 0.01)])
    flag = engine.compute("spread_idx", spread_series(p))["spread_compression_flag"]
    assert flag[-1] == 1
    assert flag[119] == 0


def test_mid_is_half_a_spread_above_a_bid_and_below_an_ask():
    bars = currencies.market()["audcad"]
    bid, ask = bars, currencies.replaced(bars, close=bars.close + bars.spread)
    of_bid, of_ask = (100 * one.spread / (bars.close + bars.spread / 2) for one in (bid, ask))
    real = ~make_grid(bars, int(bars.ts[-1])).is_filled
    np.testing.assert_allclose(computed(bid, 0.5)["spread_pct"][real], of_bid, rtol=1e-12)
    np.testing.assert_allclose(computed(ask, -0.5)["spread_pct"][real], of_ask, rtol=1e-12)
