"""What the profiles of all pairs say together: the numbers behind the report's figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from include.dataset.profile import Integers, PairProfile
from include.errors import BadParameter
from include.features.arrays import Flags, Floats
from include.features.catalogue import CATALOGUE

LIMITED, LARGE = 0.1, 0.25  # population stability index: from where a shift is noticeable, and large


class Coverage(NamedTuple):
    """Known cells by pair and family.

    Attributes:
        families: names, in the order of the catalogue.
        share: (pairs, families) known cells of the columns that are known at all; NaN if none is.
        absent: (pairs, families) columns that are never known: their input is absent.
        columns: (families,) columns of each.
    """

    families: tuple[str, ...]
    share: Floats
    absent: Integers
    columns: Integers


class Missing(NamedTuple):
    """Cells that are NULL by month, of all pairs and columns together, and filled rows by pair.

    Attributes:
        absent: (months,) share of cells in columns that the pair never knows.
        gaps: (months,) share of cells that are NULL in other columns: warm-up, breaks, gaps of a source.
        filled: (pairs, months) share of the grid rows that are no real bar; NaN without rows.
    """

    months: tuple[str, ...]
    absent: Floats
    gaps: Floats
    filled: Floats


class ColumnNulls(NamedTuple):
    """How much of a column is NULL, over the pairs that know it at all."""

    name: str
    mean: float
    worst: float
    worst_pair: str
    absent_pairs: int


class Shift(NamedTuple):
    """Population stability index against train, (2, columns): validation and test; NaN = not defined."""

    middle: Floats  # median over pairs
    highest: Floats

    @property
    def larger(self) -> Floats:
        """The larger of the two medians by column."""
        larger: Floats = np.fmax(*self.middle)
        return larger


class Likeness(NamedTuple):
    """Two columns and their absolute correlation."""

    one: str
    other: str
    rho: float


def check(profiles: Sequence[PairProfile]) -> None:
    """Refuse profiles that cannot be joined.

    Raises:
        BadParameter: there is none, or two differ in columns or number of folds.
    """
    if not profiles:
        raise BadParameter("there is no pair to report on; pass the profile of one pair or more")
    first = profiles[0]
    for other in profiles:
        if other.columns != first.columns:
            raise BadParameter(
                f"the profiles of {first.pair} and {other.pair} have different columns; examine both with "
                "the same version of the catalogue"
            )
        if len(other.fold_importance) != len(first.fold_importance):
            raise BadParameter(
                f"{first.pair} has {len(first.fold_importance)} folds and {other.pair} "
                f"{len(other.fold_importance)}; examine both for the same period"
            )


def never_known(profiles: Sequence[PairProfile]) -> Flags:
    """(pairs, columns): the column has no value in the whole period."""
    return np.array([np.isnan(profile.low) for profile in profiles])


def null_share(profiles: Sequence[PairProfile]) -> Floats:
    """(pairs, columns): share of NULL over the grid rows of the period, 1 without rows."""
    return np.array([1.0 - _weighted(profile.known, profile.grid_rows) for profile in profiles])


def coverage(profiles: Sequence[PairProfile]) -> Coverage:
    """Known cells by pair and family."""
    absent, known = never_known(profiles), 1.0 - null_share(profiles)
    families = [family.name for family in CATALOGUE]
    of_family = np.array([name.split("__")[0] for name in profiles[0].columns])
    share = np.full((len(profiles), len(families)), np.nan)
    missing = np.zeros(share.shape, np.int64)
    for place, family in enumerate(families):
        own = of_family == family
        missing[:, place] = absent[:, own].sum(axis=1)
        counted = own & ~absent
        there = counted.any(axis=1)
        share[there, place] = (known * counted).sum(axis=1)[there] / counted.sum(axis=1)[there]
    columns = np.array([(of_family == family).sum() for family in families])
    return Coverage(tuple(families), share, missing, columns)


def missing(profiles: Sequence[PairProfile]) -> Missing:
    """NULL cells and filled rows by month; a pair counts in the months in which it has rows."""
    months = sorted({month for profile in profiles for month in profile.months})
    cells, absent, gaps = np.zeros((3, len(months)))
    filled = np.full((len(profiles), len(months)), np.nan)
    for number, (profile, never) in enumerate(zip(profiles, never_known(profiles), strict=True)):
        places = [months.index(month) for month in profile.months]
        nulls = 1.0 - np.nan_to_num(profile.known)
        cells[places] += profile.grid_rows * never.size
        absent[places] += profile.grid_rows * never.sum()
        gaps[places] += profile.grid_rows * nulls[:, ~never].sum(axis=1)
        filled[number, places] = profile.filled_rows / np.where(profile.grid_rows, profile.grid_rows, np.nan)
    cells = np.maximum(cells, 1.0)
    return Missing(tuple(months), absent / cells, gaps / cells, filled)


def worst_columns(profiles: Sequence[PairProfile], number: int) -> list[ColumnNulls]:
    """The columns with most NULL in any pair that knows them; columns without NULL are left out."""
    nulls, absent = null_share(profiles), never_known(profiles)
    held = np.where(absent, -1.0, nulls)
    worst = held.max(axis=0)
    pairs = np.maximum((~absent).sum(axis=0), 1)
    mean = np.where(absent, 0.0, nulls).sum(axis=0) / pairs
    order = sorted(range(worst.size), key=lambda column: (-worst[column], -mean[column], column))
    return [
        ColumnNulls(
            profiles[0].columns[column],
            float(mean[column]),
            float(worst[column]),
            profiles[int(held[:, column].argmax())].pair,
            int(absent[:, column].sum()),
        )
        for column in order[:number]
        if worst[column] > 0
    ]


def shift(profiles: Sequence[PairProfile]) -> Shift:
    """Shift of validation and test against train over all pairs."""
    values = np.array([profile.shift for profile in profiles])  # (pairs, 2, columns)
    return Shift(middle(values), spread(values)[1])


def fold_importance(profiles: Sequence[PairProfile]) -> Floats:
    """(folds, columns): importance by rolling fold, averaged over the pairs that have it."""
    return _of_known(np.nanmean, np.array([profile.fold_importance for profile in profiles]))


def spread(values: Floats) -> tuple[Floats, Floats]:
    """Smallest and largest by column, NaN for a column without a value."""
    return _of_known(np.nanmin, values), _of_known(np.nanmax, values)


def middle(values: Floats) -> Floats:
    """Median by column, NaN for a column without a value."""
    return _of_known(np.nanmedian, values)


def pooled_targets(profiles: Sequence[PairProfile], name: str) -> list[Floats]:
    """Known values of each of the five scaled targets in a set, of all pairs."""
    rows = np.concatenate([profile.targets[name] for profile in profiles])
    return [values[np.isfinite(values)] for values in rows.T]


def closest(rho: Floats, columns: Sequence[str], number: int) -> list[Likeness]:
    """The most correlated columns, by absolute value; undefined correlations count as none."""
    above = np.triu(np.nan_to_num(np.abs(rho)), 1)
    order = np.argsort(-above, axis=None, kind="stable")[:number]
    rows, others = np.unravel_index(order, above.shape)
    return [
        Likeness(columns[row], columns[other], float(above[row, other]))
        for row, other in zip(rows.tolist(), others.tolist(), strict=True)
        if above[row, other] > 0
    ]


def clustered(rho: Floats) -> list[int]:
    """An order of columns in which those that resemble each other stand together.

    Average linkage: the two most similar groups join until one is left, each time with the more similar
    ends side by side.

    Args:
        rho: absolute correlations; NaN counts as none.
    """
    likeness = np.nan_to_num(np.abs(np.asarray(rho, np.float64)))
    near = likeness.copy()
    np.fill_diagonal(near, -1.0)
    groups = {number: [number] for number in range(len(near))}
    while len(groups) > 1:
        one, other = sorted(int(place) for place in np.unravel_index(near.argmax(), near.shape))
        sizes = len(groups[one]), len(groups[other])
        joined = (sizes[0] * near[one] + sizes[1] * near[other]) / sum(sizes)
        groups[one] = _side_by_side(groups[one], groups.pop(other), likeness)
        joined[near[one] < 0] = -1.0  # groups that are gone, and itself
        near[one], near[:, one] = joined, joined
        near[one, one] = -1.0
        near[other], near[:, other] = -1.0, -1.0
    return next(iter(groups.values()), [])


def _side_by_side(one: list[int], other: list[int], likeness: Floats) -> list[int]:
    ways = [(a, b) for a in (one, one[::-1]) for b in (other, other[::-1])]
    first, second = max(ways, key=lambda way: likeness[way[0][-1], way[1][0]])
    return first + second


def _weighted(known: Floats, rows: Integers) -> Floats:
    """Mean over months, each weighted by its rows."""
    mean: Floats = (np.nan_to_num(known) * rows[:, None]).sum(axis=0) / max(int(rows.sum()), 1)
    return mean


def _of_known(function: Callable[..., Floats], values: Floats) -> Floats:
    """A function along the first axis that ignores NaN; NaN, without a warning, where nothing is known."""
    there = ~np.isnan(values).all(axis=0)
    out = np.full(there.shape, np.nan)
    if there.any():
        out[there] = function(values[:, there], axis=0)
    return out
