"""Every column of every family: against its oracle, in name, order, NULL rows, range and identities."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from include.errors import BadParameter, SchemaMismatch
from include.features import engine
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.series import Series
from tests.include.features.markets import MARKETS, series_of
from tests.oracles import bollinger, fibonacci, market, regression, statistics, technical
from tests.oracles.compare import allowance, relative_error, worst

ORACLES = {
    "reg": regression,
    "statistics": statistics,
    "bollinger": bollinger,
    "technical": technical,
    "fibonacci": fibonacci,
}
FAMILY_NAMES = tuple(f"{kind}_{domain}" for kind in ORACLES for domain in ("idx", "bqx"))
RECURSIVE = ("rsi", "macd", "adx", "plus_di", "minus_di", "atr")
COLUMNS = [(name, feature.name) for name in FAMILY_NAMES for feature in FAMILIES[name].columns]
MARKET_PARAMS = [
    pytest.param(name, marks=[] if name == "simulated" else pytest.mark.real_data) for name in MARKETS
]


@cache
def computed(market_name: str) -> dict[str, dict[str, np.ndarray]]:
    bars = MARKETS[market_name]()
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))
    return {name: engine.compute(name, series) for name in FAMILY_NAMES}


@cache
def symbols(market_name: str) -> dict[str, np.ndarray]:
    bars = MARKETS[market_name]()
    return market.symbols(bars, int(bars.ts[-1]), float(bars.close[0]))


@cache
def expected(market_name: str, family: str) -> dict[str, np.ndarray]:
    kind, domain = family.split("_")
    names = ("S", "H", "L") if domain == "idx" else ("b", "b_hi", "b_lo")
    first = 0 if domain == "idx" else 15  # b needs 15 earlier rows; the oracles see no NaN
    close, high, low = (symbols(market_name)[name][first:] for name in names)
    columns = ORACLES[kind].columns(close, high, low, domain)
    return {name: np.concatenate([np.full(first, np.nan), values]) for name, values in columns.items()}


@pytest.mark.parametrize("market_name", MARKET_PARAMS)
@pytest.mark.parametrize(("family", "column"), COLUMNS)
def test_column_equals_its_oracle(market_name, family, column):
    values, first = computed(market_name)[family][column], _feature(family, column).first_row
    reference = expected(market_name, family)
    factor = allowance(column, reference)
    error = (
        relative_error(values, np.where(np.arange(len(values)) < first, np.nan, reference[column])) / factor
    )
    assert error.max() < 1e-9, f"{family}.{column} {worst(values, reference[column], factor)}"


@pytest.mark.parametrize("market_name", MARKET_PARAMS)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_null_only_before_the_first_row(market_name, family):
    columns = computed(market_name)[family]
    assert list(columns) == [feature.name for feature in FAMILIES[family].columns]
    for feature in FAMILIES[family].columns:
        values = columns[feature.name]
        assert values.dtype == np.float64
        assert np.isnan(values[: feature.first_row]).all(), feature.name
        assert np.isfinite(values[feature.first_row :]).all(), feature.name


@pytest.mark.parametrize("market_name", MARKET_PARAMS)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_values_stay_in_their_range(market_name, family):
    for feature in FAMILIES[family].columns:
        values = computed(market_name)[family][feature.name]
        if feature.low is not None:
            assert np.nanmin(values) >= feature.low - 1e-9, feature.name
        if feature.high is not None:
            assert np.nanmax(values) <= feature.high + 1e-9, feature.name


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("rows", [0, 1, 2, 13, 14, 16, 30, 74, 134, 135])
def test_short_history_is_null_not_an_error(family, rows):
    close = 100 + np.cumsum(np.random.default_rng(rows).normal(0, 1e-2, rows))
    for feature in FAMILIES[family].columns:
        known = ~np.isnan(engine.compute(family, series_of(close))[feature.name])
        assert known.sum() == max(0, rows - feature.first_row), feature.name


@pytest.mark.parametrize("domain", ["idx", "bqx"])
def test_identities_between_columns(domain):
    stats, bands, tech, fib = (
        computed("simulated")[f"{kind}_{domain}"]
        for kind in ("statistics", "bollinger", "technical", "fibonacci")
    )
    assert_close(tech["williams_r_14"], tech["stoch_k_14"] - 100)
    assert_close(tech["macd_histogram"], tech["macd_line"] - tech["macd_signal"])
    for n in (20, 50):
        assert_close(bands[f"bb_percent_b_{n}"], 0.5 + stats[f"z_score_{n}"] * np.sqrt(n / (n - 1)) / 4)
        assert_close(bands[f"bb_middle_{n}"], stats[f"mean_{n}"])
        assert_close(bands[f"bb_upper_{n}"] + bands[f"bb_lower_{n}"], 2 * bands[f"bb_middle_{n}"])
        assert_close(
            bands[f"bb_upper_{n}"] - bands[f"bb_lower_{n}"], 4 * np.sqrt((n - 1) / n) * stats[f"std_{n}"]
        )
    for n in (20, 50, 120):
        assert_close(stats[f"range_{n}"], stats[f"max_{n}"] - stats[f"min_{n}"])
    levels = np.array([values for name, values in fib.items() if not name.startswith("dist")])[:, 200:]
    shifts = levels - levels.mean()
    assert np.linalg.matrix_rank(shifts, tol=1e-9 * np.linalg.norm(shifts)) == 2


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_market_that_never_moves(family):
    """Every column has its neutral value from its first row on, or is the level itself."""
    columns = engine.compute(family, series_of(np.full(300, 101.3)))
    level = 101.3 if family.endswith("idx") else 0.0
    for feature in FAMILIES[family].columns:
        values = columns[feature.name][feature.first_row :]
        expected = level if feature.neutral is None else feature.neutral
        np.testing.assert_allclose(values, expected, rtol=1e-15, err_msg=feature.name)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_stillness_after_movement(family):
    """120 equal closes (and 15 more for b): neutral again, except for what decays recursively."""
    bars = MARKETS["simulated"]()
    series = Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))
    still = (
        np.convolve(series.H - series.L + np.abs(np.nan_to_num(series.dS)), np.ones(136))[: len(series)] == 0
    )
    assert still.sum() > 100
    for feature in FAMILIES[family].columns:
        values = computed("simulated")[family][feature.name][still]
        if feature.neutral is not None and not feature.name.startswith(RECURSIVE):
            assert (values == feature.neutral).all(), feature.name


def assert_close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.nanmedian(np.abs(b)))


def test_unknown_family_names_the_known_ones():
    with pytest.raises(BadParameter, match=r"'reg_usd'.*reg_idx"):
        engine.compute("reg_usd", series_of(np.full(10, 100.0)))


def test_columns_that_differ_from_the_catalogue_are_refused(monkeypatch):
    monkeypatch.setitem(
        engine._COMPUTE, "bollinger_idx", (lambda series, domain: {"bb_upper_20": series.S}, "idx")
    )
    with pytest.raises(SchemaMismatch, match=r"not computed: \['bb_bandwidth_20'"):
        engine.compute("bollinger_idx", series_of(np.full(10, 100.0)))


def test_families_are_computed_on_their_own_memory():
    """Hiding the first rows must not reach into the series, which other families read."""
    series = series_of(100 + np.cumsum(np.random.default_rng(3).normal(0, 1e-2, 300)))
    before = series.S.copy(), series.b.copy()
    for name in FAMILY_NAMES:
        engine.compute(name, series)
    np.testing.assert_array_equal(series.S, before[0])
    np.testing.assert_array_equal(series.b, before[1])


def _feature(family: str, column: str):
    return next(feature for feature in FAMILIES[family].columns if feature.name == column)
