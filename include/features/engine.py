"""Compute a family of the catalogue from the series of a pair. No I/O: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from include.errors import BadParameter, SchemaMismatch
from include.features import (
    averages,
    bollinger,
    calendar,
    correlation,
    dual,
    events,
    fibonacci,
    lags,
    mres,
    regression,
    spread,
    statistics,
    technical,
    volume,
    xpair,
)
from include.features.arrays import Columns
from include.features.catalogue import FAMILIES, Family
from include.features.series import Series
from include.features.shared import Shared
from include.features.xpair import Related
from include.pairs import PAIRS

__all__ = ["COMPUTED", "compute"]

_COMPUTE: dict[str, tuple[Callable[[Series, str], Columns], str]] = {
    "reg_idx": (regression.compute, "idx"),
    "reg_bqx": (regression.compute, "bqx"),
    "statistics_idx": (statistics.compute, "idx"),
    "statistics_bqx": (statistics.compute, "bqx"),
    "bollinger_idx": (bollinger.compute, "idx"),
    "bollinger_bqx": (bollinger.compute, "bqx"),
    "technical_idx": (technical.compute, "idx"),
    "technical_bqx": (technical.compute, "bqx"),
    "fibonacci_idx": (fibonacci.compute, "idx"),
    "fibonacci_bqx": (fibonacci.compute, "bqx"),
    "spread_idx": (spread.compute, "idx"),
    "volume_idx": (volume.compute, "idx"),
    "volume_bqx": (volume.compute, "bqx"),
    "lag": (lags.compute, "shared"),
    "ma": (averages.compute, "shared"),
    "dual": (dual.compute, "shared"),
    "time": (calendar.compute, "shared"),
    "event": (events.compute, "shared"),
    "mres": (mres.compute, "shared"),
}
_ACROSS_PAIRS = {"correlation_idx": "idx", "correlation_bqx": "bqx", "xpair": "shared"}

# Families whose NULLs follow from their inputs alone: `min` is that of the worst case, see 0.5 and 0.7.
_NULL_BY_INPUTS = ("xpair", "mres")

# Every family that can be computed, in the catalogue's order.
COMPUTED: tuple[str, ...] = tuple(name for name in FAMILIES if name in _COMPUTE or name in _ACROSS_PAIRS)


def compute(
    family_name: str,
    series: Series,
    *,
    pair: str | None = None,
    shared: Shared | None = None,
    related: Related | None = None,
) -> Columns:
    """All columns of a family for every row of a series.

    Args:
        family_name: one of `COMPUTED`.
        series: grid rows of the pair; for a chunk, with the family's look-back before it.
        pair: its name; only the correlation families and xpair ask for it.
        shared: what `shared.compute_shared` made of all pairs over the same minutes; only the
            correlation families read it.
        related: the series of the pairs in `xpair.related_pairs`; only xpair reads it.

    Returns:
        float64 arrays of the length of the series in the order of the catalogue, NaN = NULL. The
        first rows of each column are NaN until the catalogue's ``min`` is reached, counted from
        the first row of the series; columns of the dollar grid count its rows instead, so that
        they are the same for every pair, however late it starts. In xpair and mres the inputs alone
        decide.

    Raises:
        BadParameter: nothing computes that family, or it needs the pair and the shared columns.
        SchemaMismatch: the computed columns are not those of the catalogue.
    """
    if family_name not in COMPUTED:
        raise BadParameter(
            f"no feature family {family_name!r} can be computed; choose one of {', '.join(COMPUTED)}"
        )
    if family_name in _ACROSS_PAIRS:
        columns = _across_pairs(family_name, series, pair, shared, related)
    else:
        function, domain = _COMPUTE[family_name]
        columns = function(series, domain)
    return _as_listed(FAMILIES[family_name], columns)


def _across_pairs(
    family_name: str, series: Series, pair: str | None, shared: Shared | None, related: Related | None
) -> Columns:
    by_pair = family_name == "xpair"
    others = related if by_pair else shared
    if pair not in PAIRS or others is None:
        absent = "no related pairs" if by_pair else "no shared columns"
        given = absent if others is None else f"the pair {pair!r}"
        missing = (
            "related=, the series of related_pairs" if by_pair else "shared=, the result of compute_shared"
        )
        raise BadParameter(
            f"{family_name} compares a pair with others, but was given {given}; pass pair=, one of the "
            f"28 pairs, and {missing} for the same minutes"
        )
    if isinstance(others, Related):
        return xpair.compute(series, pair, others)
    return correlation.compute(series, _ACROSS_PAIRS[family_name], pair, others)


def _as_listed(family: Family, columns: Columns) -> Columns:
    """Order the columns as the catalogue does and hide what comes before their first row."""
    listed = {feature.name for feature in family.columns}
    if listed != columns.keys():
        raise SchemaMismatch(
            f"{family.name}: columns computed but not in the catalogue: {sorted(columns.keys() - listed)}; "
            f"in the catalogue but not computed: {sorted(listed - columns.keys())}"
        )
    for feature in family.columns:
        if feature.grid == "pair" and family.name not in _NULL_BY_INPUTS:
            columns[feature.name][: feature.first_row] = np.nan
    return {feature.name: columns[feature.name] for feature in family.columns}
