"""Crosses that no source records, derived from their two US dollar legs.

For A/B the legs are A/USD and USD/B at the same minute, both real. Open and close are the exact
product or quotient. High and low of the legs need not fall on the same moment, so the cross gets
high = max(open, close) and low = min(open, close), a lower bound of its true range.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from include.errors import MissingInput
from include.features.arrays import Floats
from include.features.bars import Bars
from include.pairs import PAIRS, USD_MAJORS, Leg, usd_legs


def missing(have: Collection[str]) -> tuple[str, ...]:
    """Pairs that are not there but can be derived from those that are, in the order of `PAIRS`.

    Raises:
        MissingInput: pairs are missing and none of them can be derived; the legs to add are named.
    """
    absent = [pair for pair in PAIRS if pair not in have]
    crosses = {pair: {leg.pair for leg in usd_legs(pair)} for pair in absent if pair not in USD_MAJORS}
    derivable = tuple(pair for pair, legs in crosses.items() if legs <= set(have))
    if absent and not derivable:
        needed = [pair for pair in USD_MAJORS if pair not in have]
        raise MissingInput(
            f"No cross can be derived from {', '.join(sorted(have)) or 'nothing'}: a cross needs both of its "
            f"US dollar legs. Add files for {', '.join(needed)}, or do not ask for derived crosses."
        )
    return derivable


def derive(pair: str, numerator_leg: Bars, denominator_leg: Bars) -> Bars:
    """Bars of a cross A/B from its legs, in the order of `include.pairs.usd_legs`.

    Args:
        pair: a cross, for example audcad.
        numerator_leg: real bars of A and USD, whichever way round the pair is listed.
        denominator_leg: real bars of USD and B, likewise.

    Returns:
        A bar for each minute that both legs have; volume and spread NaN.

    Raises:
        ValueError: the pair is a USD major.
        MissingInput: the legs share no minute.
    """
    first, second = usd_legs(pair)
    minutes, of_first, of_second = np.intersect1d(
        numerator_leg.ts, denominator_leg.ts, assume_unique=True, return_indices=True
    )
    if not minutes.size:
        raise MissingInput(
            f"{pair} cannot be derived: {first.pair} and {second.pair} have no minute in common. "
            "Give both for the same time."
        )
    opened = _rate(first, numerator_leg.open[of_first], second, denominator_leg.open[of_second])
    close = _rate(first, numerator_leg.close[of_first], second, denominator_leg.close[of_second])
    absent = np.full(minutes.size, np.nan)
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    return Bars(minutes, opened, high, low, close, absent, absent.copy())


def _rate(first: Leg, one: Floats, second: Leg, other: Floats) -> Floats:
    """``one**sign * other**sign``, with a single rounding wherever one leg is listed as needed."""
    if first.sign > 0:
        return one * other if second.sign > 0 else one / other
    return other / one if second.sign > 0 else 1.0 / (one * other)
