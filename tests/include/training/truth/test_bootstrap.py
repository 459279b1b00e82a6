"""The bootstrap against `arch`, adjusted p-values against statsmodels, and what chance makes of no skill."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap, IIDBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from include.training.truth import bootstrap
from include.training.truth.bootstrap import adjusted, by_chance, draws, ratio


def sums(looks: int, days: int, seed: int = 1, skill: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Day sums of squared errors, saved and of the no-skill forecast, with heavy tails and common days."""
    rng = np.random.default_rng(seed)
    whole = np.exp(0.5 * rng.standard_normal((1, days)) + 0.3 * rng.standard_normal((looks, days)))
    noise = 0.7 * rng.standard_t(4, (1, days)) + 0.7 * rng.standard_t(4, (looks, days))
    return whole * (skill + 0.02 * noise), whole


def test_draws_are_the_documented_resamples() -> None:
    counts = draws(7, 50, seed=3)
    chosen = np.random.default_rng(3).integers(0, 7, (50, 7))
    np.testing.assert_array_equal(counts, [[(row == day).sum() for day in range(7)] for row in chosen])


@pytest.mark.parametrize("method", [IIDBootstrap, CircularBlockBootstrap])
def test_the_interval_is_that_of_arch(method: type) -> None:
    part, whole = sums(1, 60, skill=0.01)
    low, high = ratio(part, whole, draws(60)).ends()
    arguments = (1,) if method is CircularBlockBootstrap else ()  # blocks of a day
    theirs = method(*arguments, part[0], whole[0], seed=5)
    expected = theirs.conf_int(lambda a, b: a.sum() / b.sum(), 4_000, method="percentile")[:, 0]
    width = expected[1] - expected[0]
    assert [low[0], high[0]] == pytest.approx(expected, abs=0.06 * width)


def test_the_standard_error_is_that_of_the_resamples() -> None:
    part, whole = sums(3, 80)
    found = ratio(part, whole, draws(80))
    np.testing.assert_allclose(found.error, found.stars.std(axis=0), rtol=0.08)


def test_resamples_are_those_written_out() -> None:
    part, whole = sums(2, 25)
    found = ratio(part, whole, draws(25, 20, seed=9))
    chosen = np.random.default_rng(9).integers(0, 25, (20, 25))
    for star, days in enumerate(chosen):
        a, b = part[:, days], whole[:, days]
        value = a.sum(axis=1) / b.sum(axis=1)
        error = np.sqrt(25 / 24 * ((a - value[:, None] * b) ** 2).sum(axis=1)) / b.sum(axis=1)
        np.testing.assert_allclose(found.stars[star], value, rtol=1e-9)
        np.testing.assert_allclose(found.star_errors[star], error, rtol=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values_are_those_of_statsmodels(p: list[float]) -> None:
    for ours, theirs in (("by", "fdr_by"), ("bh", "fdr_bh")):
        expected = multipletests(p, 0.05, theirs)[1]
        np.testing.assert_allclose(adjusted(np.array(p), ours), expected, rtol=1e-12, atol=1e-300)


def test_no_look_has_nothing_to_adjust() -> None:
    assert adjusted(np.zeros(0), "by").size == 0


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_looks_does_not_matter(order: list[int]) -> None:
    part, whole = sums(12, 25)
    one, other = ratio(part, whole, draws(25, 100)), ratio(part[order], whole[order], draws(25, 100))
    np.testing.assert_allclose(one.p[order], other.p, rtol=1e-9)
    np.testing.assert_allclose(one.stars[:, order], other.stars, rtol=1e-9)


def test_days_without_rows_do_not_count() -> None:
    part, whole = sums(1, 30)
    empty = np.zeros((1, 5))
    longer = ratio(np.concatenate((part, empty), axis=1), np.concatenate((whole, empty), axis=1), draws(35))
    short = ratio(part, whole, draws(30))
    assert (longer.value[0], longer.p[0]) == pytest.approx((short.value[0], short.p[0]))


def test_a_model_that_is_the_no_skill_forecast_has_no_skill() -> None:
    whole = np.ones((2, 20))
    found = ratio(np.array([np.zeros(20), np.full(20, 0.5)]), whole, draws(20))
    assert found.p.tolist() == [1.0, 0.0]  # nothing saved at all; the same saved on every day


def test_p_values_hold_their_level_without_skill() -> None:
    share = [(ratio(*sums(1, 40, seed), draws(40, 2)).p[0] <= 0.025) for seed in range(2_000)]
    assert 0.012 <= np.mean(share) <= 0.040  # 0.025, four standard errors, and some for the tails


def test_verdicts_without_skill_lie_in_the_range_of_the_joint_null() -> None:
    inside, controlled = [], []
    for seed in range(40):
        found = by_chance(ratio(*sums(60, 40, 1_000 + seed), draws(40, 400)))
        low, high = found.nominal_range
        inside.append(low <= found.nominal <= high)
        controlled.append(found.controlled > 0)
    assert np.mean(inside) >= 0.80  # 90 % of worlds, less what 40 worlds leave open
    assert np.mean(controlled) <= 0.125  # at 5 %


def test_common_days_widen_the_range() -> None:
    rng = np.random.default_rng(4)
    whole = np.ones((50, 40))
    alone = rng.standard_normal((50, 40))
    common = rng.standard_normal((1, 40)) + alone
    narrow = by_chance(ratio(alone, whole, draws(40))).nominal_range
    wide = by_chance(ratio(common, whole, draws(40))).nominal_range
    assert wide[1] >= narrow[1] + 2


def test_planted_skill_survives_the_control() -> None:
    part, whole = sums(100, 40)
    part[:5] += 0.05 * whole[:5]
    found = ratio(part, whole, draws(40))
    p = adjusted(found.p, "by")
    assert (p[:5] <= bootstrap.LEVEL).all()
    assert (p[5:] <= bootstrap.LEVEL).sum() == 0
    assert by_chance(found).controlled == 5
