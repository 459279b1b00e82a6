"""Columns of m1: one base for all four indices; bid, mid and ask only as far as they are known."""

from __future__ import annotations

import numpy as np
import pytest

from include.market.rows import m1_columns
from include.storage.tables import M1_COLUMNS
from tests.include.market.bar_files import walk

BARS = walk(np.arange(20), 1.25, seed=2)


def columns(price_side: str, *, derived: bool = False) -> dict:
    return m1_columns(BARS, 1.25, price_side, derived=derived)


def test_every_column_is_there_in_order() -> None:
    assert list(columns("bid")) == list(M1_COLUMNS)


def test_indices_share_one_base() -> None:
    found = columns("bid")
    np.testing.assert_allclose(found["rate_index"], BARS.close / 1.25 * 100, rtol=1e-15)
    assert (found["low_index"] <= found["rate_index"]).all()
    assert (found["rate_index"] <= found["high_index"]).all()


@pytest.mark.parametrize(
    ("side", "bid", "mid", "ask"), [("bid", 0, 0.5, 1), ("mid", -0.5, 0, 0.5), ("ask", -1, -0.5, 0)]
)
def test_the_other_sides_of_the_close_follow_from_the_spread(
    side: str, bid: float, mid: float, ask: float
) -> None:
    found = columns(side)
    for column, distance in (("bid_close", bid), ("rate", mid), ("ask_close", ask)):
        np.testing.assert_allclose(found[column], BARS.close + distance * BARS.spread, rtol=1e-15)
    assert found["price_side"] == side


def test_an_unknown_side_fills_nothing() -> None:
    found = columns("unknown")
    assert [found[name] for name in ("bid_close", "ask_close", "rate", "bid_open", "ask_high")] == [None] * 5


def test_open_high_low_exist_only_for_the_recorded_side() -> None:
    assert columns("bid")["bid_high"] is BARS.high
    assert columns("bid")["ask_high"] is None
    assert columns("mid")["bid_high"] is None


def test_a_derived_cross_says_so() -> None:
    assert columns("bid", derived=True)["hl_source"] == "derived"
    assert columns("bid")["hl_source"] == "feed"
