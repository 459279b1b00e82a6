"""The unit of a spread, found from its own values and the decimals of the prices, never assumed.

Price units are ask minus bid. A pip is ten ticks of `include.market.levels.tick_size`: 0.01 for yen pairs,
0.0001 for others. A point is the last decimal of the broker's quotes: a tick, or a pip where quotes have
four decimals (two for yen pairs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from include.features.arrays import Floats
from include.market.checks import PRICE_UNITS, SPREAD_LEAST, SPREAD_MEDIAN
from include.market.levels import decimals, tick_size
from include.market.problems import bad

COLUMNS = ("spread", "points", "pips")  # meanings of `layout.Layout` that hold a spread
ABSENT = "absent"
_MOST_DECIMALS = 9
_TENTHS = 1e-6  # how far a number of pips may lie from whole tenths of one
_LARGEST_IN_YEN = 0.1  # ten pips: from there on a spread of a yen pair may be one in pips


class Quotes(NamedTuple):
    """What the prices of a file say about its spread.

    Attributes:
        pair: what they quote.
        close: shape (n,).
        exact: decimals that the prices need.
        written: decimals with which they are written; equal to `exact` where they are no text.
    """

    pair: str
    close: Floats
    exact: int
    written: int

    @classmethod
    def of(cls, pair: str, prices: Sequence[Floats], texts: Sequence[Any] = ()) -> Quotes:
        """From the four prices, shape (n,) each, and their texts where they are text."""
        exact = max(_needed(price) for price in prices)
        written = max((_after_point(text) for text in texts), default=exact)
        return cls(pair, prices[-1], exact, written)

    @property
    def point(self) -> float | None:
        """Size of a point in price units; None where the prices do not show it."""
        usual = decimals(self.pair)
        if self.exact == usual:
            return tick_size(self.pair)
        if self.exact == self.written == usual - 1:
            return 10.0 * tick_size(self.pair)
        return None


class Unit(NamedTuple):
    """What is said of the unit of a column of spreads.

    Attributes:
        documented: unit of the provider's format: price, pips or points; None if there is none.
        declared: unit that the column's name or ``bars.yaml`` says, which decides.
        is_whole: the spreads are written without a decimal point.
    """

    documented: str | None = None
    declared: str | None = None
    is_whole: bool = False

    @classmethod
    def of(cls, column: str, documented: str | None, declared: str | None, *, is_whole: bool) -> Unit:
        """What is said of a column of `COLUMNS`: its name may say the unit, ``bars.yaml`` comes first."""
        return cls(documented, declared or (None if column == "spread" else column), is_whole)


def in_price_units(values: Floats, quotes: Quotes, unit: Unit, source: str) -> tuple[Floats, str]:
    """Convert a column of spreads.

    Args:
        values: shape (n,), in the unit of the file, NaN where absent.
        quotes: the prices beside it.
        unit: what is said of their unit.
        source: file to blame.

    Returns:
        The spread in price units, and what was decided, for people.

    Raises:
        BadInput: the unit cannot be told (``spread-unit-unknown``).
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0.0)])
    if not sizes.size:  # infinite ones are refused later
        return values, ABSENT
    middle = float(np.median(sizes))
    found = unit.declared or _found(sizes, unit.documented)
    doubt = "" if unit.declared else _doubt(found, unit, quotes, middle)
    if doubt:
        text = f"spreads such as {middle:g} may be {doubt}"
        raise bad("spread-unit-unknown", source, text, line="unit: pips")
    size = {"price": 1.0, "pips": 10.0 * tick_size(quotes.pair), "points": quotes.point}[found]
    if size is None and unit.declared:
        size = tick_size(quotes.pair)
    if size is None:
        text = f"spreads such as {middle:g} are points, and prices of {quotes.exact} decimals do not show"
        raise bad("spread-unit-unknown", source, f"{text} how large a point is", line="unit: points")
    name = PRICE_UNITS if found == "price" else f"{found} of {size:.{_MOST_DECIMALS}f}".rstrip("0")
    name += " as declared" if unit.declared else ""
    if not (unit.declared or unit.documented == "price" or _is_usual(middle * size, quotes)):
        text = f"spreads such as {middle:g} in {name} are far from what the pair costs"
        raise bad("spread-unit-unknown", source, text, line="unit: price")
    return (values if found == "price" else values * size), name


def _found(sizes: Floats, documented: str | None) -> str:
    """Points are whole numbers, pips have tenths, price units are finer."""
    if documented == "price":
        return documented
    if (sizes == np.floor(sizes)).all():
        return "points"
    tenths = sizes * 10.0
    return "pips" if np.abs(tenths - np.round(tenths)).max() < _TENTHS else "price"


def _doubt(found: str, unit: Unit, quotes: Quotes, middle: float) -> str:
    """Which two units fit equally well; empty if one does.

    A point is the smallest spread there is, so that fractions of one are pips; ten pips are no usual spread.
    """
    is_said = unit.documented is not None or unit.is_whole
    pip = 10.0 * tick_size(quotes.pair)
    if found == "points" and not is_said and quotes.point != pip and _is_usual(middle * pip, quotes):
        return "points or pips"
    if found == "pips" and unit.documented == "points" and middle >= 1.0:
        return "pips or averages of points"
    if found == "price" and unit.documented != "price" and middle >= _LARGEST_IN_YEN:
        return "price units or pips"
    return ""


def _is_usual(spread: float, quotes: Quotes) -> bool:
    return SPREAD_LEAST <= spread / float(np.median(quotes.close)) <= SPREAD_MEDIAN


def _needed(prices: Floats) -> int:
    """Decimals that prices need, up to the noise of binary fractions."""
    finite = prices[np.isfinite(prices)]
    with np.errstate(over="ignore", invalid="ignore"):  # bars are checked later
        for places in range(_MOST_DECIMALS):
            if np.allclose(np.round(finite, places), finite, rtol=1e-11, atol=0.0):
                return places
    return _MOST_DECIMALS


def _after_point(texts: Any) -> int:
    fractions = pc.replace_substring_regex(texts, r"^[^.]*\.?", "")
    return int(pc.max(pc.utf8_length(fractions)).as_py() or 0)
