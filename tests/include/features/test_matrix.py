"""The families of one pair that only the matrix has: oracle, NULL rows, range, classes, identities."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from include.features import engine
from include.features.bars import Bars
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.series import Series
from include.market.synthetic import simulate
from include.names import to_minute
from tests.include.features.currencies import replaced, without
from tests.include.features.markets import recorded, series_of, simulated
from tests.oracles import averages, calendar, dual, events, lags, market
from tests.oracles.compare import relative_error, worst

ORACLES = {"lag": lags, "ma": averages, "dual": dual, "time": calendar, "event": events}
RECURSIVE = ("ema", "bqx_ema", "ewma_vol", "garch_vol")
RARE = ("dow",)  # no market has rows on a Saturday


def nasty(first: datetime, end: datetime) -> Bars:
    """Simulated bars with gaps of 5, 6 and 45 minutes, 300 bars at one price and jumps."""
    bars = simulate(to_minute(first), to_minute(end), seed=3, pairs=["eurusd"])["eurusd"]
    for row, minutes in ((800, 5), (900, 6), (2200, 45)):
        bars = without(bars, row, minutes)
    factor = np.ones(len(bars))
    factor[1700:] *= 1.004
    factor[3100:] /= 1.006
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    still = slice(2600, 2900)
    for values in prices.values():
        values[still] = prices["close"][2599]
    return replaced(bars, **prices)


# Over the change of the clocks in Europe, Good Friday, Easter and the end of a month; over the change
# in New York and a holiday in Japan; over New Year, and recorded.
MARKETS = {
    "simulated": simulated,
    "spring": lambda: nasty(datetime(2024, 3, 27, 20, tzinfo=UTC), datetime(2024, 4, 2, 8, tzinfo=UTC)),
    "autumn": lambda: nasty(datetime(2024, 10, 31, 6, tzinfo=UTC), datetime(2024, 11, 5, 6, tzinfo=UTC)),
    "audchf": lambda: recorded("audchf", "2018-12-31", "2019-01-05"),
}
MARKET_PARAMS = [
    pytest.param(name, marks=[pytest.mark.real_data] if name == "audchf" else []) for name in MARKETS
]


@cache
def computed(market_name: str) -> dict[str, dict[str, np.ndarray]]:
    bars = MARKETS[market_name]()
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))
    return {name: engine.compute(name, series) for name in engine.COMPUTED if reads_one_pair(name)}


def reads_one_pair(family: str) -> bool:
    return family in ORACLES or family.startswith(("reg", "statistics", "bollinger"))


@cache
def symbols(market_name: str) -> dict[str, np.ndarray]:
    bars = MARKETS[market_name]()
    return market.symbols(bars, int(bars.ts[-1]), float(bars.close[0]))


@pytest.mark.parametrize("market_name", MARKET_PARAMS)
@pytest.mark.parametrize("family", ORACLES)
def test_columns_equal_their_oracle(market_name, family):
    reference = ORACLES[family].columns(symbols(market_name))
    assert reference.keys() == {feature.name for feature in FAMILIES[family].columns}
    for feature in FAMILIES[family].columns:
        values = computed(market_name)[family][feature.name]
        wanted = np.where(np.arange(len(values)) < feature.first_row, np.nan, reference[feature.name])
        error = relative_error(values, wanted)
        assert error.max() < 1e-9, f"{feature.name} {worst(values, wanted)}"


@pytest.mark.parametrize("market_name", MARKET_PARAMS)
@pytest.mark.parametrize("family", ORACLES)
def test_null_only_before_the_first_row_and_values_in_their_range(market_name, family):
    columns = computed(market_name)[family]
    assert list(columns) == [feature.name for feature in FAMILIES[family].columns]
    for feature in FAMILIES[family].columns:
        values, known = columns[feature.name], columns[feature.name][feature.first_row :]
        assert values.dtype == np.float64
        assert np.isnan(values[: feature.first_row]).all(), feature.name
        assert known.size, feature.name
        assert np.isfinite(known).all(), feature.name
        assert feature.low is None or known.min() >= feature.low - 1e-9, feature.name
        assert feature.high is None or known.max() <= feature.high + 1e-9, feature.name
        if feature.kind != "float":
            assert set(known) <= set(feature.classes), feature.name


def test_every_class_occurs():
    for family in ORACLES:
        for feature in FAMILIES[family].columns:
            found = set()
            for name in ("simulated", "spring", "autumn"):
                found |= set(computed(name)[family][feature.name][feature.first_row :])
            rare = {5.0} if feature.name in RARE else set()
            assert not feature.classes or found | rare == set(feature.classes), feature.name


@pytest.mark.parametrize("family", ORACLES)
@pytest.mark.parametrize("rows", [0, 1, 2, 5, 16, 17, 62, 91, 1441, 1470])
def test_short_history_is_null_not_an_error(family, rows):
    close = 100 + np.cumsum(np.random.default_rng(rows).normal(0, 1e-2, rows))
    columns = engine.compute(family, series_of(close))
    for feature in FAMILIES[family].columns:
        known = ~np.isnan(columns[feature.name])
        assert known.sum() == max(0, rows - feature.first_row), feature.name


@pytest.mark.parametrize("family", ["lag", "ma", "dual", "event"])
@pytest.mark.parametrize("moving", [0, 400])
def test_a_market_that_does_not_move(family, moving):
    """Neutral from the first row on, or once the movement has left all windows; or the level itself."""
    close = np.full(moving + 1900, 101.3)
    close[:moving] += np.random.default_rng(4).normal(0, 0.1, moving)
    columns = engine.compute(family, series_of(close))
    for feature in FAMILIES[family].columns:
        if moving and feature.name.startswith(RECURSIVE):
            continue
        level = 101.3 if feature.domain == "idx" else 0.0
        values = columns[feature.name][feature.first_row if not moving else moving + 1600 :]
        wanted = level if feature.neutral is None else feature.neutral
        np.testing.assert_allclose(values, wanted, rtol=1e-15, err_msg=feature.name)


@pytest.mark.parametrize("family", ["lag", "ma", "dual", "event"])
def test_one_absent_close_hides_exactly_the_windows_that_hold_it(family):
    """A window of min rows reads as many closes as there are rows up to the first value."""
    close = 100 + np.cumsum(np.random.default_rng(5).normal(0, 1e-2, 3600))
    whole = engine.compute(family, series_of(close))
    close[1800] = np.nan
    holed = engine.compute(family, series_of(close))
    for feature in FAMILIES[family].columns:
        values, before = holed[feature.name], whole[feature.name]
        lost = np.isnan(values) & ~np.isnan(before)
        np.testing.assert_array_equal(values[~lost], before[~lost], err_msg=feature.name)
        start, rows = 1800, feature.first_row + 1
        if family == "lag":
            k = int(feature.name.rsplit("_", 1)[1])
            start, rows = 1800 + k, {"idx": 1, "shared": 2, "bqx": 16}[feature.domain]
        elif feature.name.startswith(RECURSIVE):
            rows = 1800
        elif feature.name == "time_since_last_jump":  # unknown until the next jump
            rows += int(holed["jump_flag_2_5_sigma"][1800 + rows :].argmax())
        assert np.flatnonzero(lost).tolist() == list(range(start, start + rows)), feature.name


@pytest.mark.parametrize("market_name", ["simulated", "spring"])
def test_identities_with_the_stored_families(market_name):
    """docs/features.md 17: what is the same must come from the same computation, to the last bit."""
    families = computed(market_name)
    ma, lag, both = families["ma"], families["lag"], families["dual"]
    same = {
        f"{prefix}sma_{n}": (domain, n) for prefix, domain in (("", "idx"), ("bqx_", "bqx")) for n in (20, 50)
    }
    for name, (domain, n) in same.items():
        np.testing.assert_array_equal(ma[name], families[f"statistics_{domain}"][f"mean_{n}"])
        np.testing.assert_array_equal(ma[name], families[f"bollinger_{domain}"][f"bb_middle_{n}"])
    for k in range(1, 60):
        quotient = np.log(lag[f"rate_idx_lag_{k}"] / lag[f"rate_idx_lag_{k + 1}"])
        np.testing.assert_array_equal(lag[f"return_lag_{k}"][k + 1 :], quotient[k + 1 :])
    differences = {
        **{f"{m}_diff_idx_bqx": ("reg", f"w30_{m}_norm", 1) for m in ("a2", "a1", "b")},
        "r2_diff_idx_bqx": ("reg", "w30_r2", 1),
        **{f"{m}_diff_bqx_idx_20": ("statistics", f"{m}_20", -1) for m in ("skew", "kurt")},
        "bb_z_diff_bqx_idx_20": ("bollinger", "bb_percent_b_20", -1),
    }
    for name, (kind, column, sign) in differences.items():
        idx, bqx = (families[f"{kind}_{domain}"][column] for domain in ("idx", "bqx"))
        np.testing.assert_array_equal(both[name], sign * (idx - bqx), err_msg=name)


def test_families_are_computed_on_their_own_memory():
    """Hiding the first rows must not reach into the series, which other families read."""
    series = series_of(100 + np.cumsum(np.random.default_rng(3).normal(0, 1e-2, 300)))
    before = [getattr(series, name).copy() for name in ("S", "b", "r", "dS", "db")]
    for name in ORACLES:
        engine.compute(name, series)
    for name, values in zip(("S", "b", "r", "dS", "db"), before, strict=True):
        np.testing.assert_array_equal(getattr(series, name), values, err_msg=name)
