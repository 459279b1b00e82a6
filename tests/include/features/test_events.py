"""Jumps and regimes by hand, at their bounds and thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.features import engine, events
from include.features.kernels import recursive
from tests.include.features.markets import series_of


def from_returns(r) -> dict[str, np.ndarray]:
    """Columns of a series with these returns after a first close of 100."""
    close = 100 * np.exp(np.concatenate([[0.0], np.cumsum(r)]))
    return engine.compute("event", series_of(close))


def alternating(rows, size=1e-4):
    return size * np.where(np.arange(rows) % 2, -1.0, 1.0)


SG = 1e-4 * math.sqrt(60 / 59)  # sd of 60 returns of +-1e-4


@pytest.mark.parametrize(
    ("sigmas", "flags"), [(2.4, (0, 0)), (2.6, (1, 0)), (2.9, (1, 0)), (3.1, (1, 1)), (-2.6, (1, 0))]
)
def test_a_jump_is_measured_by_the_sixty_returns_before_it(sigmas, flags):
    r = alternating(120)
    r[100] = sigmas * SG
    columns = {name: values[101] for name, values in from_returns(r).items()}
    assert (columns["jump_flag_2_5_sigma"], columns["jump_flag_3_sigma"]) == flags
    assert columns["jump_direction"] == (math.copysign(1, sigmas) if flags[0] else 0)
    assert columns["jump_magnitude_z"] == pytest.approx(sigmas if flags[0] else 0, rel=1e-9)
    assert columns["time_since_last_jump"] == (0 if flags[0] else 1440)


def test_counts_and_time_since_a_jump():
    r = alternating(1800)
    r[[200, 230]] = 1e-2
    columns = from_returns(r)
    since, count = columns["time_since_last_jump"], columns["jump_count_60"]
    assert since[200] == 1440  # none yet
    assert since[201:204].tolist() == [0, 1, 2]
    assert since[230] == 29
    assert columns["jump_flag_2_5_sigma"][231] == 1
    assert since[231 + 1439] == 1439
    assert since[231 + 1440] == since[231 + 1441] == 1440
    assert (count[201], count[231], count[260], count[261], count[291]) == (1, 2, 2, 1, 0)
    assert columns["jump_count_20"][[220, 221]].tolist() == [1, 0]


def test_an_unknown_flag_hides_the_time_since_a_jump():
    flag = np.array([np.nan, 0, 1, 0, np.nan, 0, 0, 1, 0, np.nan, 0, 0, 0, 0, 0])
    expected = [np.nan, 4, 0, 1, np.nan, np.nan, np.nan, 0, 1, np.nan, np.nan, np.nan, np.nan, 4, 4]
    np.testing.assert_array_equal(events._since(flag, 4), expected)


def test_no_jump_out_of_stillness():
    """Where the sixty returns before are all equal there is nothing to measure a jump by."""
    columns = from_returns(np.concatenate([np.zeros(100), [1e-2], np.zeros(10)]))
    assert columns["jump_flag_2_5_sigma"][101] == columns["jump_magnitude_z"][101] == 0


def test_decay_after_a_jump():
    r = alternating(150)
    assert from_returns(r)["post_jump_decay_20"][149] == 1
    r[140] = 1e-2
    after = from_returns(r)["post_jump_decay_20"]
    sd = (np.std(r[136:141], ddof=1), np.std(r[121:141], ddof=1))
    assert after[141] == pytest.approx(sd[0] / sd[1], rel=1e-9)
    assert after[146] < 0.1 < after[145]


def test_the_bound_of_the_decay_is_attained():
    """All the movement of 20 returns within the last 5, around the mean of them all."""
    r = np.concatenate([alternating(100), np.zeros(15), [1e-2, -1e-2, 1e-2, -1e-2, 0.0]])
    assert from_returns(r)["post_jump_decay_20"][-1] == pytest.approx(math.sqrt(19 / 4), rel=1e-9)


def test_volatility_regime_follows_the_rank_in_a_day():
    r = alternating(1700)
    r[1600:] *= 3
    columns = from_returns(r)
    assert columns["vol_regime_20"][1590] == 1  # all equal: in the middle
    assert columns["vol_regime_20"][1660] == columns["vol_regime_60"][1680] == 2
    assert columns["vol_percentile_100"][1660] > 0.6
    assert columns["vol_regime_transition"][[1590, 1603]].tolist() == [0, 1]
    assert columns["vol_expansion_flag"][1621] == 1
    quiet = alternating(1700)
    quiet[1600:] /= 3
    columns = from_returns(quiet)
    assert columns["vol_regime_20"][1660] == 0
    assert columns["vol_compression_flag"][1621] == 1


def test_volatilities_by_hand():
    """Returns of +-a: the averages of r^2 stand at a^2; h at (0.01*vb + 0.05*a^2)/0.06."""
    columns = from_returns(alternating(2500))
    assert columns["ewma_vol_30"][-1] == pytest.approx(1e-4, rel=1e-9)
    long_run = 1e-8 * 1440 / 1439
    assert columns["garch_vol_estimate"][-1] == pytest.approx(
        math.sqrt((0.01 * long_run + 0.05 * 1e-8) / 0.06), rel=1e-9
    )


def test_the_variance_starts_at_the_long_run_and_reverts_to_it():
    squares, base = np.array([np.nan, 9.0, 4.0, 0.0]), np.array([np.nan, np.nan, 2.0, 3.0])
    values = recursive.reverting(squares, base, (0.01, 0.05, 0.94))
    first = 0.01 * 2 + 0.05 * 4 + 0.94 * 2
    np.testing.assert_allclose(values, [np.nan, np.nan, first, 0.01 * 3 + 0.94 * first], rtol=1e-15)


@pytest.mark.parametrize("way", [1, -1])
def test_a_straight_line_is_a_trend(way):
    columns = engine.compute("event", series_of(100 + way * 1e-3 * np.arange(1600)))
    last = {name: values[-1] for name, values in columns.items()}
    assert last["trend_regime_20"] == last["trend_regime_60"] == 2 * way
    assert last["trend_strength_60"] == pytest.approx(1, rel=1e-12)
    assert last["trend_consistency_20"] == way
    assert last["trend_reversal_flag"] == last["sideways_flag_20"] == 0


def test_a_peak_is_a_reversal():
    close = 100 - 1e-3 * np.abs(np.arange(100) - 50.0)
    columns = engine.compute("event", series_of(close))
    assert columns["trend_reversal_flag"][49] == 0
    assert columns["trend_reversal_flag"][[64, 65]].tolist() == [1, 1]
    assert columns["trend_consistency_20"][57] == pytest.approx(-1 / 3)  # 5 and 10 rows fall, 20 still rise
    assert columns["trend_consistency_20"][90] == -1


def test_sideways_needs_no_trend_and_little_volatility():
    r = 1e-4 * np.random.default_rng(8).normal(size=1700)
    r[1600:] /= 5
    columns = from_returns(r)
    sideways = columns["sideways_flag_20"][1640:]
    expected = (columns["trend_strength_20"][1640:] < 0.3) & (columns["vol_regime_20"][1640:] == 0)
    assert set(sideways) == {0, 1}
    np.testing.assert_array_equal(sideways, expected)


@pytest.mark.parametrize(("share", "sideways"), [(0.3, 0), (0.2999, 1)])
def test_rounding_does_not_decide_a_share_that_is_the_limit(share, sideways):
    """A line plus + - - +, which is at right angles to it: R2 = 665/(665 + 20*c^2)."""
    c = math.sqrt(665 * (1 - share) / share / 20)
    unit = np.arange(20) + c * np.tile([1.0, -1.0, -1.0, 1.0], 5)
    for scale in np.random.default_rng(6).uniform(1e-4, 1e-2, 50):
        columns = events._trend(series_of(100 + scale * unit), np.ones(20), np.zeros(20))
        assert columns["trend_strength_20"][-1] == pytest.approx(share, abs=1e-9)
        assert columns["sideways_flag_20"][-1] == sideways


def test_a_gap_over_a_weekend_is_large_and_finite():
    r = 1e-4 * np.random.default_rng(9).normal(size=1700)
    r[1550] = 0.01
    columns = from_returns(r)
    assert all(np.isfinite(values[1540:]).all() for values in columns.values())
    assert columns["jump_flag_3_sigma"][1551] == 1
    assert columns["jump_magnitude_z"][1551] > 50
    assert columns["vol_z_score_20"][1551] == pytest.approx(119 / math.sqrt(120), rel=1e-2)
