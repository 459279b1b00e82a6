"""One list of columns from invented evidence: every rule by itself, and all of them on random cases."""

from __future__ import annotations

import json
from inspect import signature

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.dataset import figures, select
from include.dataset.evidence import FEATURES, Evidence
from include.dataset.select import QUOTAS, TOTAL, Selection, bucket
from include.errors import BadParameter

NAMES = tuple(FEATURES)
BY_BUCKET = {each: [name for name, feature in FEATURES.items() if bucket(feature) == each] for each in QUOTAS}


def evidence(
    importance: dict[str, float] | np.ndarray,
    *,
    names: tuple[str, ...] = NAMES,
    null: dict[str, float] | None = None,
    constant: tuple[str, ...] = (),
    alike: dict[tuple[str, str], float] | None = None,
) -> Evidence:
    """Evidence of a pair: unrelated, moving columns without NULL, but for what is said."""
    at = {name: row for row, name in enumerate(names)}
    values = np.zeros(len(names))
    if isinstance(importance, dict):
        for name, value in importance.items():
            values[at[name]] = value
    else:
        values[:] = importance
    rho = np.eye(len(names), dtype=np.float32)
    for (one, other), value in (alike or {}).items():
        rho[at[one], at[other]] = rho[at[other], at[one]] = value
    return Evidence(
        names,
        np.array([(null or {}).get(name, 0.0) for name in names]),
        np.array([name in constant for name in names]),
        values,
        rho,
    )


def spread(seed: int = 0) -> np.ndarray:
    """Importances that differ, all above the least, most important columns anywhere."""
    return 0.0011 + np.random.default_rng(seed).permutation(len(NAMES)) * 1e-6


def test_the_buckets_of_the_catalogue():
    assert {each: len(names) for each, names in BY_BUCKET.items()} == {
        "rate": 268 + 60, "bqx": 254, "dual": 28, "cross_pair": 44, "time_regime": 20 + 26 + 30,
    }  # fmt: skip
    assert TOTAL == 195
    assert bucket(FEATURES["lag__return_lag_5"]) == "rate"
    assert bucket(FEATURES["lag__bqx_lag_5"]) == "bqx"


def test_exactly_195_with_the_quotas_filled_by_the_best():
    importance = spread()
    chosen = select.choose({"eurusd": evidence(importance)})
    assert chosen.buckets == QUOTAS
    assert len(chosen.columns) == TOTAL == len(set(chosen.columns))
    assert chosen.note == ""
    value = dict(zip(NAMES, importance, strict=True))
    for each, names in BY_BUCKET.items():
        best = sorted(names, key=value.__getitem__, reverse=True)[: QUOTAS[each]]
        assert set(best) <= set(chosen.columns)
    assert list(chosen.columns) == [name for name in NAMES if name in set(chosen.columns)]
    assert set(chosen.dropped) | set(chosen.columns) == set(NAMES)
    assert not set(chosen.dropped) & set(chosen.columns)


def test_null_in_one_pair_drops_a_column_for_all():
    name, almost = NAMES[3], NAMES[4]
    gone = select.choose(
        {
            "eurusd": evidence({name: 0.5, almost: 0.4}),
            "gbpusd": evidence({name: 0.5, almost: 0.4}, null={name: 0.051, almost: 0.05}),
        }
    )
    assert name not in gone.columns
    assert gone.dropped[name] == "5.1% NULL on the training rows of gbpusd"
    assert almost in gone.columns


def test_constant_in_every_pair_drops_a_column_constant_in_one_does_not():
    one, other = NAMES[3], NAMES[4]
    chosen = select.choose(
        {
            "eurusd": evidence({one: 0.0, other: 0.4}, constant=(one,)),
            "gbpusd": evidence({one: 0.0, other: 0.4}, constant=(one, other)),
        }
    )
    assert other in chosen.columns
    assert chosen.dropped[one] == "constant on the training rows of every pair"


def test_importance_is_averaged_over_pairs():
    name = NAMES[0]
    chosen = select.choose({"eurusd": evidence({name: 0.3}), "gbpusd": evidence({name: 0.1})})
    assert chosen.importance[name] == pytest.approx(0.2)


def test_below_the_least_importance_a_column_is_dropped():
    importance = spread()
    weak = BY_BUCKET["bqx"][:200]
    importance[np.isin(NAMES, weak)] = 0.000999
    chosen = select.choose({"eurusd": evidence(importance)})
    assert not set(weak) & set(chosen.columns)
    assert chosen.buckets["bqx"] == 54  # its six empty places go to others
    assert sum(chosen.buckets.values()) == TOTAL
    assert chosen.dropped[weak[0]] == "importance 0.000999 is below 0.001"


def test_places_a_bucket_cannot_fill_go_to_the_best_of_the_rest():
    importance = np.full(len(NAMES), 0.002) + np.arange(len(NAMES)) * 1e-6
    weak = np.isin(NAMES, BY_BUCKET["cross_pair"])
    importance[weak] = 1e-6
    chosen = select.choose({"eurusd": evidence(importance)})
    assert chosen.buckets["cross_pair"] == 0
    taken = [name for name in NAMES if name in chosen.columns]
    beyond = {each: chosen.buckets[each] - QUOTAS[each] for each in QUOTAS}
    assert sum(count for count in beyond.values() if count > 0) == 25
    left = [name for name in NAMES if name not in taken and name not in BY_BUCKET["cross_pair"]]
    value = dict(zip(NAMES, importance, strict=True))
    handed = sorted(taken, key=value.__getitem__)
    assert max(value[name] for name in left) < max(value[name] for name in handed)


def test_with_too_few_important_columns_the_top_ranked_fill_up():
    strong = dict.fromkeys(BY_BUCKET["rate"][:90], 0.01)
    chosen = select.choose({"eurusd": evidence(strong)})
    assert len(chosen.columns) == TOTAL
    assert set(strong) <= set(chosen.columns)  # 20 above the quota: better than any weak column
    assert chosen.buckets["rate"] == 90
    assert "105 columns below importance 0.001" in chosen.note


def test_ten_dual_columns_enter_whatever_their_importance():
    importance = spread()
    importance[np.isin(NAMES, BY_BUCKET["dual"])] = 1e-6
    chosen = select.choose({"eurusd": evidence(importance)})
    assert chosen.buckets["dual"] == 10
    alike = {(BY_BUCKET["dual"][0], name): 0.99 for name in BY_BUCKET["dual"][1:20]}
    importance[NAMES.index(BY_BUCKET["dual"][0])] = 2e-6
    fewer = select.choose({"eurusd": evidence(importance, alike=alike)})
    assert fewer.buckets["dual"] == 0  # only nine survive: no promise


def test_of_two_columns_alike_the_more_important_stays():
    one, other = BY_BUCKET["rate"][:2]
    chosen = select.choose({"eurusd": evidence({one: 0.2, other: 0.3}, alike={(one, other): 0.951})})
    assert other in chosen.columns
    assert chosen.dropped[one] == f"abs(rho) 0.951 with {other}, which ranks higher"
    both = select.choose({"eurusd": evidence({one: 0.2, other: 0.3}, alike={(one, other): 0.949})})
    assert {one, other} <= set(both.columns)


def test_ties_go_to_the_smaller_look_back_then_to_the_name():
    short, long = "statistics_idx__mean_20", "statistics_idx__mean_120"
    assert FEATURES[short].warm < FEATURES[long].warm
    chosen = select.choose({"eurusd": evidence({short: 0.2, long: 0.2}, alike={(short, long): 0.99})})
    assert short in chosen.columns
    assert long not in chosen.columns
    first, second = sorted(("bollinger_idx__bb_upper_20", "bollinger_idx__bb_lower_20"))
    assert FEATURES[first].warm == FEATURES[second].warm
    chosen = select.choose({"eurusd": evidence({first: 0.2, second: 0.2}, alike={(first, second): 0.99})})
    assert first in chosen.columns
    assert second not in chosen.columns


def test_likeness_is_averaged_over_the_pairs_that_know_it():
    one, other = BY_BUCKET["rate"][:2]
    values = {one: 0.3, other: 0.2}
    pairs = {
        "eurusd": evidence(values, alike={(one, other): 0.99}),
        "gbpusd": evidence(values, alike={(one, other): 0.90}),
        "usdjpy": evidence(values, alike={(one, other): np.nan}),
    }
    assert other in select.choose(pairs).columns  # 0.945
    del pairs["gbpusd"]
    assert other not in select.choose(pairs).columns


def test_a_column_alike_to_a_dropped_one_only_stays():
    a, b, c = BY_BUCKET["rate"][:3]
    chosen = select.choose(
        {"eurusd": evidence({a: 0.3, b: 0.2, c: 0.1}, alike={(a, b): 0.97, (b, c): 0.97, (a, c): 0.9})}
    )
    assert {a, c} <= set(chosen.columns)
    assert b not in chosen.columns


def test_fewer_than_195_come_with_the_reason():
    null = dict.fromkeys(NAMES[:600], 1.0)
    chosen = select.choose({"eurusd": evidence(spread(), null=null)})
    assert len(chosen.columns) == 130
    assert chosen.note == "only 130 of 195 columns: no other survives the checks on NULL and likeness"


def test_the_order_of_pairs_does_not_matter_and_json_keeps_everything():
    pairs = {"usdjpy": evidence(spread(1)), "eurusd": evidence(spread(2)), "gbpusd": evidence(spread(3))}
    chosen = select.choose(pairs)
    assert select.choose(dict(reversed(pairs.items()))) == chosen
    assert Selection.of(json.loads(json.dumps(chosen.to_dict()))) == chosen


def test_what_makes_no_sense_is_refused():
    with pytest.raises(BadParameter, match="no pair"):
        select.choose({})
    with pytest.raises(BadParameter, match="different columns"):
        select.choose({"eurusd": evidence({}), "gbpusd": evidence({}, names=NAMES[:-1])})
    with pytest.raises(BadParameter, match="base__rate_index"):
        select.choose({"eurusd": evidence({}, names=(*NAMES, "base__rate_index"))})
    with pytest.raises(BadParameter, match="quotas"):
        select.choose({"eurusd": evidence({})}, {"rate": 10})


def test_a_ranking_is_the_mean_over_pairs_most_important_first():
    a, b = NAMES[10], NAMES[20]
    found = select.ranking({"eurusd": evidence({a: 0.3, b: 0.2}), "gbpusd": evidence({a: 0.1, b: 0.4})})
    assert found[:2] == (b, a)
    assert len(found) == 730


def test_the_report_speaks_of_the_columns_that_stability_compares():
    assert signature(select.stability).parameters["top"].default == select.TOP
    assert figures.TOP is select.TOP


def test_stability_is_the_mean_overlap_of_the_best():
    assert select.stability([list("abcd"), list("abxy"), list("abcz")], top=4) == pytest.approx(
        (2 + 3 + 2) / 4 / 3
    )
    assert select.stability([NAMES, NAMES]) == 1.0
    assert select.stability([NAMES, NAMES[::-1]]) == 0.0
    assert select.stability([NAMES]) is None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.floats(0.0, 0.9),
    st.floats(0.0, 0.9),
    st.floats(0.2, 4.0),
)
def test_the_rules_hold_for_any_evidence(seed, pairs, bad, alike, skewness):
    rng = np.random.default_rng(seed)
    made = {}
    for pair in range(pairs):
        importance = rng.random(len(NAMES)) ** skewness
        groups = rng.integers(0, 1 + int(len(NAMES) * (1 - alike)), len(NAMES))
        rho = np.where(groups[:, None] == groups[None, :], 0.99, 0.3).astype(np.float32)
        made[str(pair)] = Evidence(
            NAMES,
            np.where(rng.random(len(NAMES)) < bad / 2, 0.2, 0.01),
            rng.random(len(NAMES)) < bad / 2,
            np.round(importance / importance.sum(), 4),  # with ties
            rho,
        )
    chosen = select.choose(made)
    names = set(chosen.columns)
    mean_rho = np.mean([each.rho for each in made.values()], axis=0)
    usable = np.all([each.null_share <= 0.05 for each in made.values()], axis=0)
    usable &= ~np.all([each.constant for each in made.values()], axis=0)
    rows = [NAMES.index(name) for name in chosen.columns]
    assert usable[rows].all()
    likeness = mean_rho[np.ix_(rows, rows)] - np.eye(len(rows))
    assert (likeness <= 0.95).all()
    assert names | set(chosen.dropped) == set(NAMES)
    assert len(names) + len(chosen.dropped) == 730
    assert sum(chosen.buckets.values()) == len(names) <= TOTAL
    assert (len(names) == TOTAL) or "only" in chosen.note
    if len(names) < TOTAL:  # nothing usable was left that is not like a chosen one
        others = [row for row in np.flatnonzero(usable) if NAMES[row] not in names]
        assert all((mean_rho[row, rows] > 0.95).any() for row in others)
    survivors = {name for name in NAMES if "better columns" in chosen.dropped.get(name, "")} | names
    short = [each for each in QUOTAS if chosen.buckets[each] < QUOTAS[each]]
    assert all(bucket(FEATURES[name]) not in short for name in survivors - names)
    if sum(bucket(FEATURES[name]) == "dual" for name in survivors) >= 10:
        assert chosen.buckets["dual"] >= 10
