"""Columns of 5 and 15 minutes against their oracle, by hand, in their ranges and delicate cases."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from include.features import engine, mres
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.series import Series
from tests.include.features import currencies
from tests.include.features.markets import THURSDAY, recorded, series_of, simulated
from tests.oracles import multires as oracle
from tests.oracles.compare import relative_error, worst
from tests.oracles.market import bqx

FEATURES = {feature.name: feature for feature in FAMILIES["mres"].columns}
MARKETS = {
    "simulated": lambda: simulated(),
    "usdjpy": lambda: currencies.market()["usdjpy"],
    "gbpnzd": lambda: currencies.market()["gbpnzd"],
}
RECORDED = {
    "eurusd": ("eurusd", "2018-12-27", "2019-01-05"),
    "audchf": ("audchf", "2018-12-27", "2019-01-05"),  # 2% in a minute on 2019-01-02
    "audnzd": ("extra/volume_spread_2023/audnzd", "2023-07-02", "2023-07-08"),
}


def symbols(series: Series) -> dict[str, np.ndarray]:
    return {name: getattr(series, name) for name in ("ts", "S", "H", "L", "V", "p")} | {
        "b": bqx(series.S, 15)
    }


@cache
def simulated_series(name: str) -> Series:
    bars = MARKETS[name]()
    return Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))


@cache
def computed(name: str) -> dict[str, np.ndarray]:
    return engine.compute("mres", simulated_series(name))


@cache
def expected(name: str) -> dict[str, np.ndarray]:
    return oracle.columns(symbols(simulated_series(name)))


def assert_equal_to_oracle(columns, wanted):
    assert list(columns) == list(FEATURES)
    assert columns.keys() == wanted.keys()
    for name, reference in wanted.items():
        error = relative_error(columns[name], reference)
        assert error.max() < 1e-9, f"{name} {worst(columns[name], reference)}"


@pytest.mark.parametrize("name", MARKETS)
def test_columns_equal_their_oracle(name):
    assert_equal_to_oracle(computed(name), expected(name))


@pytest.mark.real_data
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_bars(name):
    bars = recorded(*RECORDED[name])
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))
    columns = engine.compute("mres", series)
    assert_equal_to_oracle(columns, oracle.columns(symbols(series)))
    assert_in_range(columns, symbols(series))


def assert_in_range(columns, inputs):
    for name, feature in FEATURES.items():
        known = columns[name][~np.isnan(columns[name])]
        assert columns[name].dtype == np.float64
        assert known.size or np.isnan(inputs[feature.inputs[0]]).all(), name
        assert feature.low is None or not known.size or known.min() >= feature.low - 1e-9, name
        assert feature.high is None or not known.size or known.max() <= feature.high + 1e-9, name
        assert not feature.classes or set(known) <= set(feature.classes), name


@pytest.mark.parametrize("name", MARKETS)
def test_values_stay_in_their_range_and_classes(name):
    assert_in_range(computed(name), symbols(simulated_series(name)))


def test_every_class_occurs():
    for name, feature in FEATURES.items():
        if feature.kind != "float":
            seen = set().union(*(computed(market)[name].tolist() for market in MARKETS))
            assert seen >= set(feature.classes), name


def walk(rows: int, first: int = 0, seed: int = 1) -> Series:
    """An unbroken walk with volume and spread that begins `first` minutes after a full hour."""
    rng = np.random.default_rng(seed)
    close = 100 + np.cumsum(rng.normal(0, 1e-2, rows))
    one = series_of(close, close + rng.uniform(0, 0.02, rows), close - rng.uniform(0, 0.02, rows))
    values = {name: getattr(one, name) for name in one.__dataclass_fields__}
    inputs = {"V": rng.poisson(20, rows) * 1.0, "p": rng.uniform(0.001, 0.02, rows)}
    return Series(**values | inputs | {"ts": THURSDAY // 60 * 60 + first + np.arange(rows)})


def first_rows(first: int) -> dict[str, int]:
    columns = engine.compute("mres", walk(1600, first))
    return {name: int((~np.isnan(values)).argmax()) for name, values in columns.items()}


def test_min_is_the_first_row_in_the_worst_phase_of_the_clock():
    """Up to k-1 rows sooner in the others, and NULL nowhere after it."""
    phases = [first_rows(first) for first in range(15)]
    for name, feature in FEATURES.items():
        rows = [phase[name] for phase in phases]
        assert max(rows) == feature.first_row, name
        k = 15 if "15m" in name or "cascade" in name else 5
        assert min(rows) >= feature.first_row - (k - 1), name
    for first in (0, 7):
        for name, values in engine.compute("mres", walk(1600, first)).items():
            known = ~np.isnan(values)
            assert known[known.argmax() :].all(), name


def test_a_break_costs_up_to_twice_k_less_one_rows():
    """From minute 01 to 103 (:43, 14 minutes into a quarter), then from minute 166 (:46, one into it)."""
    series = walk(1700, first=1)
    values = {name: getattr(series, name) for name in series.__dataclass_fields__}
    columns = engine.compute("mres", Series(**values | {"ts": series.ts + 62 * (np.arange(1700) > 102)}))
    for name, feature in FEATURES.items():
        k = 15 if "15m" in name or "cascade" in name else 5
        found, worst_case = int((~np.isnan(columns[name])).argmax()), feature.first_row + 2 * (k - 1)
        assert found <= worst_case, name
        if feature.counts == "S" and feature.min > 120:
            assert found == worst_case, name


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 6, 15, 16, 30, 54, 130])
def test_short_history_is_null_not_an_error(rows):
    for name, values in engine.compute("mres", walk(rows)).items():
        assert values.size == rows
        assert np.isnan(values[: max(FEATURES[name].first_row - 14, 0)]).all(), name


def test_a_market_that_never_moves():
    values = {name: getattr(walk(1700), name) for name in Series.__dataclass_fields__}
    still = np.full(1700, 101.3)
    values |= dict.fromkeys(("S", "O", "H", "L"), still) | {"V": np.full(1700, 3.0), "p": np.full(1700, 0.01)}
    columns = engine.compute("mres", Series(**values))
    level = {"volume_5m_sma_10": 15.0, "spread_5m_mean_10": 0.01}
    for name, feature in FEATURES.items():
        own = 0.0 if name.startswith("bqx") else level.get(name, 101.3)
        wanted = own if feature.neutral is None else feature.neutral
        np.testing.assert_allclose(columns[name][feature.first_row :], wanted, rtol=1e-14, err_msg=name)
        k = 15 if "15m" in name or "cascade" in name else 5
        assert np.isnan(columns[name][: feature.first_row - (k - 1)]).all(), name


def test_source_without_volume_or_spread():
    close = 100 + np.cumsum(np.random.default_rng(3).normal(0, 1e-2, 1600))
    columns = engine.compute("mres", series_of(close))
    null = {name for name, values in columns.items() if np.isnan(values).all()}
    assert null == {"volume_5m_sma_10", "spread_5m_mean_10"}


def test_a_straight_line_by_hand():
    """S rises by 0.01 a minute: closes of 5 minutes are 0.05 apart, of 15 minutes 0.15."""
    rows = 3000
    close = 100 + 0.01 * np.arange(rows)
    series = series_of(close)  # begins at 12:00
    last = {name: values[-1] for name, values in engine.compute("mres", series).items()}
    end = close[-1]  # minute 2999 ends both bars
    assert last["rate_idx_5m_sma_10"] == pytest.approx(end - 4.5 * 0.05, rel=1e-13)
    assert last["rate_idx_15m_sma_8"] == pytest.approx(end - 3.5 * 0.15, rel=1e-13)
    assert last["sma_1m_vs_5m_ratio"] == pytest.approx(1e4 * ((end - 0.045) / (end - 0.225) - 1), rel=1e-9)
    assert last["sma_5m_vs_15m_ratio"] == pytest.approx(1e4 * ((end - 0.225) / (end - 0.525) - 1), rel=1e-9)
    for k in (1, 2, 3, 5):
        newest = end - 0.05 * (k - 1)
        assert last[f"return_5m_lag_{k}"] == pytest.approx(np.log(newest / (newest - 0.05)), rel=1e-9)
    assert last["rsi_5m_14"] == last["rsi_15m_14"] == 100
    assert last["atr_5m_14"] == pytest.approx(0.05, rel=1e-9)  # high = low = close: the gap to the last close
    assert last["macd_5m"] == pytest.approx(0.05 * (12.5 - 5.5), rel=1e-6)  # an EMA_n lags (n-1)/2 bars
    assert last["macd_15m"] == pytest.approx(0.15 * (12.5 - 5.5), rel=1e-3)
    assert last["trend_regime_5m"] == 2
    assert last["trend_5m_vs_15m_agreement"] == last["scale_cascade_aligned"] == 1
    assert last["scale_cascade_diverged"] == 0
    assert last["jump_count_5m_12"] == 12  # returns that never change have next to no sd
    assert last["xcorr_5m_idx_bqx"] == pytest.approx(1, abs=1e-3)  # b = -1.2/S: both fade as S grows


def test_scales_that_disagree():
    """20 hours of rise, then a fall of 30 minutes: 1 minute has turned, 5 minutes not yet, 15 not at all."""
    fall = 30
    close = 100 + 0.01 * np.concatenate([np.arange(1200), 1199 - np.arange(1, fall + 1)])
    last = {name: values[-1] for name, values in engine.compute("mres", series_of(close)).items()}
    assert last["trend_regime_5m"] == 0
    assert last["trend_5m_vs_15m_agreement"] == 0
    assert last["scale_cascade_aligned"] == 0
    assert last["scale_cascade_diverged"] == 1
    ups = {name: values[1150] for name, values in engine.compute("mres", series_of(close)).items()}
    assert ups["scale_cascade_aligned"] == 1


def test_jumps_among_the_last_twelve_bars():
    rng = np.random.default_rng(4)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-4, 500)))
    close[450:] *= 1.05  # minute 450 belongs to the bar 450 to 454
    counts = engine.compute("mres", series_of(close))["jump_count_5m_12"]
    with_jump = (
        counts
        - engine.compute("mres", series_of(close / np.where(np.arange(500) < 450, 1, 1.05)))[
            "jump_count_5m_12"
        ]
    )
    assert with_jump[453] == 0, "the bar of the jump is not over"
    assert with_jump[454] == 1


def test_warm_bars_are_those_of_the_catalogue():
    """Min and warm of K bars are k*K + k-1 minutes."""
    for k, names in ((5, "macd_5m"), (15, "macd_15m")):
        assert k * mres.WARM_BARS + k - 1 == FEATURES[names].warm
    assert max(f.warm for f in FEATURES.values()) == FEATURES["macd_15m"].warm
    assert max(f.warm for f in FEATURES.values() if f.section == "13.1") == FEATURES["macd_5m"].warm


def test_the_series_is_left_as_it_was():
    series = walk(600)
    before = series.S.copy(), series.b.copy(), series.V.copy()
    engine.compute("mres", series)
    for left, was in zip((series.S, series.b, series.V), before, strict=True):
        np.testing.assert_array_equal(left, was)
