"""What prices of a pair usually look like: smallest step and level."""

from __future__ import annotations

from include.pairs import base, quote

# US dollars per unit of currency: geometric middle of the range since 1990. Only the order of
# magnitude matters; every listed pair stayed within a factor of 2.1 of the rate that follows.
_USUAL_VALUE = {
    "usd": 1.0,
    "eur": 1.15,
    "gbp": 1.5,
    "jpy": 1 / 111,
    "aud": 0.73,
    "cad": 1 / 1.21,
    "chf": 1 / 1.13,
    "nzd": 0.59,
}


def usual_rate(pair: str) -> float:
    """Order of magnitude of a pair's price, right within a factor of 4."""
    return _USUAL_VALUE[base(pair)] / _USUAL_VALUE[quote(pair)]


def decimals(pair: str) -> int:
    """Decimals of a quote: 3 for yen pairs, else 5 (fractional pips)."""
    return 3 if quote(pair) == "jpy" else 5


def tick_size(pair: str) -> float:
    """Smallest price step, the "point" of MetaTrader: 0.001 for yen pairs, else 0.00001."""
    return 10.0 ** -decimals(pair)
