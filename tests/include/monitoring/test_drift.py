"""Drift is found, quiet windows raise no alarm, and what is compared are the same hours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, entropy, gumbel_r

from include.dataset.profile import shifts, stability_index
from include.monitoring import drift
from include.monitoring.drift import BLOCK, LEAST_DAYS, LEVEL, WINDOW, Usual, Verdict, compare, divergence
from include.monitoring.reference import HOURS
from tests.include.monitoring import markets
from tests.include.monitoring.markets import NAMES, features, quiet, reference, windows

DAYS, COLUMNS = 80, 12


def test_divergence_and_index_are_those_of_scipy_and_of_the_report() -> None:
    rng = np.random.default_rng(1)
    found, expected = (rng.dirichlet(np.ones(10), 7) for _ in range(2))
    kl, back = divergence(found, expected), divergence(expected, found)
    np.testing.assert_allclose(kl, entropy(found, expected, axis=1), rtol=1e-12)
    np.testing.assert_allclose(stability_index(found, expected), kl + back, rtol=1e-12)


def test_a_window_is_compared_as_in_the_report_of_the_data_set() -> None:
    values = features(np.random.default_rng(2), 1, DAYS + BLOCK, COLUMNS)[0]
    train, later = values[:DAYS], values[DAYS:]
    verdict = compare(reference(train), Usual(np.zeros(COLUMNS), np.ones(COLUMNS)), 0.0, windows(later))
    expected = shifts(
        NAMES[:COLUMNS],
        train.reshape(-1, COLUMNS).astype(np.float64),
        [later[WINDOW:].reshape(-1, COLUMNS).astype(np.float64)],
    )
    np.testing.assert_allclose(verdict.psi, expected[0], rtol=1e-6)


def test_both_windows_have_to_be_beyond_the_limit() -> None:
    values = features(np.random.default_rng(3), 1, DAYS + BLOCK, COLUMNS)[0]
    found = reference(values[:DAYS])
    known = drift.usual(found)
    assert known is not None
    k = drift.limit([drift.peaks(found)])
    assert k is not None
    late, both = values[DAYS:].copy(), values[DAYS:].copy()
    late[WINDOW:, :, 3] += 2
    both[:, :, 3] += 2
    once, twice = (compare(found, known, k, windows(each)) for each in (late, both))
    assert once.drifted == 0
    assert once.psi[3] > 1, "the index is that of the newest window"
    assert twice.drifted == 1
    assert np.argmax(twice.kl / twice.limits) == 3
    assert twice.drift > drift.DRIFT_KL > once.drift


def test_the_calibration_is_that_of_a_second_computation() -> None:
    """Windows, one by one, each against the days it leaves; peaks from windows that share no day with it."""
    values = features(np.random.default_rng(4), 1, LEAST_DAYS, 5)[0]
    found = reference(values)
    logs = []
    for start in range(LEAST_DAYS - WINDOW + 1):
        own = np.zeros(LEAST_DAYS, np.bool_)
        own[start : start + WINDOW] = True
        inside, outside = (
            np.array(
                [np.histogram(values[days][:, :, c], [-np.inf, *found.edges[c], np.inf])[0] for c in range(5)]
            )
            for days in (own, ~own)
        )
        a, b = (np.maximum(each / each.sum(axis=1, keepdims=True), 1e-4) for each in (inside, outside))
        logs.append(np.log((a * np.log(a / b)).sum(axis=1) + 1e-4))
    table = np.array(logs)
    known = drift.usual(found)
    assert known is not None
    np.testing.assert_allclose(known.mean, table.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(known.sd, np.maximum(table.std(axis=0, ddof=1), 0.1), rtol=1e-9)
    expected = {}
    for second in range(WINDOW, len(table)):
        first = second - WINDOW
        touched = set(range(first, second + WINDOW))
        others = [w for w in range(len(table)) if not touched & set(range(w, w + WINDOW))]
        excess = np.minimum(table[first], table[second]) - table[others].mean(axis=0)
        sd = np.maximum(table[others].std(axis=0, ddof=1), 0.1)
        expected[int(found.days[second + WINDOW - 1])] = float((excess / sd).max())
    assert drift.peaks(found) == pytest.approx(expected, rel=1e-9)


def test_the_limit_is_the_bound_of_the_next_largest_excess() -> None:
    """Gumbel maxima: the next one is above the limit in one of a hundred cases, however few are known."""
    for blocks in (3, 10, 30):
        known = gumbel_r.rvs(size=(4_000, blocks), random_state=blocks)
        following = gumbel_r.rvs(size=4_000, random_state=blocks + 1)
        above = known.mean(axis=1) + drift._factor(blocks, LEVEL) * known.std(axis=1, ddof=1)
        assert np.mean(following > above) == pytest.approx(LEVEL, abs=0.006)


def test_all_pairs_share_one_limit_by_the_largest_excess_of_a_day() -> None:
    days = range(100, 150)
    first = {day: float(day % 7) for day in days}
    second = {day: float(day % 5) for day in days if day % 2}
    largest = [max(first[day], second.get(day, -9.0)) for day in days]
    expected = np.mean(largest) + drift._factor(5, drift.AIM) * np.std(largest, ddof=1)
    assert drift.limit([first, second, {}]) == pytest.approx(expected)


def test_quiet_windows_raise_at_most_one_alarm_in_a_hundred_runs() -> None:
    """All pairs and columns together; three sizes of training. The full size is in make soak."""
    alarms = [
        quiet(seed, worlds, 5, pairs=3, days=days, columns=COLUMNS)
        for seed, worlds, days in ((1, 30, 60), (2, 20, 90), (3, 10, 180))
    ]
    runs, raised = (sum(column) for column in zip(*alarms, strict=True))
    assert runs == 300
    assert raised <= binom.ppf(0.99, runs, LEVEL), f"{raised} of {runs}"


@pytest.mark.parametrize(
    ("what", "least"),
    [("level", 0.95), ("volatility", 0.95), ("shape", 0.95), ("nothing", 0.0)],
)
def test_what_drifts_is_found(what: str, least: float) -> None:
    found = 0
    values = features(np.random.default_rng(6), 1, DAYS + 20 * BLOCK, COLUMNS)[0]
    known = reference(values[:DAYS])
    of = drift.usual(known)
    k = drift.limit([drift.peaks(known)])
    assert of is not None
    assert k is not None
    for later in np.split(values[DAYS:], 20):
        if what == "level":
            later[:, :, 0] += 1.5
        elif what == "volatility":
            later[:, :, 0] *= 4
        elif what == "shape":
            later[:, :, 0] = 2 * np.sign(later[:, :, 0])
        found += compare(known, of, k, windows(later)).drifted > 0
    assert found >= 20 * least
    assert what != "nothing" or found == 0


def test_a_daily_course_is_no_drift_where_some_hours_are_missing() -> None:
    """Half of the hours of a window are not there: against all hours of training it would have drifted."""
    values = features(np.random.default_rng(7), 1, DAYS + BLOCK, COLUMNS, season=3.0)[0]
    known = reference(values[:DAYS])
    of, k = drift.usual(known), drift.limit([drift.peaks(known)])
    assert of is not None
    assert k is not None
    later = windows(values[DAYS:], slice(0, HOURS // 2))
    verdict = compare(known, of, k, later)
    assert verdict.drifted == 0
    naive = shifts(NAMES[:COLUMNS], values[:DAYS].reshape(-1, COLUMNS), [later[1].values])
    assert naive[0].min() > 1 > verdict.psi.max()


def test_a_column_below_the_limit_of_the_specification_never_drifts() -> None:
    still = Usual(np.full(2, -9.0), np.full(2, 0.1))
    assert still.limits(5.0).tolist() == [0.1, 0.1]
    verdict = Verdict(np.array([0.1, 0.05]), np.zeros(2), still.limits(5.0))
    assert (verdict.drifted, verdict.drift) == (0, pytest.approx(0.1))
    wild = Verdict(np.array([0.31, 0.05]), np.zeros(2), still.limits(5.0))
    assert (wild.drifted, wild.drift) == (1, pytest.approx(0.31))


def test_with_few_days_nothing_is_said() -> None:
    few = reference(features(np.random.default_rng(8), 1, LEAST_DAYS - 1, 3)[0])
    assert drift.usual(few) is None
    assert drift.peaks(few) == {}
    assert drift.limit([drift.peaks(few)]) is None
    assert markets.FIRST in few.days
