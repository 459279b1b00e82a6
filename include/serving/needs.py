"""What a list of columns needs: families, rows in front of the first row, other pairs and how far back these.

Everything is read off the catalogue, column by column: its look-back (`warm`, after which a recursive column
has forgotten its start to 1e-9), the grid that this is counted on, and the series of other pairs among its
inputs. `MARGIN` and `STILLNESS` come on top, as where months are built: see `include.build.chunks`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from include.build.chunks import MARGIN, STILLNESS
from include.dataset import targets
from include.errors import BadParameter
from include.features.catalogue import CATALOGUE, Feature
from include.features.dollar import RISK_PAIRS
from include.pairs import PAIRS, USD_MAJORS, sisters, triangle

__all__ = ["ACROSS", "FIFTEEN", "Needs", "needs_of"]

ACROSS = ("correlation_idx", "correlation_bqx", "xpair")  # families that read other pairs
FIFTEEN = 15  # minutes of the longest bars of mres
_TRIANGLE = ("eurusd", "eurgbp", "gbpusd")  # of the residual that all pairs share

# Which other pairs an input of the catalogue stands for.
_OTHERS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "rs": sisters,
    **dict.fromkeys(("S_leg", "b_leg"), lambda pair: (leg.pair for leg in triangle(pair))),
    **dict.fromkeys(("S_usd", "b_usd", "M", "M_db", "r_ref"), lambda _: USD_MAJORS),
    "b_ref": lambda _: (*USD_MAJORS, *RISK_PAIRS, *_TRIANGLE),
    "b_all": lambda _: PAIRS,
}


class Needs(NamedTuple):
    """What a list of columns needs.

    Attributes:
        families: names of the wanted columns of each family, in the catalogue's order.
        lookback: rows of the pair's own grid in front of the first row, by family.
        own: the largest of them; also what the reference columns need.
        fifteen: complete 15-minute bars that must be among them.
        across: rows of the pair's own grid over which other pairs are read; 0 if none is.
        dollar: rows of the dollar grid in front of the first row, by input of the catalogue.
        inputs: inputs of the catalogue that other pairs stand for, of columns on the pair's own grid.
        spread_side: a column asks which price the bars record.
    """

    families: Mapping[str, tuple[str, ...]]
    lookback: Mapping[str, int]
    own: int
    fifteen: int
    across: int
    dollar: Mapping[str, int]
    inputs: frozenset[str]
    spread_side: bool

    def others(self, pair: str) -> dict[str, int]:
        """Pairs that are read beside it, with the rows of the dollar grid for which each is.

        A major is among its own: the dollar grid may reach further back than the pair's rows do.
        """
        found = {other: 0 for symbol in sorted(self.inputs) for other in _OTHERS[symbol](pair)}
        for symbol, rows in self.dollar.items():
            found |= {other: max(rows, found.get(other, 0)) for other in _OTHERS[symbol](pair)}
        if self.dollar:  # the dollar grid itself is made of all majors
            longest = max(self.dollar.values())
            found |= dict.fromkeys(USD_MAJORS, longest)
        return found


@lru_cache(maxsize=64)
def needs_of(columns: tuple[str, ...]) -> Needs:
    """What these columns need, and with them BQX and its volatility of every window.

    Args:
        columns: ``table__column``, in any order.

    Raises:
        BadParameter: the catalogue has no such column, or one is named twice.
    """
    wanted = _wanted(columns)
    per_row = {name: [one for one in features if one.grid == "pair"] for name, features in wanted.items()}
    lookback = {name: _longest(features) + MARGIN for name, features in per_row.items()}
    lookback |= {name: rows + STILLNESS for name, rows in lookback.items() if name not in ACROSS}
    across = [one for name in ACROSS for one in per_row.get(name, ())]
    dollar: dict[str, int] = {}
    for one in (one for features in wanted.values() for one in features if one.grid == "dollar"):
        for symbol in one.inputs:
            dollar[symbol] = max(dollar.get(symbol, 0), one.lookback)
    return Needs(
        families={name: tuple(one.name for one in features) for name, features in wanted.items()},
        lookback=lookback,
        own=max(targets.LOOKBACK, *lookback.values()) if lookback else targets.LOOKBACK,
        fifteen=math.ceil(_longest(per_row.get("mres", ())) / FIFTEEN),
        across=_longest(across) + MARGIN if across else 0,
        dollar=dollar,
        inputs=frozenset(symbol for one in across for symbol in one.inputs if symbol in _OTHERS),
        spread_side="spread_idx__spread_pct" in columns,
    )


def _wanted(columns: Sequence[str]) -> dict[str, list[Feature]]:
    chosen = set(columns)
    found = {family.name: [one for one in family.columns if one.full_name in chosen] for family in CATALOGUE}
    known = {one.full_name for features in found.values() for one in features}
    if unknown := sorted(chosen - known):
        raise BadParameter(f"The catalogue has no feature {', '.join(unknown[:5])}; see docs/features.md.")
    if len(chosen) < len(columns):
        twice = sorted({name for name in columns if columns.count(name) > 1})
        raise BadParameter(f"A feature can be asked for once; named more often: {', '.join(twice[:5])}.")
    return {name: features for name, features in found.items() if features}


def _longest(features: Iterable[Feature]) -> int:
    return max((one.lookback for one in features), default=0)
