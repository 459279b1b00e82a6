"""Compute a family of the catalogue from the series of a pair. No I/O: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from include.errors import BadParameter, SchemaMismatch
from include.features import bollinger, fibonacci, regression, statistics, technical
from include.features.arrays import Columns
from include.features.catalogue import FAMILIES, Family
from include.features.series import Series

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
}

COMPUTED: tuple[str, ...] = tuple(_COMPUTE)  # families that can be computed today


def compute(family_name: str, series: Series) -> Columns:
    """All columns of a family for every row of a series.

    Args:
        family_name: one of `COMPUTED`.
        series: grid rows of the pair; for a chunk, with the family's look-back before it.

    Returns:
        float64 arrays of the length of the series in the order of the catalogue, NaN = NULL. The
        first rows of each column are NaN until the catalogue's ``min`` is reached, counted from
        the first row of the series.

    Raises:
        BadParameter: nothing computes that family.
        SchemaMismatch: the computed columns are not those of the catalogue.
    """
    if family_name not in _COMPUTE:
        raise BadParameter(
            f"no feature family {family_name!r} can be computed; choose one of {', '.join(COMPUTED)}"
        )
    function, domain = _COMPUTE[family_name]
    return _as_listed(FAMILIES[family_name], function(series, domain))


def _as_listed(family: Family, columns: Columns) -> Columns:
    """Order the columns as the catalogue does and hide what comes before their first row."""
    listed = {feature.name for feature in family.columns}
    if listed != columns.keys():
        raise SchemaMismatch(
            f"{family.name}: columns computed but not in the catalogue: {sorted(columns.keys() - listed)}; "
            f"in the catalogue but not computed: {sorted(listed - columns.keys())}"
        )
    for feature in family.columns:
        columns[feature.name][: feature.first_row] = np.nan
    return {feature.name: columns[feature.name] for feature in family.columns}
