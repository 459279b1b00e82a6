"""Derived crosses by hand and against a market whose crosses are known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from include.errors import MissingInput
from include.features.bars import Bars
from include.market import crosses, synthetic
from include.market.levels import tick_size
from include.names import Month
from include.pairs import PAIRS, USD_MAJORS, usd_legs

REAL_TEN = (
    "audchf",
    "audusd",
    "eurchf",
    "eurgbp",
    "eurusd",
    "gbpusd",
    "nzdusd",
    "usdcad",
    "usdchf",
    "usdjpy",
)


def bars(minutes: list[int], opens: list[float], closes: list[float]) -> Bars:
    o, c = np.array(opens), np.array(closes)
    wide = np.full(len(minutes), 1.0)
    return Bars(np.array(minutes), o, np.maximum(o, c) + 0.1, np.minimum(o, c) - 0.1, c, wide, wide)


@pytest.mark.parametrize(
    ("pair", "first", "second", "expected"),
    [
        ("audcad", 0.75, 1.5, 1.125),  # AUDUSD * USDCAD
        ("audnzd", 0.75, 0.5, 1.5),  # AUDUSD / NZDUSD
        ("cadchf", 1.25, 0.5, 0.4),  # USDCHF / USDCAD
        ("eurjpy", 1.25, 128.0, 160.0),
        ("chfjpy", 0.8, 160.0, 200.0),
    ],
)
def test_price_by_hand(pair: str, first: float, second: float, expected: float) -> None:
    got = crosses.derive(pair, bars([7], [first], [first]), bars([7], [second], [second]))
    assert got.close.tolist() == [expected]
    assert got.open.tolist() == [expected]


def test_only_common_minutes_and_a_lower_bound_of_the_range() -> None:
    first = bars([1, 2, 4, 5], [1.0, 1.1, 1.2, 1.3], [1.1, 1.0, 1.3, 1.2])
    second = bars([2, 3, 4, 6], [2.0, 9.0, 2.0, 9.0], [2.0, 9.0, 1.0, 9.0])
    got = crosses.derive("audcad", first, second)
    assert got.ts.tolist() == [2, 4]
    assert got.open.tolist() == [2.2, 2.4]
    assert got.close.tolist() == [2.0, 1.3]
    assert got.high.tolist() == [2.2, 2.4]
    assert got.low.tolist() == [2.0, 1.3]
    assert np.isnan(got.volume).all()
    assert np.isnan(got.spread).all()


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in USD_MAJORS])
def test_every_cross_has_base_value_over_quote_value(pair: str) -> None:
    """Exact arithmetic: dollars per base divided by dollars per quote, rounded once."""
    random = np.random.default_rng(4)
    prices = {major: float(np.round(random.uniform(0.5, 150.0), 5)) for major in USD_MAJORS}

    def dollars(currency: str) -> Fraction:
        straight = currency + "usd"
        return Fraction(prices[straight]) if straight in prices else 1 / Fraction(prices["usd" + currency])

    one, other = (bars([3], [prices[leg.pair]], [prices[leg.pair]]) for leg in usd_legs(pair))
    got = crosses.derive(pair, one, other).close[0]
    assert got == float(dollars(pair[:3]) / dollars(pair[3:]))


def test_derived_crosses_agree_with_the_quoted_ones() -> None:
    month = Month(2024, 7).first_minute
    market = synthetic.simulate(month, month + 2 * 1440, seed=1)
    for pair in PAIRS:
        if pair in USD_MAJORS:
            continue
        legs = usd_legs(pair)
        got = crosses.derive(pair, *(market[leg.pair] for leg in legs))
        common, at_derived, at_quoted = np.intersect1d(got.ts, market[pair].ts, return_indices=True)
        quoted = market[pair].close[at_quoted]
        rounding = sum(
            tick_size(name) / market[name].close.min() for name in (pair, *(leg.pair for leg in legs))
        )
        assert len(common) > 2500
        assert np.abs(got.close[at_derived] / quoted - 1.0).max() < 0.51 * rounding


def test_missing_crosses_of_the_seven_majors() -> None:
    assert crosses.missing(USD_MAJORS) == tuple(pair for pair in PAIRS if pair not in USD_MAJORS)
    assert len(crosses.missing(REAL_TEN)) == 18
    assert set(crosses.missing(REAL_TEN)) | set(REAL_TEN) == set(PAIRS)
    assert crosses.missing(("eurusd", "gbpusd")) == ("eurgbp",)
    assert crosses.missing(PAIRS) == ()


def test_nothing_derivable_names_the_legs_to_add() -> None:
    with pytest.raises(MissingInput, match=r"audusd.*usdjpy"):
        crosses.missing(("audchf", "eurusd"))


def test_legs_without_a_common_minute_are_refused() -> None:
    with pytest.raises(MissingInput, match="audcad cannot be derived: audusd and usdcad"):
        crosses.derive("audcad", bars([1], [1.0], [1.0]), bars([2], [1.0], [1.0]))
    with pytest.raises(ValueError, match="USD major"):
        crosses.derive("eurusd", bars([1], [1.0], [1.0]), bars([1], [1.0], [1.0]))
