"""Shared columns: global ones against their oracle, joins, missing pairs, late pairs, singular markets."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from include.features.catalogue import FAMILIES
from include.features.dollar import of_bqx, of_returns
from include.features.join import join_exact
from include.features.shared import SHARED_COLUMNS, SHARED_LOOKBACK, compute_shared
from include.pairs import PAIRS, USD_MAJORS
from tests.include.features import currencies
from tests.oracles import correlation as oracle
from tests.oracles.compare import relative_error, worst

GLOBAL = {
    feature.name: feature
    for name in ("correlation_idx", "correlation_bqx")
    for feature in FAMILIES[name].columns
    if feature.grid == "dollar"
}


@cache
def series():
    return currencies.all_series(currencies.market())


@cache
def shared():
    return compute_shared(series())


@cache
def rows():
    return {pair: oracle.rows_of(one.ts, one.S) for pair, one in series().items()}


@cache
def expected():
    return oracle.of_returns(rows()) | oracle.of_bqx(rows())


@pytest.mark.parametrize("name", GLOBAL)
def test_global_column_equals_its_oracle(name):
    minutes = oracle.dollar_minutes(rows())
    on_grid = np.isin(shared().ts, minutes)
    values, wanted = shared().columns[name], expected()[name]
    assert np.isnan(values[~on_grid]).all()
    assert (~on_grid).sum() > 30
    error = relative_error(values[on_grid], wanted)
    assert error.max() < 1e-9, f"{name} {worst(values[on_grid], wanted)}"
    assert (~np.isnan(values)).mean() > 0.3


@pytest.mark.parametrize("name", GLOBAL)
def test_global_column_stays_in_its_range(name):
    feature, values = GLOBAL[name], shared().columns[name]
    assert feature.low is None or np.nanmin(values) >= feature.low - 1e-9
    assert feature.high is None or np.nanmax(values) <= feature.high + 1e-9
    if feature.classes:
        assert set(values[~np.isnan(values)]) == set(feature.classes)


def test_columns_and_types_are_listed_once():
    assert list(shared().columns) == list(SHARED_COLUMNS)
    assert len(GLOBAL) == 17
    assert len(SHARED_COLUMNS) == 3 * 7 + 17
    assert {SHARED_COLUMNS[name] for name in GLOBAL if GLOBAL[name].kind != "float"} == {"SMALLINT"}
    assert SHARED_COLUMNS["db_usdjpy"] == "DOUBLE PRECISION"
    assert SHARED_LOOKBACK == 1459


def test_majors_come_from_their_own_grid():
    assert (np.diff(shared().ts) > 0).all()
    np.testing.assert_array_equal(
        shared().ts, sorted(set().union(*(series()[pair].ts.tolist() for pair in USD_MAJORS)))
    )
    for pair in USD_MAJORS:
        own = series()[pair]
        there = np.isin(shared().ts, own.ts)
        for symbol, values in (("r", own.r), ("b", own.b), ("db", own.db)):
            column = shared().columns[f"{symbol}_{pair}"]
            np.testing.assert_array_equal(column[there], values)
            assert np.isnan(column[~there]).all()
    assert np.isnan(shared().columns["r_usdjpy"]).sum() > 30


def test_triangle_of_the_dollar():
    b = {pair: join_exact(shared().ts, series()[pair].ts, {"b": series()[pair].b})["b"] for pair in PAIRS}
    known = ~np.isnan(shared().columns["bqx_tri_resid_eurusd"])
    resid = b["eurusd"] - b["eurgbp"] - b["gbpusd"]
    np.testing.assert_array_equal(shared().columns["bqx_tri_resid_eurusd"][known], resid[known])
    np.testing.assert_array_equal(shared().columns["b_eurusd"], b["eurusd"])


def test_one_pair_missing_costs_what_needs_it():
    without = {pair: one for pair, one in series().items() if pair != "gbpnzd"}
    found = compute_shared(without).columns
    assert np.isnan(found["momentum_dispersion_20"]).all()
    for name in SHARED_COLUMNS.keys() - {"momentum_dispersion_20"}:
        np.testing.assert_array_equal(found[name], shared().columns[name], err_msg=name)
    without.pop("eurgbp")
    found = compute_shared(without).columns
    null = {name for name in SHARED_COLUMNS if np.isnan(found[name]).all()}
    assert null == {"momentum_dispersion_20", "bqx_tri_resid_eurusd", "bqx_tri_resid_z_20"}


def test_a_major_missing_leaves_no_dollar_grid():
    found = compute_shared({pair: one for pair, one in series().items() if pair != "usdchf"})
    for name in SHARED_COLUMNS:
        needs_it = name in GLOBAL or name.endswith("usdchf")
        assert np.isnan(found.columns[name]).all() == needs_it, name


def test_no_pair_at_all():
    nothing = compute_shared({})
    assert nothing.ts.size == 0
    assert list(nothing.columns) == list(SHARED_COLUMNS)


def test_a_pair_without_a_row_makes_the_windows_over_it_null():
    """The outage of eurgbp lies on the dollar grid: the level is NULL there, its z 19 rows longer."""
    minutes = oracle.dollar_minutes(rows())
    on_grid = np.isin(shared().ts, minutes)
    absent = ~np.isin(minutes, series()["eurgbp"].ts)
    assert absent.sum() >= 25
    level = shared().columns["bqx_tri_resid_eurusd"][on_grid]
    z = shared().columns["bqx_tri_resid_z_20"][on_grid]
    np.testing.assert_array_equal(np.isnan(level[20:]), absent[20:])
    reach = np.convolve(absent, np.ones(20))[: len(minutes)] > 0
    np.testing.assert_array_equal(np.isnan(z[40:]), reach[40:])
    assert not np.isnan(shared().columns["momentum_synchrony_20"][on_grid][40:]).any()


def moves(seed=3, n=1600):
    rng = np.random.default_rng(seed)
    return {pair: rng.normal(0, 1e-4, n) for pair in USD_MAJORS}


def test_two_identical_pairs():
    r = moves()
    r["gbpusd"] = r["eurusd"].copy()
    columns = of_returns(r)
    assert np.isfinite(columns["cov_determinant_20"][19:]).all()
    assert columns["cov_determinant_20"][19:].max() < np.log(1e-6) + 7
    assert np.nanmax(columns["cov_eigenvalue_max_20"]) <= 1


def test_one_factor_only_attains_the_bounds():
    """All majors move as the dollar does: R is all ones, its second eigenvalue nothing."""
    dollar = np.random.default_rng(4).normal(0, 1e-4, 1600)
    oriented = {pair: (-dollar if pair.endswith("usd") else dollar) for pair in USD_MAJORS}
    last = {name: values[-1] for name, values in of_returns(oriented).items()}
    assert last["cov_eigenvalue_ratio_20"] == 100
    assert last["cov_eigenvalue_max_20"] == pytest.approx(1, rel=1e-12)
    assert last["avg_pairwise_corr_20"] == pytest.approx(1, rel=1e-12)
    assert last["corr_dispersion_20"] == pytest.approx(0, abs=1e-12)
    assert last["cov_determinant_20"] == pytest.approx(6 * np.log(1e-6) + np.log(7 + 1e-6), rel=1e-9)
    assert last["cov_trace_20"] == pytest.approx(7e8 * np.var(dollar[-20:], ddof=1), rel=1e-12)
    # nothing but rounding tells these rows apart
    assert (last["corr_regime_20"], last["corr_breakout_flag"]) == (1, 0)


def test_dispersion_bound_with_opposite_pairs():
    dollar = np.random.default_rng(4).normal(0, 1e-4, 60)
    signs = dict(zip(USD_MAJORS, (1, 1, 1, -1, -1, -1, -1), strict=True))
    oriented = {pair: s * (-dollar if pair.endswith("usd") else dollar) for pair, s in signs.items()}
    last = {name: values[-1] for name, values in of_returns(oriented).items()}
    # 9 entries of +1 (3 + 6) and 12 of -1
    assert last["avg_pairwise_corr_20"] == pytest.approx(-1 / 7, rel=1e-12)
    assert last["corr_dispersion_20"] == pytest.approx(np.std([1] * 9 + [-1] * 12, ddof=1), rel=1e-12)


def test_still_majors():
    columns = of_returns({pair: np.zeros(1600) for pair in USD_MAJORS})
    for name, values in columns.items():
        assert values[-1] == pytest.approx(GLOBAL[name].neutral or 0.0, rel=1e-12), name
    r = moves()
    r["usdchf"] = np.zeros(1600)
    columns = of_returns(r)
    others = [pair for pair in USD_MAJORS if pair != "usdchf"]
    m = np.corrcoef([r[pair][-20:] * (-1 if pair.endswith("usd") else 1) for pair in others])
    matrix = np.eye(7)
    matrix[:6, :6] = m
    assert columns["cov_determinant_20"][-1] == pytest.approx(np.linalg.slogdet(matrix + 1e-6 * np.eye(7))[1])
    assert columns["avg_pairwise_corr_20"][-1] == pytest.approx(m[np.triu_indices(6, 1)].sum() / 21)


def test_still_bqx():
    columns = of_bqx({pair: np.zeros(400) for pair in PAIRS})
    for name, values in columns.items():
        assert values[-1] == (GLOBAL[name].neutral or 0.0), name


def test_synchrony_bounds_and_decoupling():
    b = {pair: np.zeros(400) for pair in PAIRS}
    for pair in USD_MAJORS:
        b[pair] = np.full(400, -1e-3 if pair.endswith("usd") else 1e-3)
    assert of_bqx(b)["momentum_synchrony_20"][-1] == 1
    for pair in ("usdcad", "usdchf", "usdjpy"):
        b[pair][-3:] *= -1
    columns = of_bqx(b)
    assert columns["momentum_synchrony_20"][-1] == pytest.approx((17 + 3 / 7) / 20)
    assert columns["momentum_decoupling_flag"][-1] == 1


def test_risk_regime():
    """A rise of the risk pairs takes their b below its mean."""
    b = {pair: np.random.default_rng(5).normal(0, 1e-3, 100) for pair in PAIRS}
    for pair in ("audjpy", "nzdjpy", "audusd"):
        b[pair][-1] = -0.1
    assert of_bqx(b)["momentum_regime_cluster"][-1] == 2
    for pair in ("audjpy", "nzdjpy", "audusd"):
        b[pair][-1] = 0.1
    assert of_bqx(b)["momentum_regime_cluster"][-1] == 0


def test_the_euro_leads_by_five_rows():
    rng = np.random.default_rng(6)
    b = {pair: rng.normal(0, 1e-3, 300) for pair in PAIRS}
    b["gbpusd"][5:] = b["eurusd"][:-5]
    columns = of_bqx(b)
    assert columns["bqx_eur_gbp_lag_corr_5"][-1] == pytest.approx(1, rel=1e-12)
    assert columns["bqx_eur_leads_gbp_flag"][-1] == 1
    b["eurusd"], b["gbpusd"] = b["gbpusd"], b["eurusd"]
    assert of_bqx(b)["bqx_eur_leads_gbp_flag"][-1] == 0
