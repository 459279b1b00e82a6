"""Targets by hand, against pandas on a clock, and bit by bit across chunks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from include.dataset import targets
from include.errors import BadParameter
from include.features.grid import make_grid
from include.features.series import WINDOWS, Series
from tests.include.features import markets
from tests.oracles import targets as oracle


@cache
def a_week() -> Series:
    """Simulated bars over a weekend, with gaps, jumps, an outage and 270 equal bars."""
    bars = markets.simulated()
    return Series.of(make_grid(bars, int(bars.ts[-1])), 1.14)


def part(series: Series, first: int, end: int) -> Series:
    """Rows of a series as a series of their own, in memory of their own."""
    s = series
    arrays = (s.ts, s.S, s.O, s.H, s.L, s.V, s.p, s.is_filled)
    return Series(*(values[first:end].copy() for values in arrays))


def everything(series: Series) -> dict[str, np.ndarray]:
    return targets.base_columns(series) | targets.raw_targets(series)


def test_a_target_is_the_bqx_of_the_minute_it_names():
    series = markets.series_of(np.r_[np.full(120, 100.0), 102.0, np.full(100, 100.0)])
    raw = targets.raw_targets(series)
    assert raw["target__w15_h30"][90] == series.q[15][120] == pytest.approx(15 * (100 / 102 - 1))
    assert raw["target__w15_h15"][90] == 0.0
    assert np.isnan(raw["target__w15_h75"][-75:]).all()
    assert not np.isnan(raw["target__w15_h75"][-76])
    assert np.isnan(raw["target__w75_h15"][:60]).all()
    assert not np.isnan(raw["target__w75_h15"][60])


def test_there_are_25_targets_and_13_reference_columns():
    series = a_week()
    assert tuple(targets.raw_targets(series)) == targets.TARGETS
    assert len(targets.TARGETS) == 25
    assert len(targets.base_columns(series)) == 13


def test_values_agree_with_pandas_on_a_clock():
    series = a_week()
    expected = oracle.table(series.ts, series.S, series.is_filled)
    found = everything(series)
    assert set(found) == set(expected.columns)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name].to_numpy(), rtol=1e-9, atol=1e-13, err_msg=name)
    for name in (*targets.TARGETS, "base__is_trainable", "base__ewma_vol_60_w75"):
        assert np.isfinite(found[name]).any(), name
        assert len(np.unique(found[name][~np.isnan(found[name])])) > 1, name


@pytest.mark.real_data
@pytest.mark.parametrize("pair", ["eurusd", "audchf"])
def test_values_agree_on_recorded_bars(pair):
    bars = markets.recorded(pair, "2018-12-20", "2019-01-10")  # holidays, and 2% in a minute
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))
    expected = oracle.table(series.ts, series.S, series.is_filled)
    for name, values in everything(series).items():
        np.testing.assert_allclose(values, expected[name].to_numpy(), rtol=1e-9, atol=1e-13, err_msg=name)


def test_a_martingale_leaves_as_much_to_know_as_it_must():
    # Of S a martingale, q^w_{t+h} is expected to be q^(w-h)_t, or 0 for h >= w; V(n) = 1^2 + .. + n^2.
    moves = np.random.default_rng(5).normal(0, 1e-4, 600_000)
    series = markets.series_of(100 * np.exp(np.cumsum(moves)))
    columns = everything(series)
    for w in WINDOWS:
        q, s = columns[f"base__w{w}_bqx_return"], columns[f"base__ewma_vol_60_w{w}"]
        for h in WINDOWS:
            target = columns[targets.target_name(w, h)]
            forecast = series.q[w - h] if h < w else np.zeros(len(series))
            n, k = max(w - h, 0), min(h, w)
            delta, scaled, direction = targets.derive(target, q, s)
            unknown, known = squares(w) - squares(n), n * h**2 + squares(k)
            assert explained(target, forecast) == pytest.approx(squares(n) / squares(w), abs=0.02)
            assert explained(delta, forecast - q) == pytest.approx(known / (known + unknown), abs=0.02)
            # s is the sd of one-minute changes of q, sigma*sqrt(w^2 + w), up to what 60 minutes tell of it
            sd = np.sqrt((known + unknown) / (w**2 + w))
            assert np.nanstd(scaled) == pytest.approx(sd, rel=0.1)
            hits = np.nanmean(
                (np.sign(forecast - q) == direction)[~np.isnan(direction) & ~np.isnan(forecast)]
            )
            assert hits == pytest.approx(
                0.5 + np.arcsin(np.sqrt(known / (known + unknown))) / np.pi, abs=0.015
            )


def squares(n: int) -> float:
    return n * (n + 1) * (2 * n + 1) / 6


def explained(target: np.ndarray, forecast: np.ndarray) -> float:
    """R2 of a forecast that is taken as it is."""
    both = ~np.isnan(target) & ~np.isnan(forecast)
    y, f = target[both], forecast[both]
    return float(1 - ((y - f) ** 2).mean() / y.var())


def test_no_horizon_reaches_over_a_break():
    series = a_week()
    last = int(np.flatnonzero(np.diff(series.ts) > 1000)[0])  # last row before the weekend
    for h in targets.HORIZONS:
        values = targets.raw_targets(series)[f"target__w15_h{h}"]
        assert np.isnan(values[last - h + 1 : last + 1]).all()
        assert not np.isnan(values[last - h])
    row_shift = series.q[15][last + 15]
    assert not np.isnan(row_shift)  # what shifting rows would have put there


def test_training_rows_have_75_unbroken_minutes_on_both_sides():
    series = markets.series_of(np.linspace(100, 101, 400))
    ts = series.ts.copy()
    ts[200:] += 1  # one break, of a single missing minute
    flags = targets.is_trainable(ts, series.is_filled)
    assert np.flatnonzero(flags).tolist() == [*range(75, 125), *range(275, 325)]
    filled = series.is_filled.copy()
    filled[[80, 90]] = True
    assert np.flatnonzero(flags ^ targets.is_trainable(ts, filled)).tolist() == [80, 90]


@pytest.mark.parametrize("rows", [0, 1, 75, 150, 151])
def test_short_series(rows):
    series = markets.series_of(100 + np.random.default_rng(0).normal(0, 0.1, rows))
    found = everything(series)
    assert {values.size for values in found.values()} == {rows}
    assert found["base__is_trainable"].sum() == max(rows - 150, 0)


def test_volatility_begins_with_the_1440th_change():
    q = np.r_[np.full(20, np.nan), np.random.default_rng(1).normal(0, 1e-3, 1500)]
    s = targets.volatility(q)
    assert np.isnan(s[: 20 + 1440]).all()
    assert np.isfinite(s[20 + 1440 :]).all()


def test_volatility_falls_to_its_floor_and_no_further():
    rng = np.random.default_rng(2)
    q = np.r_[rng.normal(0, 1e-3, 1000), np.full(1200, 0.5)]
    s = targets.volatility(q)
    row = 1900
    assert s[row] == pytest.approx(0.05 * np.diff(q[: row + 1])[-1440:].std(ddof=1), rel=1e-9)
    still = targets.volatility(np.full(3000, 0.5))
    assert (still[1440:] == 0.0).all()


def test_derived_targets_are_one_function_of_three_numbers():
    target = np.array([0.3, 0.1, 0.1 + 5e-13, np.nan, 0.2, 0.2])
    q = np.array([0.1, 0.3, 0.1, 0.1, np.nan, 0.1])
    s = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 1e-12])
    delta, scaled, direction = targets.derive(target, q, s)
    np.testing.assert_allclose(delta, [0.2, -0.2, 5e-13, np.nan, np.nan, 0.1], rtol=1e-3)
    np.testing.assert_allclose(scaled, [2, -2, 5e-12, np.nan, np.nan, np.nan], rtol=1e-3)
    np.testing.assert_array_equal(direction, [1, -1, 0, np.nan, np.nan, 1])
    np.testing.assert_allclose(targets.restore(scaled, q, s)[:3], target[:3], rtol=1e-15)


def test_an_unknown_volatility_hides_the_scaled_target_only():
    derived = targets.derive(np.array([0.2]), np.array([0.1]), np.array([np.nan]))
    assert np.isnan(derived.scaled).all()
    assert derived.direction == 1


def test_trained_targets_match_window_and_horizon_unless_told_otherwise():
    columns = everything(a_week())
    matched = targets.scaled_targets(columns)
    assert list(matched) == [f"target__w{w}_h{w}" for w in WINDOWS]
    fixed = targets.scaled_targets(columns, "15")
    assert list(fixed) == [f"target__w15_h{h}" for h in WINDOWS]
    np.testing.assert_array_equal(fixed["target__w15_h15"], matched["target__w15_h15"])
    with pytest.raises(BadParameter, match="20"):
        targets.scaled_targets(columns, "20")


def test_futures_are_all_that_is_unknown():
    columns = everything(a_week())
    found = targets.futures(columns)
    assert len(found) == 75
    np.testing.assert_array_equal(found["target__w45_h30"], columns["target__w45_h30"])
    np.testing.assert_array_equal(
        found["delta of target__w45_h30"], columns["target__w45_h30"] - columns["base__w45_bqx_return"]
    )
    np.testing.assert_array_equal(
        found["scaled target__w60_h60"], targets.scaled_targets(columns)["target__w60_h60"]
    )


@pytest.mark.parametrize("first", [1515, 1516, 1777, 2600, 3000, 4000])
def test_a_chunk_has_the_same_bits_as_the_whole(first):
    series = a_week()
    end = min(first + 333, len(series))
    stop = int(np.searchsorted(series.ts, series.ts[end - 1] + targets.AHEAD, "right"))
    chunk = everything(part(series, first - targets.LOOKBACK, stop))
    for name, values in everything(series).items():
        found = chunk[name][targets.LOOKBACK : targets.LOOKBACK + end - first]
        np.testing.assert_array_equal(found, values[first:end], err_msg=name)


def test_a_row_less_of_look_back_is_too_few():
    series = a_week()
    short = targets.base_columns(part(series, 2001 - targets.LOOKBACK, 2100))["base__ewma_vol_60_w75"]
    assert np.isnan(short[targets.LOOKBACK - 1])


def test_what_comes_later_than_the_horizon_changes_nothing():
    series = a_week()
    row = 2200
    cut = int(np.searchsorted(series.ts, series.ts[row] + targets.AHEAD, "right"))
    changed = part(series, 0, len(series))
    changed.S[cut:] *= 1 + np.random.default_rng(3).normal(0, 0.01, len(series) - cut)
    before, after = everything(part(series, 0, cut)), everything(changed)
    for name in before:
        np.testing.assert_array_equal(before[name][: row + 1], after[name][: row + 1], err_msg=name)
