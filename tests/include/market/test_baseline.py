"""One base for all pairs, chosen once: the rules of docs/market_data.md."""

from __future__ import annotations

import numpy as np
import pytest

from include.errors import MissingInput
from include.features.bars import Bars
from include.market.baseline import PREFERRED, baseline_minute, choose_baselines
from include.storage.log import Baseline
from tests.include.market.bar_files import walk


class Memory:
    """A source that holds its bars in memory."""

    def __init__(self, **bars: Bars) -> None:
        self._bars = bars
        self.pairs = list(bars)

    def limits(self, pair: str) -> tuple[int, int]:
        return int(self._bars[pair].ts[0]), int(self._bars[pair].ts[-1])

    def bars(self, pair: str, first: int, end: int) -> Bars:
        return self._bars[pair].slice(first, end)

    def first_close(self, pair: str, minute: int) -> tuple[int, float] | None:
        bars = self._bars[pair]
        later = np.flatnonzero(bars.ts >= minute)
        return (int(bars.ts[later[0]]), float(bars.close[later[0]])) if later.size else None


def at(*minutes: int, offset: int = 0) -> Bars:
    return walk(np.array(minutes) + offset, 1.1, seed=1)


def test_the_preferred_time_if_every_pair_has_a_bar_then_or_later() -> None:
    source = Memory(eurusd=at(-10, 0, 5, offset=PREFERRED), gbpusd=at(-10, 7, offset=PREFERRED))
    assert baseline_minute(source) == PREFERRED
    bases = choose_baselines(source, {})
    assert [base.minute - PREFERRED for base in bases.values()] == [0, 7]


def test_otherwise_the_first_minute_all_pairs_share() -> None:
    source = Memory(eurusd=at(1, 4, 6, 9), gbpusd=at(2, 4, 9), usdjpy=at(0, 6, 9))
    assert baseline_minute(source) == 9
    assert {base.minute for base in choose_baselines(source, {}).values()} == {9}


def test_a_common_minute_weeks_after_the_last_start_is_found() -> None:
    weeks = 10_080
    source = Memory(eurusd=at(0, 5 * weeks), gbpusd=at(1, 5 * weeks))
    assert baseline_minute(source) == 5 * weeks


def test_pairs_that_never_meet_are_refused() -> None:
    with pytest.raises(MissingInput, match="No minute has a bar of every pair"):
        baseline_minute(Memory(eurusd=at(0, 2), gbpusd=at(1, 3)))


def test_a_stored_baseline_never_moves_and_new_pairs_join_it() -> None:
    stored = {"eurusd": Baseline(100, 1.5)}
    source = Memory(eurusd=at(0, 100, 200), gbpusd=at(0, 99, 103))
    bases = choose_baselines(source, stored)
    assert bases["eurusd"] == Baseline(100, 1.5)
    assert bases["gbpusd"].minute == 103


def test_a_pair_that_ends_before_the_baseline_is_refused() -> None:
    with pytest.raises(
        MissingInput, match="gbpusd has no bar at or after the baseline time 1970-01-01 01:40"
    ):
        choose_baselines(Memory(gbpusd=at(0, 50)), {"eurusd": Baseline(100, 1.5)})
