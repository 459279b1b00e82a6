"""The unit of a spread by hand: what the values and the prices say, and what they leave open."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.errors import BadInput
from include.market.formats.spread import ABSENT, Quotes, Unit, in_price_units

EUR = Quotes("eurusd", np.array([1.08123, 1.08125]), exact=5, written=5)
EUR_FOUR = Quotes("eurusd", np.array([1.0812, 1.0815]), exact=4, written=4)
YEN = Quotes("usdjpy", np.array([161.123, 161.131]), exact=3, written=3)
POINTS = Unit(documented="points")


@pytest.mark.parametrize(
    ("values", "quotes", "unit", "expected", "told"),
    [
        ([8, 12], EUR, Unit(is_whole=True), [0.00008, 0.00012], "points of 0.00001"),
        ([8, 12], EUR, POINTS, [0.00008, 0.00012], "points of 0.00001"),
        ([2, 3], EUR_FOUR, POINTS, [0.0002, 0.0003], "points of 0.0001"),
        ([8, 12], YEN, POINTS, [0.008, 0.012], "points of 0.001"),
        ([0.8, 1.0], EUR, Unit(), [0.00008, 0.0001], "pips of 0.0001"),
        ([0.8, 0.3], EUR, POINTS, [0.00008, 0.00003], "pips of 0.0001"),
        ([0.8, 1.2], YEN, Unit(), [0.008, 0.012], "pips of 0.01"),
        ([0.00008, 0.0001], EUR, Unit(), [0.00008, 0.0001], "price units"),
        ([0.00008, 0.0001], EUR, POINTS, [0.00008, 0.0001], "price units"),
        ([0.031, 0.035], YEN, Unit(), [0.031, 0.035], "price units"),
        ([0.3, 0.4], YEN, Unit(documented="price"), [0.3, 0.4], "price units"),
        ([-1, 12], EUR, POINTS, [-0.00001, 0.00012], "points of 0.00001"),
        ([np.nan, 12], EUR, POINTS, [np.nan, 0.00012], "points of 0.00001"),
        ([0, 0], EUR, POINTS, [0, 0], ABSENT),
        ([7.5, 12.25], EUR, Unit(declared="points"), [0.000075, 0.0001225], "points of 0.00001 as declared"),
        ([1.0, 2.0], EUR, Unit(declared="pips"), [0.0001, 0.0002], "pips of 0.0001 as declared"),
    ],
)
def test_unit_by_hand(
    values: list[float], quotes: Quotes, unit: Unit, expected: list[float], told: str
) -> None:
    found, said = in_price_units(np.array(values, dtype=float), quotes, unit, "x.csv")
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert said == told


@pytest.mark.parametrize(
    ("values", "quotes", "unit", "why"),
    [
        ([1.0, 2.0], EUR, Unit(), "may be points or pips"),
        ([7.5, 12.5], EUR, POINTS, "may be pips or averages of points"),
        ([0.25, 0.31], YEN, Unit(), "may be price units or pips"),
        ([8, 12], EUR._replace(exact=4), POINTS, "do not show how large a point is"),
        ([8, 12], EUR._replace(exact=6, written=6), POINTS, "do not show how large a point is"),
        ([8, 12], EUR._replace(exact=2, written=2), POINTS, "do not show how large a point is"),
        ([0.83, 0.91], EUR, Unit(), "may be price units or pips"),
        ([8000, 9000], EUR, POINTS, "far from what the pair costs"),
        ([8e-10, 9e-10], EUR, Unit(), "far from what the pair costs"),
    ],
)
def test_what_is_open_is_refused_with_a_line_to_write(
    values: list[float], quotes: Quotes, unit: Unit, why: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        in_price_units(np.array(values, dtype=float), quotes, unit, "a [1].csv")
    assert refusal.value.code == "spread-unit-unknown"
    assert why in str(refusal.value)
    assert 'A line of bars.yaml for it: "a [[]1].csv": {unit: ' in str(refusal.value)


@pytest.mark.parametrize(
    ("texts", "exact", "written"),
    [
        (["1.08000", "1.08123"], 5, 5),
        (["1.0800", "1.0812"], 4, 4),
        (["1.08000", "1.08120"], 4, 5),
        (["1.081230", "1.08"], 5, 6),
        (["161", "161.5"], 1, 1),
        (["1.0800000000000001", "1.08123"], 5, 16),
    ],
)
def test_decimals_that_prices_need_and_have(texts: list[str], exact: int, written: int) -> None:
    prices = [np.array([float(text) for text in texts])]
    found = Quotes.of("eurusd", prices, [pa.array(texts)])
    assert (found.exact, found.written) == (exact, written)
    assert Quotes.of("eurusd", prices).written == exact
