"""The 28 currency pairs, and the fixed relations between them. Imports nothing of ours.

Spellings are lower case without separator (``eurusd``), base currency first. Relations follow
two orders that never change: `PAIRS` is alphabetical, `CURRENCIES` is the market's own order
(dollar first), which decides sisters and triangles.
"""

from __future__ import annotations

from typing import NamedTuple

CURRENCIES = ("usd", "eur", "gbp", "jpy", "aud", "cad", "chf", "nzd")

PAIRS = (
    "audcad", "audchf", "audjpy", "audnzd", "audusd",
    "cadchf", "cadjpy",
    "chfjpy",
    "euraud", "eurcad", "eurchf", "eurgbp", "eurjpy", "eurnzd", "eurusd",
    "gbpaud", "gbpcad", "gbpchf", "gbpjpy", "gbpnzd", "gbpusd",
    "nzdcad", "nzdchf", "nzdjpy", "nzdusd",
    "usdcad", "usdchf", "usdjpy",
)  # fmt: skip

USD_MAJORS = tuple(pair for pair in PAIRS if "usd" in pair)


class Leg(NamedTuple):
    """A listed pair read in a direction: sign +1 as listed, -1 inverted."""

    sign: int
    pair: str


def base(pair: str) -> str:
    """Base currency: ``base("eurusd") == "eur"``."""
    return pair[:3]


def quote(pair: str) -> str:
    """Quote currency: ``quote("eurusd") == "usd"``."""
    return pair[3:]


def listed(one: str, other: str) -> str:
    """The listed pair of two different currencies, whichever way round."""
    return one + other if one + other in PAIRS else other + one


def leg(numerator: str, denominator: str) -> Leg:
    """The rate numerator/denominator as a listed pair and the sign of its logarithm."""
    straight = numerator + denominator
    return Leg(1, straight) if straight in PAIRS else Leg(-1, denominator + numerator)


def sisters(pair: str) -> tuple[str, str, str, str, str]:
    """Five related pairs: three that share the base currency, then two that share the quote.

    Ordered by the other currency in the order of `CURRENCIES`; the pair itself is left out.
    """
    a, b = base(pair), quote(pair)
    others = [c for c in CURRENCIES if c not in (a, b)]
    first = [listed(a, c) for c in others][:3]
    second = [listed(b, c) for c in others][:2]
    return (*first, *second)  # type: ignore[return-value]  # three and two make five


def triangle(pair: str) -> tuple[Leg, Leg]:
    """Legs A/C and C/B of the triangle through the first third currency C."""
    a, b = base(pair), quote(pair)
    c = next(c for c in CURRENCIES if c not in (a, b))
    return leg(a, c), leg(c, b)


def usd_legs(cross: str) -> tuple[Leg, Leg]:
    """Legs A/USD and USD/B from which the cross A/B is derived.

    Raises:
        ValueError: the pair is a USD major, it has no two dollar legs.
    """
    if cross in USD_MAJORS:
        raise ValueError(f"{cross} is a USD major, it cannot be derived from dollar legs")
    return leg(base(cross), "usd"), leg("usd", quote(cross))
