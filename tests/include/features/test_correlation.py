"""Correlation columns of single pairs against their oracle, self slots, identities, missing majors."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from include.errors import BadParameter
from include.features import engine
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.join import join_exact
from include.features.kernels.pairwise import correlation
from include.features.series import Series
from include.features.shared import compute_shared
from include.pairs import USD_MAJORS
from tests.include.features import currencies
from tests.include.features.markets import recorded, series_of
from tests.include.features.test_shared import expected as expected_global
from tests.include.features.test_shared import rows, series, shared
from tests.oracles import correlation as oracle
from tests.oracles.compare import relative_error, worst

# a major, both ends of the risk factor, a cross with gaps of its own, the pair that starts late
TARGETS = ("eurusd", "usdjpy", "usdcad", "eurgbp", "gbpnzd")
FAMILY_NAMES = ("correlation_idx", "correlation_bqx")


@cache
def computed(family: str, pair: str) -> dict[str, np.ndarray]:
    return engine.compute(family, series()[pair], pair=pair, shared=shared())


@cache
def expected(family: str, pair: str) -> dict[str, np.ndarray]:
    minutes = oracle.dollar_minutes(rows())
    own = oracle.of_pair(rows(), pair, family.split("_")[1])
    everywhere = join_exact(series()[pair].ts, minutes, expected_global())
    same = {f.name: everywhere[f.name] for f in FAMILIES[family].columns if f.grid == "dollar"}
    return own | same


@pytest.mark.parametrize("pair", TARGETS)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_columns_equal_their_oracle(family, pair):
    columns, wanted = computed(family, pair), expected(family, pair)
    assert list(columns) == [feature.name for feature in FAMILIES[family].columns]
    assert columns.keys() == wanted.keys()
    for feature in FAMILIES[family].columns:
        values, reference = columns[feature.name], wanted[feature.name]
        error = relative_error(values, reference)
        assert error.max() < 1e-9, f"{feature.name} {worst(values, reference)}"
        known = values[~np.isnan(values)]
        assert known.size > 1000, feature.name
        assert feature.low is None or known.min() >= feature.low - 1e-9, feature.name
        assert feature.high is None or known.max() <= feature.high + 1e-9, feature.name
        if feature.grid == "pair":
            assert np.isnan(values[: feature.first_row]).all(), feature.name


@pytest.mark.real_data
@pytest.mark.parametrize(("first", "end"), [("2018-12-27", "2019-01-01"), ("2019-01-02", "2019-01-05")])
def test_recorded_bars(first, end):
    """Majors of two providers, one of them without Sunday evenings; the flash crash of 2019-01-02."""
    bars = {pair: recorded(pair, first, end) for pair in (*USD_MAJORS, "eurgbp", "audchf")}
    watermark = currencies.end_of(bars)
    real = {p: Series.of(make_grid(one, watermark), float(one.close[0])) for p, one in bars.items()}
    plain = {pair: oracle.rows_of(one.ts, one.S) for pair, one in real.items()}
    common, minutes = compute_shared(real), oracle.dollar_minutes(plain)
    for pair in ("eurusd", "nzdusd", "audchf"):
        wanted = join_exact(real[pair].ts, minutes, oracle.of_returns(plain))
        columns = {}
        for family in FAMILY_NAMES:
            columns |= engine.compute(family, real[pair], pair=pair, shared=common)
            wanted |= oracle.of_pair(plain, pair, family.split("_")[1])
        for name, reference in wanted.items():
            error = relative_error(columns[name], reference)
            assert error.max() < 1e-9, f"{pair} {name} {worst(columns[name], reference)}"
            assert not np.isnan(columns[name]).all(), name
        assert np.isnan(columns["momentum_dispersion_20"]).all()  # 19 of the 28 pairs are missing


def test_all_families_are_computed():
    assert list(engine.COMPUTED) == list(FAMILIES)


def test_global_columns_are_equal_for_all_pairs():
    """At the same minute, the late pair included, from its very first row on."""
    for family in FAMILY_NAMES:
        names = [feature.name for feature in FAMILIES[family].columns if feature.grid == "dollar"]
        for pair in ("audcad", "gbpnzd", "usdjpy"):
            reference = join_exact(
                series()[pair].ts, series()["eurusd"].ts, {n: computed(family, "eurusd")[n] for n in names}
            )
            both = np.isin(series()[pair].ts, series()["eurusd"].ts)
            for name in names:
                np.testing.assert_array_equal(
                    computed(family, pair)[name][both], reference[name][both], err_msg=name
                )
    assert not np.isnan(computed("correlation_idx", "gbpnzd")["avg_pairwise_corr_20"][0])


def test_triangle_is_that_of_eurusd():
    own, other = series()["eurusd"], series()
    b = {p: join_exact(own.ts, other[p].ts, {"b": other[p].b})["b"] for p in ("eurgbp", "gbpusd")}
    column = computed("correlation_bqx", "eurusd")["bqx_tri_resid_eurusd"]
    on_grid = np.isin(own.ts, oracle.dollar_minutes(rows()))
    np.testing.assert_array_equal(column[on_grid], (own.b - b["eurgbp"] - b["gbpusd"])[on_grid])
    assert np.isnan(column[~on_grid]).all()


@pytest.mark.parametrize("pair", ["eurusd", "usdjpy"])
def test_self_slot_is_the_dollar_not_one(pair):
    """Where the pair is the reference, corr is with the mean of all seven oriented majors."""
    up = {major: -1 if major.endswith("usd") else 1 for major in USD_MAJORS}
    for family, symbol, prefix in (("correlation_idx", "r", "corr"), ("correlation_bqx", "b", "bqx_corr")):
        columns = join_exact(series()[pair].ts, shared().ts, shared().columns)
        dollar = sum(up[major] * columns[f"{symbol}_{major}"] for major in USD_MAJORS) / 7
        own = getattr(series()[pair], symbol)
        slot = computed(family, pair)[f"{prefix}_{pair[:3]}_{pair[3:]}_20"]
        np.testing.assert_allclose(slot, correlation(own, dollar, 20, 1e-12, 1e-12), rtol=1e-9, atol=1e-12)
        assert np.nanmax(np.abs(slot)) < 1
        assert np.sign(np.nanmedian(slot)) == up[pair]


def test_reference_is_taken_as_listed():
    own = series()["audcad"]
    other = join_exact(own.ts, shared().ts, shared().columns)
    for family, x, name in (("correlation_idx", own.r, "r"), ("correlation_bqx", own.b, "b")):
        column = computed(family, "audcad")["corr_eur_usd_60" if name == "r" else "bqx_corr_eur_usd_60"]
        row = 2000
        y = other[f"{name}_eurusd"]
        reference = np.corrcoef(x[row - 59 : row + 1], y[row - 59 : row + 1])[0, 1]
        assert column[row] == pytest.approx(reference, rel=1e-9)


def test_a_row_that_the_reference_lacks_makes_the_windows_over_it_null():
    own = series()["audcad"]
    absent = ~np.isin(own.ts, series()["usdjpy"].ts)
    assert absent.sum() > 30
    for n in (20, 60):
        column = computed("correlation_idx", "audcad")[f"corr_usd_jpy_{n}"]
        reach = np.convolve(absent, np.ones(n))[: len(own)] > 0
        np.testing.assert_array_equal(np.isnan(column[100:]), reach[100:])
    assert not np.isnan(computed("correlation_idx", "audcad")["corr_gbp_usd_20"][reach][100:]).all()


def test_a_major_missing_costs_what_needs_it():
    some = {pair: one for pair, one in series().items() if pair != "usdchf"}
    less = compute_shared(some)
    for family in FAMILY_NAMES:
        columns = engine.compute(family, some["audcad"], pair="audcad", shared=less)
        for feature in FAMILIES[family].columns:
            own = feature.name.startswith(("corr_", "bqx_corr_", "term_")) and "usd_chf" not in feature.name
            needs_it = feature.grid == "dollar" or not own
            assert np.isnan(columns[feature.name]).all() == needs_it, feature.name
            if not needs_it:
                np.testing.assert_array_equal(columns[feature.name], computed(family, "audcad")[feature.name])
    as_self = engine.compute("correlation_idx", some["eurusd"], pair="eurusd", shared=less)
    assert np.isnan(as_self["corr_eur_usd_20"]).all()
    assert not np.isnan(as_self["corr_gbp_usd_20"]).all()


def test_term_structure_by_hand():
    columns, q = computed("correlation_bqx", "eurusd"), series()["eurusd"].q
    row = 1500
    x = np.array([-1, -0.5, 0, 0.5, 1])
    u = [q[w][row] / np.sqrt(w * (w + 1) * (2 * w + 1) / 6) for w in (15, 30, 45, 60, 75)]
    assert columns["term_curvature_bqx"][row] == pytest.approx(np.polyfit(x, u, 2)[0], rel=1e-9)
    assert columns["term_slope_bqx"][row] == (q[15][row] - q[60][row]) / 45
    known = ~np.isnan(columns["term_slope_bqx"])
    inverted = columns["term_slope_bqx"][known] < -1e-12 / 45
    np.testing.assert_array_equal(columns["term_inversion_flag"][known] == 1, inverted)


def test_a_pair_that_stands_still():
    """Correlations, R2 and residual variance are 0, whatever the majors do."""
    own = series()["audcad"]
    still = series_of(np.full(len(own), 100.0))
    values = {name: getattr(still, name) for name in still.__dataclass_fields__} | {"ts": own.ts}
    still = type(own)(**values)
    for family in FAMILY_NAMES:
        columns = engine.compute(family, still, pair="audcad", shared=shared())
        for feature in FAMILIES[family].columns:
            if feature.grid == "pair":
                known = columns[feature.name][~np.isnan(columns[feature.name])]
                assert (known == 0).all(), feature.name
        for name in ("corr_usd_jpy_20", "resid_var_systematic", "bqx_corr_usd_jpy_20", "bqx_var_systematic"):
            if name in columns:  # a NULL input stays NULL beside a still one
                assert np.isnan(columns[name]).sum() > 60


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_pair_and_shared_columns_are_asked_for(family):
    own = series()["eurusd"]
    with pytest.raises(BadParameter, match=rf"{family}.*no shared columns.*pass pair="):
        engine.compute(family, own, pair="eurusd")
    with pytest.raises(BadParameter, match=rf"{family}.*the pair None"):
        engine.compute(family, own, shared=shared())
    with pytest.raises(BadParameter, match="usdeur"):
        engine.compute(family, own, pair="usdeur", shared=shared())


def test_short_history_is_null_not_an_error():
    bars = {pair: one.slice(0, currencies.THURSDAY + 3) for pair, one in currencies.market().items()}
    few = currencies.all_series({pair: one for pair, one in bars.items() if len(one)})
    columns = engine.compute("correlation_bqx", few["audcad"], pair="audcad", shared=compute_shared(few))
    assert all(np.isnan(values).all() for values in columns.values())
