"""What is learned of one pair, and that no column that knows the future gets past."""

from __future__ import annotations

import io
import pickle
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.dataset import evidence, select, split, targets
from include.dataset.evidence import FEATURES, Evidence, Profile
from include.errors import BadParameter, LeakedColumn
from include.features import engine
from tests.include.features import markets

NAMES = tuple(FEATURES)


class Rows:
    """A table of honest columns: what is known at each row, what follows, and what is learned."""

    def __init__(self, features: pd.DataFrame, futures: pd.DataFrame, learned: pd.DataFrame) -> None:
        self.features, self.futures, self.learned = features, futures, learned

    def gather(self, **options: object) -> Evidence:
        return evidence.gather(
            self.features,
            self.futures,
            self.learned,
            **({"trees": 8} | options),
        )


@cache
def martingale(seed: int = 3, rows: int = 1200) -> Rows:
    """Real columns of a simulated martingale: two families and lags, and noise."""
    rng = np.random.default_rng(seed)
    series = markets.series_of(100 * np.exp(np.cumsum(rng.normal(0, 1e-4, 14_000))))
    columns = targets.base_columns(series) | targets.raw_targets(series)
    known = {
        f"{family}__{name}": values
        for family in ("statistics_bqx", "technical_idx", "lag")
        for name, values in engine.compute(family, series).items()
    }
    eligible = (columns["base__is_trainable"] == 1) & (np.arange(len(series)) >= targets.LOOKBACK)
    taken = split.sample(eligible, rows)
    return Rows(
        *(
            pd.DataFrame({name: values[taken] for name, values in each.items()})
            for each in (known, targets.futures(columns), targets.scaled_targets(columns))
        )
    )


def noise(seed: int, rows: int = 400, columns: int = 12) -> Rows:
    """Catalogue names over noise, with NULL here and there, and five unrelated targets."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(rng.normal(size=(rows, columns)), columns=list(NAMES[:columns]))
    features = features.mask(rng.random(features.shape) < 0.02)
    futures = pd.DataFrame(rng.standard_t(3, (rows, 5)), columns=list(targets.TARGETS[::6]))
    return Rows(features, futures, futures)


def test_profiles_of_parts_add_up_to_that_of_the_whole():
    table = noise(0).features.assign(still=0.1, empty=np.nan, rounding=1 + 1e-15 * np.arange(400))
    whole = Profile.of(table)
    parts = Profile.of(table[:0]) + Profile.of(table[:100]) + Profile.of(table[100:])
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(whole.null_share, table.isna().mean())
    assert [name for name, yes in zip(table, whole.constant, strict=True) if yes] == [
        "still", "empty", "rounding",
    ]  # fmt: skip
    assert Profile.of(table[:0]).null_share.tolist() == [1.0] * 15
    assert Profile.of(table[:0]).constant.all()


def test_correlations_are_those_of_the_rows_where_both_are_known():
    rows = noise(1)
    rows.features[NAMES[1]] = -rows.features[NAMES[0]] + 0.1 * rows.features[NAMES[1]]
    expected = rows.features.corr().abs().to_numpy()
    np.testing.assert_allclose(rows.gather().rho, expected, atol=1e-6)


def test_small_moves_at_a_high_level_are_seen():
    rows = noise(2)
    rows.features[NAMES[0]] = 1e6 + 1e-5 * np.random.default_rng(0).normal(size=400)
    found = rows.gather()
    assert not found.constant[0]
    expected = rows.features.sub(rows.features.mean()).corr().abs().to_numpy()
    np.testing.assert_allclose(found.rho[0], expected[0], atol=1e-4)


def test_the_forest_finds_what_matters_and_gives_the_still_nothing():
    rows = noise(3, rows=1500)
    rows.features[NAMES[5]] = 7.0
    rows.features[NAMES[7]] = np.nan
    signal = rows.features[NAMES[2]].fillna(0.0)
    rows.learned = rows.futures.add(3 * signal, axis=0)
    found = rows.gather(trees=20)
    assert found.importance.argmax() == 2
    assert found.importance[2] > 0.5
    assert found.importance.sum() == pytest.approx(1.0)
    assert found.constant.tolist() == [row in (5, 7) for row in range(12)]
    assert found.importance[[5, 7]].tolist() == [0.0, 0.0]
    assert found.null_share[7] == 1.0
    assert np.isnan(found.rho[5]).all()


def test_every_target_counts_alike_whatever_its_unit():
    rows = noise(4, rows=1500)
    quiet, loud = (rows.features[NAMES[row]].fillna(0.0) for row in (0, 1))
    rng = np.random.default_rng(0)
    rows.learned = pd.DataFrame(
        {"a": 1e-6 * (quiet + rng.normal(size=1500)), "b": 1e6 * (loud + rng.normal(size=1500))}
    )
    found = rows.gather(trees=40).importance
    assert found[0] == pytest.approx(found[1], rel=0.3)


def test_evidence_is_the_same_for_any_number_of_workers():
    one, again, other = martingale().gather(), martingale().gather(workers=2), martingale().gather(seed=1)
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, vars(again)[name])
    assert (one.importance != other.importance).any()


def test_no_column_of_a_martingale_is_refused():
    rows = martingale()
    found = rows.gather()
    assert len(found.columns) == 24 + 15 + 180
    assert found.importance.max() > 0
    rho = np.abs(np.corrcoef(rows.features.fillna(0.0).T, rows.futures.T)[:219, 219:])
    assert np.nanmax(rho) < 0.9


@pytest.mark.parametrize("column", [0, 7, 40, 74])
@pytest.mark.parametrize("disguise", [lambda x: x, lambda x: -3e-7 * x + 100, lambda x: x + 1e-6])
def test_a_planted_future_column_is_refused_by_name(column, disguise):
    rows = martingale()
    name = rows.futures.columns[column]
    planted = rows.features.assign(lag__return_lag_5=disguise(rows.futures[name]))
    with pytest.raises(LeakedColumn, match="lag__return_lag_5") as caught:
        Rows(planted, rows.futures, rows.learned).gather()
    assert caught.value.column == "lag__return_lag_5"
    with pytest.raises(LeakedColumn):
        evidence.refuse_leaks(planted, rows.futures)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 11), st.integers(0, 4), st.floats(0, 0.03), st.floats(-6, 6))
def test_any_planted_future_column_is_refused(seed, column, target, disturbance, magnitude):
    rows, rng = noise(seed), np.random.default_rng(seed)
    evidence.refuse_leaks(rows.features, rows.futures)  # honest noise is not
    future = rows.futures.iloc[:, target]
    copy = 10**magnitude * (future + disturbance * future.std() * rng.normal(size=400)) + rng.normal()
    copy = copy.mask(rng.random(400) < 0.1)
    planted = rows.features.assign(**{NAMES[column]: copy})
    with pytest.raises(LeakedColumn) as caught:
        evidence.refuse_leaks(planted, rows.futures)
    assert (caught.value.column, caught.value.target) == (NAMES[column], rows.futures.columns[target])
    assert abs(caught.value.correlation) > 0.999


@pytest.mark.parametrize(("rho", "refused"), [(0.9985, False), (0.9995, True), (-0.9995, True)])
def test_the_limit_is_a_correlation_of_0_999(rho, refused):
    rows = noise(12)
    future = rows.futures.iloc[:, 0]
    z = (future - future.mean()) / future.std()
    other = np.random.default_rng(0).normal(size=400)
    other -= other.mean() + z * (other @ z) / (z @ z)
    planted = rows.features.assign(**{NAMES[0]: rho * z + np.sqrt(1 - rho**2) * other / other.std()})
    assert planted[NAMES[0]].corr(future) == pytest.approx(rho, abs=1e-9)
    if refused:
        with pytest.raises(LeakedColumn, match=re.escape(f"{rho:+.4f}")):
            evidence.refuse_leaks(planted, rows.futures)
    else:
        evidence.refuse_leaks(planted, rows.futures)


def test_evidence_can_be_kept_in_a_file():
    found, file = noise(13).gather(), io.BytesIO()
    np.savez(file, **found.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = Evidence.of(arrays)
    assert again.columns == found.columns
    for name, values in vars(found).items():
        np.testing.assert_array_equal(vars(again)[name], values)
        assert again.rho.dtype == np.float32


def test_a_future_column_under_a_name_of_no_family_is_called_a_leak():
    rows = noise(5)
    planted = rows.features.assign(surprise=rows.futures.iloc[:, 0])
    with pytest.raises(LeakedColumn, match="surprise"):
        Rows(planted, rows.futures, rows.learned).gather()


def test_a_handful_of_common_rows_proves_nothing():
    rows = noise(6)
    few = np.full(400, np.nan)
    few[:3] = rows.futures.iloc[:3, 0]
    evidence.refuse_leaks(rows.features.assign(**{NAMES[0]: few}), rows.futures)


@pytest.mark.parametrize("name", ["base__rate_index", "base__w15_bqx_return", "target__w15_h15"])
def test_reference_columns_and_targets_are_not_on_offer(name):
    rows = noise(7)
    with pytest.raises(BadParameter, match=name):
        Rows(rows.features.assign(**{name: 1.0}), rows.futures, rows.learned).gather()
    with pytest.raises(BadParameter, match=name):
        evidence.refuse_leaks(rows.features.assign(**{name: 1.0}), rows.futures)


def test_strangers_and_short_samples_are_refused():
    rows = noise(8)
    with pytest.raises(BadParameter, match="stranger"):
        Rows(rows.features.assign(stranger=rows.features[NAMES[0]]), rows.futures, rows.learned).gather()
    with pytest.raises(BadParameter, match="99 training rows"):
        Rows(rows.features[:99], rows.futures[:99], rows.learned[:99]).gather()


def test_the_profile_of_all_training_rows_counts_not_that_of_the_sample():
    rows = noise(9)
    everything = Profile.of(pd.concat([rows.features, rows.features.assign(**{NAMES[0]: np.nan})]))
    found = rows.gather(profile=everything)
    assert found.null_share[0] == pytest.approx(0.5, abs=0.02)


def test_the_message_survives_the_way_from_another_process():
    error = LeakedColumn("lag__x", "target__w15_h15", -0.99995)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert "lag__x correlates -0.9999" in str(error) or "lag__x correlates -1.0000" in str(error)


def test_rows_outside_training_change_nothing_of_the_selection():
    whole = noise(10, rows=2000)
    made = split.split(0, 20_000)
    minutes = np.arange(2000) * 10
    train = split.sample(made.train.rows(minutes), 500)
    assert train.size > 100

    def selected(rows: Rows) -> select.Selection:
        parts = (each.iloc[train] for each in (rows.features, rows.futures, rows.learned))
        return select.choose({"eurusd": Rows(*parts).gather()})

    before = selected(whole)
    later = made.assign(minutes) != 0
    other = noise(11, rows=2000)
    for name in ("features", "futures", "learned"):
        mixed = getattr(whole, name).copy()
        mixed[later] = getattr(other, name)[later] * 1e6
        setattr(whole, name, mixed)
    assert selected(whole) == before
