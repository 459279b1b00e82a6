"""Looked at every day, the test is wrong about equal versions in 5 % of the cases at most."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from include.experiments.sequential import BETTER, LEVEL, OPEN, RATE, WORSE, evidence, judge

RUNS, DAYS = 2_000, 250
Draw = Callable[[np.random.Generator], np.ndarray]


def normal(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(RUNS, DAYS))


def heavy(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(2, size=(RUNS, DAYS))


def clustered(rng: np.random.Generator) -> np.ndarray:
    """Volatility wanders for weeks, by a factor of ten and more."""
    wander = np.cumsum(rng.normal(0, 0.15, size=(RUNS, DAYS)), axis=1)
    return np.exp(wander) * rng.normal(size=(RUNS, DAYS))


def jumps(rng: np.random.Generator) -> np.ndarray:
    """One day in fifty is a hundred times as large."""
    return np.where(rng.random((RUNS, DAYS)) < 0.02, 100.0, 1.0) * rng.normal(size=(RUNS, DAYS))


def coins(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 0.0, 1.0], size=(RUNS, DAYS))


@pytest.mark.parametrize("draw", [normal, heavy, clustered, jumps, coins])
def test_equal_versions_are_called_different_in_at_most_5_percent(draw: Draw) -> None:
    found = draw(np.random.default_rng(20_240_701))
    wrong = sum(judge(days).outcome != OPEN for days in found)
    # By the inequality the true share is at most 0.05, so more than 120 of 2,000 would be one case in 50.
    assert wrong / RUNS <= LEVEL + 2.06 * math.sqrt(LEVEL * (1 - LEVEL) / RUNS)
    assert wrong / RUNS <= LEVEL


def test_looking_every_day_at_a_t_test_does_not_keep_that_promise() -> None:
    found = normal(np.random.default_rng(1))[:400]
    days = np.arange(1, DAYS + 1)
    means = np.cumsum(found, axis=1) / days
    variances = np.cumsum(found**2, axis=1) / days - means**2
    t = (means * np.sqrt(days / variances.clip(1e-12)))[:, 10:]
    assert (np.abs(t) > stats.norm.ppf(0.975)).any(axis=1).mean() > 0.25


@pytest.mark.parametrize(("effect", "least"), [(0.3, 0.85), (0.2, 0.45)])
def test_a_better_challenger_is_found(effect: float, least: float) -> None:
    found = normal(np.random.default_rng(2))[:400] + effect
    verdicts = [judge(days) for days in found]
    assert sum(each.outcome == BETTER for each in verdicts) / 400 >= least
    assert sum(each.outcome == WORSE for each in verdicts) <= 4
    assert {judge(-days).outcome for days in found[:50]} <= {WORSE, OPEN}


def test_the_evidence_is_the_mixture_that_it_says() -> None:
    """By numerical integration over the rates."""
    days = np.array([1.0, 0.8, -0.3, 1.4, 0.9])
    log, _ = evidence(days)
    scaled = [0.0, 0.8 / 1.0, -0.3 / 0.9, 1.4 / 0.8, 0.9 / 0.9]
    rates = np.linspace(-6 * RATE, 6 * RATE, 20_001)
    density = stats.norm.pdf(rates, 0, RATE)
    for day in range(5):
        some = np.array(scaled[: day + 1])
        value = np.exp(rates * some.sum() - rates**2 * (some**2).sum() / 2)
        assert log[day] == pytest.approx(math.log(np.trapezoid(value * density, rates)), abs=1e-6)


def test_the_unit_does_not_matter_and_a_verdict_stays() -> None:
    days = normal(np.random.default_rng(3))[0] + 0.5
    found = judge(days)
    assert found.outcome == BETTER
    assert found.day is not None
    assert judge(1e-6 * days).day == found.day
    assert judge([*days[: found.day], *[-50.0] * 100]).outcome == BETTER, "the day that decided is over"
    assert judge(days[: found.day - 1]).outcome == OPEN
    assert judge([]).outcome == OPEN
    assert judge([0.0, 0.0]).evidence == 1.0
