"""The split by hand, and against a checker that looks at every minute."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.dataset import split as splits
from include.dataset.split import Fold, Interval, Split
from include.errors import BadParameter
from include.names import to_minute

YEAR = to_minute(datetime(2024, 7, 1, tzinfo=UTC)), to_minute(datetime(2025, 7, 1, tzinfo=UTC))
HORIZONS = WINDOWS = (15, 30, 45, 60, 75)


def minute(*when: int) -> int:
    return to_minute(datetime(*when, tzinfo=UTC))


def test_the_stated_boundaries():
    made = splits.split(*YEAR)
    assert made.boundaries == (minute(2025, 3, 13, 12), minute(2025, 5, 7, 6))
    assert made.train == Interval(YEAR[0], minute(2025, 3, 13, 8, 45))
    assert made.test.end == YEAR[1]


def test_boundaries_are_rounded_down_to_the_minute():
    made = splits.split(1, 20_002)  # 20,001 minutes: 14,000.7 and 17,000.85
    assert made.boundaries == (14_001, 17_001)


@pytest.mark.parametrize("length", [0, -10, 196, 1_300])
def test_a_period_too_short_is_refused(length):
    with pytest.raises(BadParameter, match="too short"):
        splits.split(1000, 1000 + length)


def test_rows_are_assigned_once_and_gaps_to_nobody():
    made = splits.split(0, 10_000)
    assigned = made.assign(np.arange(-5, 10_005))
    assert np.bincount(assigned + 1).tolist() == [10 + 2 * 195, 7000 - 195, 1500 - 195, 1500]
    assert assigned[5] == 0
    assert (np.diff(assigned[assigned >= 0]) >= 0).all()


def test_a_split_survives_json():
    made = splits.split(*YEAR)
    assert Split.of(json.loads(json.dumps(made.to_dict()))) == made


def test_folds_roll_through_the_period():
    made = splits.folds(*YEAR)
    assert len(made) == (365 - 90) // 7 + 1
    first, last = made[0], made[-1]
    assert first == Fold(
        0, Interval(YEAR[0], YEAR[0] + 60 * 1440 - 195), Interval(YEAR[0] + 60 * 1440, YEAR[0] + 90 * 1440)
    )
    assert made[1].train.start - first.train.start == 7 * 1440
    assert last.test.end <= YEAR[1] < last.test.end + 7 * 1440
    assert splits.folds(0, 90 * 1440 - 1) == ()
    assert len(splits.folds(0, 90 * 1440)) == 1
    with pytest.raises(BadParameter):
        splits.folds(0, 10**6, step_days=0)


def test_a_sample_is_even_and_whole():
    eligible = np.random.default_rng(0).random(5000) < 0.4
    numbers = np.flatnonzero(eligible)
    np.testing.assert_array_equal(splits.sample(eligible, 10**6), numbers)
    for rows in (1, 7, 500, numbers.size - 1):
        taken = splits.sample(eligible, rows)
        assert taken.size == rows
        assert np.isin(taken, numbers).all()
        assert (np.diff(taken) > 0).all()
        cells = np.searchsorted(numbers, taken) * rows // numbers.size  # one of each, up to rounding
        assert np.abs(cells - np.arange(rows)).max() <= 1
    assert splits.sample(np.zeros(10, bool), 5).size == 0


@pytest.mark.parametrize("eligible", [300_000, 300_017, 480_000, 2_160_000])
def test_a_sample_sees_every_minute_of_the_hour_alike(eligible):
    taken = splits.sample(np.ones(eligible, bool), 5_000)
    counts = np.bincount(taken % 60, minlength=60)
    assert counts.min() > 0.75 * 5_000 / 60
    assert counts.max() < 1.25 * 5_000 / 60


def minutes_used(t: int, h: int, w: int, lookback: int) -> tuple[set[int], set[int]]:
    """Minutes in the feature window of a row, and from the row to the last its label reads."""
    feature = set(range(t - max(lookback, w), t + 1))
    return feature, set(range(t, t + h + 1))


def overlaps(earlier: np.ndarray, later: np.ndarray, h: int, w: int, lookback: int) -> bool:
    """Whether the label of any earlier row touches the feature or label window of any later row.

    Looks at minutes, not at boundaries; only the rows that could touch each other are looked at.
    """
    if not len(earlier) or not len(later):
        return False
    labels: set[int] = set()
    for t in earlier[-100:].tolist():
        labels |= minutes_used(t, h, w, lookback)[1]
    used: set[int] = set()
    for t in later[:100].tolist():
        feature, label = minutes_used(t, h, w, lookback)
        used |= feature | label | set(range(t + h - w, t + h + 1))
    return bool(labels & used) or bool(set(earlier.tolist()) & set(later.tolist()))


PERIODS = st.tuples(
    st.integers(25_000_000, 30_000_000),  # first minute
    st.integers(1_500, 60_000),  # minutes
    st.integers(0, 2**32 - 1),  # seed of the gaps
    st.sampled_from(HORIZONS) | st.integers(1, 75),
    st.sampled_from(WINDOWS) | st.integers(1, 75),
    st.integers(0, 119),  # rows that features look back beside w
)


def grid(start: int, length: int, seed: int) -> np.ndarray:
    """Rows with a hole in about every thousand minutes, of one minute to two days."""
    rng = np.random.default_rng(seed)
    keep = np.ones(length, bool)
    for at, size in zip(
        rng.integers(0, length, length // 1000), rng.choice([1, 6, 60, 2880], length // 1000), strict=True
    ):
        keep[at : at + size] = False
    return start + np.flatnonzero(keep)


def check_split(case: tuple[int, int, int, int, int, int]) -> None:
    start, length, seed, h, w, lookback = case
    ts = grid(start, length, seed)
    made = splits.split(start, start + length)
    assigned = made.assign(ts)
    train, val, test = (ts[assigned == number] for number in range(3))
    for earlier, later in ((train, val), (val, test), (train, test)):
        assert not overlaps(earlier, later, h, w, lookback)
        if len(earlier) and len(later):
            assert later.min() - earlier.max() >= 195 >= 75 + 75 + 1
    first, second = made.boundaries
    lost = ts[assigned == -1]
    assert (((first - 195 <= lost) & (lost < first)) | ((second - 195 <= lost) & (lost < second))).all()
    assert (train.size + val.size + test.size + lost.size) == ts.size
    shares = [(first - start) / length, (second - first) / length, (start + length - second) / length]
    np.testing.assert_allclose(shares, [0.70, 0.15, 0.15], atol=1.01 / length)
    assert splits.split(start, start + length) == made  # of the period alone


def check_cases(cases: Iterable[tuple[int, int, int, int, int, int]]) -> None:
    for case in cases:
        check_split(case)


def check_folds(case: tuple[int, int, int, int, int, int]) -> None:
    start, length, seed, h, w, lookback = case
    ts = grid(start, length, seed)
    days = {"train_days": 1 + seed % 5, "test_days": 1 + seed % 3, "step_days": 1 + seed % 4}
    for fold in splits.folds(start, start + length, **days)[:3]:
        train, test = ts[fold.train.rows(ts)], ts[fold.test.rows(ts)]
        assert not overlaps(train, test, h, w, lookback)
        assert fold.test.end <= start + length
        assert fold.train.start >= start
        if len(train) and len(test):
            assert test.min() - train.max() >= 195


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(PERIODS)
def test_no_label_reaches_into_a_later_set(case):
    check_split(case)
    check_folds(case)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(PERIODS)
def test_no_label_reaches_into_a_later_set_in_10_000_cases(case):
    check_split(case)
    check_folds(case)


@pytest.mark.parametrize("gap", [74, 119, 150])
def test_the_checker_sees_a_gap_that_is_too_small(gap, monkeypatch):
    monkeypatch.setattr(splits, "GAP", gap)
    with pytest.raises(AssertionError):
        check_cases((25_000_000, 20_000, seed, 75, 75, 119) for seed in range(20))  # holes may hide it
