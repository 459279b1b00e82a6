"""Sisters, triangles and the dollar factor against their oracle, by hand, with pairs that are not there."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from include.errors import BadParameter
from include.features import engine
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.join import join_exact
from include.features.series import Series
from include.features.xpair import DOLLAR_LOOKBACK, Related, related_pairs
from include.pairs import CURRENCIES, PAIRS, USD_MAJORS, sisters, triangle
from tests.include.features import currencies
from tests.include.features.markets import recorded, series_of
from tests.include.features.test_correlation import computed as correlations
from tests.include.features.test_shared import rows, series, shared
from tests.oracles import cross_pair as oracle
from tests.oracles.compare import relative_error, worst
from tests.oracles.correlation import rows_of

FEATURES = {feature.name: feature for feature in FAMILIES["xpair"].columns}
TARGETS = tuple(oracle.SISTERS)  # majors and crosses; gbpnzd starts late, usdjpy and eurgbp have outages


@cache
def computed(pair: str, absent: frozenset[str] = frozenset()) -> dict[str, np.ndarray]:
    others = {name: series()[name] for name in related_pairs(pair) if name not in absent}
    return engine.compute("xpair", series()[pair], pair=pair, related=Related(others))


@cache
def expected(pair: str, absent: frozenset[str] = frozenset()) -> dict[str, np.ndarray]:
    return oracle.columns(rows(), {name: one.S for name, one in series().items()}, pair, absent)


def assert_equal_to_oracle(columns, wanted):
    assert list(columns) == list(FEATURES)
    assert columns.keys() == wanted.keys()
    for name, reference in wanted.items():
        error = relative_error(columns[name], reference)
        assert error.max() < 1e-9, f"{name} {worst(columns[name], reference)}"


@pytest.mark.parametrize("pair", TARGETS)
def test_columns_equal_their_oracle(pair):
    assert_equal_to_oracle(computed(pair), expected(pair))
    for name, feature in FEATURES.items():
        values = computed(pair)[name]
        known = values[~np.isnan(values)]
        assert values.dtype == np.float64
        assert known.size > 3000, name
        assert feature.low is None or known.min() >= feature.low - 1e-9, name
        assert feature.high is None or known.max() <= feature.high + 1e-9, name
        assert not feature.classes or set(known) == set(feature.classes), name


@pytest.mark.parametrize(
    ("pair", "absent"),
    [
        ("audcad", {"gbpaud"}),  # a sister
        ("audcad", {"audusd"}),  # a sister, a leg and a major
        ("gbpnzd", {"nzdusd", "gbpusd"}),  # both legs
        ("usdjpy", {"usdjpy", "gbpjpy"}),  # itself: the caller left it out
    ],
)
def test_pairs_that_were_never_loaded(pair, absent):
    columns, wanted = computed(pair, frozenset(absent)), expected(pair, frozenset(absent - {pair}))
    assert_equal_to_oracle(columns, wanted)
    null = {name for name, values in columns.items() if np.isnan(values).all()}
    slots = {f"sister{i}" for i, name in enumerate(sisters(pair), start=1) if name in absent - {pair}}
    legs = {leg.pair for leg in triangle(pair)} & absent
    majors = (set(USD_MAJORS) & absent) - {pair}
    assert null == {
        name
        for name in FEATURES
        if name.split("_")[0] in slots
        or (name.startswith("tri_") and legs)
        or (name.startswith("usd_") and majors)
    }


def test_a_pair_alone():
    columns = engine.compute("xpair", series()["audcad"], pair="audcad", related=Related({}))
    assert all(np.isnan(values).all() for values in columns.values())


@pytest.mark.parametrize("pair", ["eurusd", "audcad"])
def test_stretches_without_movement(pair):
    """Two of the pairs that are read stand still for 100 rows, and so does the pair itself, later."""
    market = dict(series())
    for number, name in enumerate(("eurgbp", "audusd", pair)):
        start = 1500 + 150 * number
        S = market[name].S.copy()
        S[start : start + 100] = S[start]
        values = {field: getattr(market[name], field) for field in market[name].__dataclass_fields__}
        market[name] = Series(**values | {"S": S})
    plain = {name: rows_of(one.ts, one.S) for name, one in market.items()}
    columns = engine.compute("xpair", market[pair], pair=pair, related=Related(market))
    assert_equal_to_oracle(columns, oracle.columns(plain, {name: x.S for name, x in market.items()}, pair))
    assert (columns["sister1_beta_60"] == 0).sum() > 30


@pytest.mark.real_data
@pytest.mark.parametrize(("first", "end"), [("2018-12-27", "2019-01-01"), ("2019-01-02", "2019-01-05")])
@pytest.mark.parametrize("pair", ["eurusd", "audchf"])
def test_recorded_bars(pair, first, end):
    """Two providers, a cross that was derived from its legs, the flash crash of 2019-01-02."""
    bars = {name: recorded(name, first, end) for name in (*USD_MAJORS, "eurgbp", "audchf", "eurchf")}
    mark = currencies.end_of(bars)
    real = {p: Series.of(make_grid(one, mark), float(one.close[0])) for p, one in bars.items()}
    plain = {name: rows_of(one.ts, one.S) for name, one in real.items()}
    columns = engine.compute("xpair", real[pair], pair=pair, related=Related(real))
    wanted = oracle.columns(plain, {name: one.S for name, one in real.items()}, pair)
    for name, reference in wanted.items():
        limit = 1e-9 if FEATURES[name].unit == "bps" else 0.0  # a derived cross has next to no residual
        near = np.abs(columns[name] - reference) <= limit
        error = np.where(near, 0.0, relative_error(columns[name], reference))
        assert error.max() < 1e-9, f"{name} {worst(columns[name], reference)}"
    missing = {name.split("_")[0] for name, values in columns.items() if np.isnan(values).all()}
    assert missing == {"sister2", "sister3"}  # no recorded eurjpy, euraud, gbpaud


def test_related_pairs_are_those_that_are_read():
    for pair in PAIRS:
        found = related_pairs(pair)
        assert len(set(found)) == len(found)
        assert set(found) == {*sisters(pair), *(leg.pair for leg in triangle(pair)), *USD_MAJORS}
    assert DOLLAR_LOOKBACK == 59


def test_null_follows_from_the_inputs_alone():
    """The late pair has sisters that were there before: their first lagged return is known a row sooner."""
    columns = computed("gbpnzd")
    sooner = {f"sister{i}_{name}" for i in range(1, 6) for name in
              ("return_lag_1", "return_lag_5", "return_lag_15", "vol_30")}  # fmt: skip
    for name, feature in FEATURES.items():
        first = int((~np.isnan(columns[name])).argmax())
        if feature.grid == "dollar":
            assert first <= 1, name
        else:
            assert first == feature.first_row - (name in sooner), name


@cache
def even(count: int) -> dict[str, Series]:
    """All pairs from the same minute on, without gaps."""
    return {
        pair: series_of(100 + np.cumsum(np.random.default_rng(number).normal(0, 1e-2, count)))
        for number, pair in enumerate(PAIRS)
    }


def test_min_is_the_first_row_where_all_pairs_begin_together():
    columns = engine.compute("xpair", even(400)["nzdusd"], pair="nzdusd", related=Related(even(400)))
    for name, feature in FEATURES.items():
        known = ~np.isnan(columns[name])
        assert int(known.argmax()) == feature.first_row, name
        assert known[feature.first_row :].all(), name


@pytest.mark.parametrize("count", [0, 1, 2, 16, 31, 60])
def test_short_history_is_null_not_an_error(count):
    columns = engine.compute("xpair", even(count)["eurusd"], pair="eurusd", related=Related(even(count)))
    for name, values in columns.items():
        assert (~np.isnan(values)).sum() == max(0, count - FEATURES[name].first_row), name


def test_windows_of_a_sister_with_an_outage_are_null_and_nothing_is_carried():
    """Eurgbp is sister 1 of eurusd: rows of eurusd in its outage have no return, 30 rows on no vol."""
    columns, own = computed("eurusd"), series()["eurusd"]
    absent = ~np.isin(own.ts, series()["eurgbp"].ts)
    assert absent.sum() >= 25
    for k in (1, 5, 15):
        lagged = np.concatenate([np.ones(k, np.bool_), absent[:-k]])
        np.testing.assert_array_equal(np.isnan(columns[f"sister1_return_lag_{k}"])[20:], lagged[20:])
    reach = np.convolve(absent, np.ones(30))[: len(absent)] > 0
    np.testing.assert_array_equal(np.isnan(columns["sister1_vol_30"])[40:], reach[40:])
    np.testing.assert_array_equal(np.isnan(columns["tri_resid_level"]), absent)


def test_the_return_after_an_outage_is_the_gap_of_the_sister_itself():
    ts, one = series()["eurgbp"].ts, series()["eurgbp"]
    row = int(np.argmax((np.diff(ts) > 20) & (np.diff(ts) < 60))) + 1
    at = int(np.searchsorted(series()["eurusd"].ts, ts[row])) + 1
    gap = np.log(one.S[row] / one.S[row - 1])
    assert computed("eurusd")["sister1_return_lag_1"][at] == pytest.approx(gap, rel=1e-12)


@pytest.mark.parametrize("pair", ["audcad", "gbpnzd", "usdjpy"])
def test_dollar_columns_are_equal_for_all_pairs(pair):
    names = [name for name in FEATURES if FEATURES[name].grid == "dollar"]
    assert len(names) == 6
    reference = join_exact(
        series()[pair].ts, series()["eurusd"].ts, {name: computed("eurusd")[name] for name in names}
    )
    both = np.isin(series()[pair].ts, series()["eurusd"].ts)
    for name in names:
        np.testing.assert_array_equal(computed(pair)[name][both], reference[name][both], err_msg=name)


def test_identities_with_other_families():
    """On the dollar grid eurusd has one residual of BQX; sister 4, gbpusd, is a reference major."""
    everywhere = join_exact(
        series()["eurusd"].ts, shared().ts, {"x": shared().columns["bqx_tri_resid_eurusd"]}
    )["x"]
    known = ~np.isnan(everywhere)
    assert known.sum() > 3000
    np.testing.assert_allclose(
        computed("eurusd")["tri_bqx_resid"][known], everywhere[known], rtol=1e-12, atol=1e-15
    )
    assert sisters("eurusd")[3:] == ("gbpusd", "usdjpy")
    for slot, name in ((4, "gbp_usd"), (5, "usd_jpy")):
        np.testing.assert_array_equal(
            computed("eurusd")[f"sister{slot}_corr_60"],
            correlations("correlation_idx", "eurusd")[f"corr_{name}_60"],
        )


def moving(logs: dict[str, np.ndarray]) -> dict[str, Series]:
    """All pairs from the logarithms of their currencies: parity holds up to rounding."""
    return {pair: series_of(100 * np.exp(logs[pair[:3]] - logs[pair[3:]])) for pair in PAIRS}


def currency_walks() -> dict[str, np.ndarray]:
    return {
        currency: 1e-4 * np.random.default_rng(number).normal(size=200).cumsum()
        for number, currency in enumerate(CURRENCIES)
    }


@pytest.mark.parametrize("pair", PAIRS)
def test_parity_leaves_nothing(pair):
    """Every sign of every leg: where parity holds, T is 0 and its windows are flat."""
    market = moving(currency_walks())
    columns = engine.compute("xpair", market[pair], pair=pair, related=Related(market))
    assert np.nanmax(np.abs(columns["tri_resid_level"])) < 1e-9
    assert np.nanmax(np.abs(columns["tri_resid_change_5"])) < 1e-9
    np.testing.assert_array_equal(columns["tri_resid_z_20"][19:], 0)
    np.testing.assert_array_equal(columns["tri_resid_vol_30"][30:], 0)
    size = np.nanmax(np.abs(market[pair].b))
    assert np.nanmax(np.abs(columns["tri_bqx_resid"])) < 0.02 * size  # of first order only


def test_the_dollar_rises_by_hand():
    """The dollar gains 0.7% on everything in the last minute, nothing moves before."""
    logs = {c: np.zeros(100) for c in CURRENCIES}
    logs["usd"][-1] = 0.007
    market = moving(logs)
    columns = engine.compute("xpair", market["eurgbp"], pair="eurgbp", related=Related(market))
    last = {name: values[-1] for name, values in columns.items()}
    assert last["usd_factor_level"] == pytest.approx(0.7, rel=1e-9)
    assert last["usd_factor_change_5"] == last["usd_factor_change_15"] == last["usd_factor_level"]
    assert last["usd_factor_vol_30"] == pytest.approx(0.7 / np.sqrt(30), rel=1e-9)
    assert last["usd_factor_z_60"] == pytest.approx(59 / np.sqrt(60), rel=1e-9)
    weight = 9.5 / (20 * (400 - 1) / 12)  # of the newest of 20 points in the slope
    assert last["usd_factor_trend_20"] == pytest.approx(0.7 * weight, rel=1e-9)
    assert np.all(columns["usd_factor_level"][:-1] == 0)


def test_a_sister_that_moves_twice_as_much():
    market = dict(even(200))
    one = market["eurusd"]
    market["eurgbp"] = series_of(100 * np.exp(2 * np.log(one.S / one.S[0])))
    market["eurjpy"] = series_of(100 * np.exp(-np.log(one.S / one.S[0]) / 100))
    market["euraud"] = series_of(np.full(200, 100.0))
    columns = engine.compute("xpair", one, pair="eurusd", related=Related(market))
    last = {name: values[-1] for name, values in columns.items()}
    assert last["sister1_beta_60"] == pytest.approx(0.5, rel=1e-9)
    assert last["sister1_corr_60"] == pytest.approx(1, rel=1e-9)
    assert last["sister1_vol_30"] == pytest.approx(2 * np.std(one.r[-30:], ddof=1), rel=1e-9)
    assert last["sister1_return_lag_5"] == pytest.approx(2 * one.r[-6], rel=1e-9)
    assert last["sister2_beta_60"] == -20, "-100 without the limit"
    assert last["sister3_beta_60"] == last["sister3_corr_60"] == last["sister3_vol_30"] == 0


def test_a_sister_without_movement_does_not_hide_that_the_pair_has_no_return_yet():
    """The pair begins at row 100, so 60 returns of its own are there at its row 60."""
    market = dict(even(200)) | {"eurgbp": series_of(np.full(200, 100.0))}
    fields = [name for name in Series.__dataclass_fields__ if name != "mid_offset"]
    late = Series(**{name: getattr(market["eurusd"], name)[100:] for name in fields})
    beta = engine.compute("xpair", late, pair="eurusd", related=Related(market))["sister1_beta_60"]
    np.testing.assert_array_equal(np.isnan(beta), np.arange(100) < 60)


def test_still_pairs_have_their_neutral_values():
    market = {pair: series_of(np.full(120, 100.0)) for pair in PAIRS}
    columns = engine.compute("xpair", market["audcad"], pair="audcad", related=Related(market))
    for name, feature in FEATURES.items():
        np.testing.assert_array_equal(columns[name][feature.first_row :], feature.neutral or 0, err_msg=name)


def test_alignment_needs_both_residuals():
    logs = currency_walks()
    market = moving(logs)
    own = market["audcad"]
    spiked = own.S.copy()
    spiked[-1] *= 1.01
    values = {name: getattr(own, name) for name in own.__dataclass_fields__} | {"S": spiked}
    columns = engine.compute("xpair", Series(**values), pair="audcad", related=Related(market))
    assert columns["tri_resid_z_20"][-1] == pytest.approx(19 / np.sqrt(20), rel=1e-6)
    assert columns["tri_alignment_flag"][-1] == 0


def test_what_is_missing_is_said():
    with pytest.raises(BadParameter, match=r"xpair.*no related pairs.*pass pair=.*related="):
        engine.compute("xpair", series()["eurusd"], pair="eurusd")
    with pytest.raises(BadParameter, match=r"xpair.*'eurxxx'.*28 pairs"):
        engine.compute("xpair", series()["eurusd"], pair="eurxxx", related=Related({}))


def test_the_series_are_left_as_they_were():
    before = {name: (one.S.copy(), one.b.copy(), one.r.copy()) for name, one in series().items()}
    engine.compute("xpair", series()["eurusd"], pair="eurusd", related=Related(series()))
    for name, arrays in before.items():
        for was, left in zip(arrays, (series()[name].S, series()[name].b, series()[name].r), strict=True):
            np.testing.assert_array_equal(left, was, err_msg=name)
