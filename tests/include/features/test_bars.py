"""Bars: slices and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from include.errors import BadParameter
from include.features.bars import Bars
from tests.include.features.markets import bars_of


def test_slice_is_half_open_and_keeps_every_array():
    bars = bars_of(
        np.array([10, 11, 15, 20]), np.array([1.0, 2.0, 3.0, 4.0]), volume=np.array([5.0, 6.0, 7.0, 8.0])
    )
    part = bars.slice(11, 20)
    assert part.ts.tolist() == [11, 15]
    assert part.close.tolist() == [2.0, 3.0]
    assert part.volume.tolist() == [6.0, 7.0]
    assert len(part) == 2
    assert len(bars.slice(30, 40)) == 0


@pytest.mark.parametrize("ts", [[10, 12, 12], [10, 12, 11]])
def test_minutes_must_increase(ts):
    with pytest.raises(BadParameter, match=rf"row 2 \(minute {ts[2]}\) does not follow minute 12"):
        bars_of(np.array(ts), np.ones(3))


def test_arrays_must_have_one_length():
    one = np.ones(2)
    with pytest.raises(BadParameter, match=r"one length.*'volume': \(1,\)"):
        Bars(np.array([1, 2]), one, one, one, one, volume=np.ones(1), spread=one)
