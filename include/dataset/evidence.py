"""What the training rows of one pair say about its columns, and the refusal of columns that know the future.

Everything here is given training rows and no others. `select` joins the evidence of all pairs into one
list of columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from include.errors import BadParameter, LeakedColumn
from include.features.arrays import Flags, Floats
from include.features.catalogue import CATALOGUE, Feature

__all__ = ["FEATURES", "FEWEST", "LEAK", "Evidence", "Profile", "gather", "importances", "refuse_leaks"]

FEATURES: dict[str, Feature] = {column.full_name: column for family in CATALOGUE for column in family.columns}

LEAK = 0.999  # correlation with a future target that no honest column reaches
FEWEST = 100  # rows from which anything is learned
RESERVED = ("base__", "target__")
STILL = 1e-12  # range relative to the values, up to which a column is constant
DEPTH, LEAF, SPLIT_ON = 15, 10, "sqrt"  # of the forest: enough to rank columns


@dataclass(frozen=True, eq=False)
class Profile:
    """Counts and extremes of columns over some rows; profiles of parts add up to that of the whole."""

    rows: int
    nulls: npt.NDArray[np.int64]
    low: Floats  # +inf without a value
    high: Floats

    @classmethod
    def of(cls, table: pd.DataFrame) -> Profile:
        """The profile of a table, one entry per column."""
        return cls.over([table.iloc[:, i].to_numpy(np.float64) for i in range(table.shape[1])], len(table))

    @classmethod
    def over(cls, columns: Sequence[Floats], rows: int) -> Profile:
        """The profile of columns that have this many rows each, NaN = NULL."""
        return cls(
            rows=rows,
            nulls=np.array([np.count_nonzero(np.isnan(values)) for values in columns], np.int64),
            low=np.array([np.fmin.reduce(values, initial=np.inf) for values in columns]),
            high=np.array([np.fmax.reduce(values, initial=-np.inf) for values in columns]),
        )

    def __add__(self, other: Profile) -> Profile:
        return Profile(
            self.rows + other.rows,
            self.nulls + other.nulls,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @property
    def null_share(self) -> Floats:
        """Share of NULL, 1 without rows."""
        return self.nulls / self.rows if self.rows else np.ones(self.nulls.size)

    @property
    def constant(self) -> Flags:
        """Columns with no two different values, up to rounding."""
        extent, size = self.high - self.low, np.maximum(np.abs(self.high), np.abs(self.low))
        unmoved: Flags = extent <= STILL * size  # -inf without a value
        return unmoved


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the selection needs to know of one pair.

    Attributes:
        columns: full names, in the order of the arrays.
        null_share: share of NULL on training rows.
        constant: columns that do not move there.
        importance: share of the explained variance that the forest owes to the column; 0 where constant.
        rho: absolute correlation of any two columns, NaN where it is not defined.
    """

    columns: tuple[str, ...]
    null_share: Floats
    constant: Flags
    importance: Floats
    rho: npt.NDArray[np.float32]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for a file, for instance of `numpy.savez`: some 2 MB for 730 columns."""
        return vars(self) | {"columns": np.array(self.columns, np.str_)}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Evidence:
        """The evidence that `arrays` gave."""
        kept = {name: arrays[name] for name in ("null_share", "constant", "importance", "rho")}
        return cls(columns=tuple(arrays["columns"].tolist()), **kept)


def gather(
    features: pd.DataFrame,
    futures: pd.DataFrame,
    learned: pd.DataFrame,
    *,
    profile: Profile | None = None,
    trees: int = 100,
    seed: int = 0,
    workers: int = 1,
) -> Evidence:
    """Examine a sample of the training rows of one pair.

    Args:
        features: one column per catalogue column on offer, NaN = NULL. See `split.sample` for rows.
        futures: what is not known at those rows (`targets.futures`); no feature may follow any of it.
        learned: targets that the forest learns, all at once and with equal weight.
        profile: of the features on ALL training rows, if `features` is a sample.
        trees: of the forest.
        seed: of the forest; the same rows and seed give the same result for any number of workers.
        workers: threads that grow trees.

    Raises:
        LeakedColumn: a feature follows a future target.
        BadParameter: a feature is none of the catalogue, or there are too few rows with all targets.
    """
    names = tuple(features.columns)
    _refuse_reserved(names)
    whole = (futures.notna().all(axis=1) & learned.notna().all(axis=1)).to_numpy()
    if whole.sum() < FEWEST:
        raise BadParameter(
            f"only {whole.sum()} training rows have all targets; {FEWEST} are needed to select columns: "
            "choose a longer period"
        )
    x = _standardised(features.to_numpy(np.float64)[whole])
    _refuse_leaks(x, names, futures[whole])
    strange = [name for name in names if name not in FEATURES]
    if strange:
        raise BadParameter(f"not in the catalogue of features: {', '.join(strange)}; leave them out")
    profile = profile or Profile.of(features)
    moving = ~(profile.constant | np.isnan(x).all(axis=0))
    importance = np.zeros(len(names))
    y = _standardised(learned.to_numpy(np.float64)[whole])
    importance[moving] = _importance(x[:, moving], y, trees, seed, workers)
    return Evidence(names, profile.null_share, ~moving, importance, _correlations(x))


def importances(
    features: pd.DataFrame, learned: pd.DataFrame, *, trees: int = 100, seed: int = 0, workers: int = 1
) -> Floats:
    """Importance of columns on a sample of training rows, as `gather` finds it and nothing else.

    Args:
        features: as in `gather`.
        learned: as in `gather`, without NULL.
        trees: of the forest.
        seed: of the forest.
        workers: threads that grow trees.

    Returns:
        one value per column; 0 where it does not move.
    """
    x = _standardised(features.to_numpy(np.float64))
    moving = ~(Profile.of(features).constant | np.isnan(x).all(axis=0))
    found = np.zeros(len(moving))
    y = _standardised(learned.to_numpy(np.float64))
    found[moving] = _importance(x[:, moving], y, trees, seed, workers)
    return found


def refuse_leaks(features: pd.DataFrame, futures: pd.DataFrame) -> None:
    """Check that no feature is a future target, by name and by value.

    Args:
        features: any columns, of training rows.
        futures: as in `gather`, of the same rows; rows with a NULL in it are left out.

    Raises:
        LeakedColumn: the correlation of a feature with a future target exceeds `LEAK` either way.
        BadParameter: a column is called as reference columns and targets are.
    """
    names = tuple(features.columns)
    _refuse_reserved(names)
    whole = futures.notna().all(axis=1).to_numpy()
    _refuse_leaks(_standardised(features.to_numpy(np.float64)[whole]), names, futures[whole])


def _refuse_reserved(names: tuple[str, ...]) -> None:
    reserved = [name for name in names if name.startswith(RESERVED)]
    if reserved:
        raise BadParameter(
            f"{', '.join(reserved)}: reference columns and targets stand beside the features and are "
            "never offered to selection; leave them out"
        )


def _refuse_leaks(x: Floats, names: tuple[str, ...], futures: pd.DataFrame) -> None:
    """The worst offender, if any; x is standardised, futures have no NULL."""
    y = _standardised(futures.to_numpy(np.float64))
    known = ~np.isnan(x)
    rows = known.sum(axis=0)[:, None]
    with np.errstate(all="ignore"):
        spread = known.T @ (y * y) - (known.T @ y) ** 2 / rows  # of y, on the rows where x is known
        rho = np.nan_to_num(x, nan=0.0).T @ y / np.sqrt(rows * spread)
    rho[(rows < FEWEST // 2) | (spread <= 1e-9 * rows) | ~np.isfinite(rho)] = 0.0
    if not rho.size:
        return
    column, target = np.unravel_index(np.argmax(np.abs(rho)), rho.shape)
    if abs(rho[column, target]) > LEAK:
        raise LeakedColumn(names[int(column)], str(futures.columns[int(target)]), float(rho[column, target]))


def _standardised(values: Floats) -> Floats:
    """Columns with mean 0 and sd 1 over their known values; 0 where they do not move."""
    known = ~np.isnan(values)
    rows = np.maximum(known.sum(axis=0), 1)
    centred = values - np.where(known, values, 0.0).sum(axis=0) / rows
    sd = np.sqrt((np.where(known, centred, 0.0) ** 2).sum(axis=0) / rows)
    size = np.where(known, np.abs(values), 0.0).max(axis=0, initial=0.0)
    out = np.where(known, 0.0, np.nan)
    np.divide(centred, sd, out=out, where=(sd > STILL * size) & known)
    return out


def _importance(x: Floats, y: Floats, trees: int, seed: int, workers: int) -> Floats:
    """Impurity importance of one forest for all targets; sums to 1 unless nothing is worth a split."""
    if not x.shape[1]:
        return np.empty(0)
    forest = RandomForestRegressor(
        n_estimators=trees,
        max_depth=DEPTH,
        min_samples_leaf=LEAF,
        max_features=SPLIT_ON,
        random_state=seed,
        n_jobs=workers,
    )
    forest.fit(x.astype(np.float32), y)
    return np.asarray(forest.feature_importances_, np.float64)


def _correlations(x: Floats) -> npt.NDArray[np.float32]:
    """Absolute correlations over the rows where both are known; NaN where either does not move there."""
    known = (~np.isnan(x)).astype(np.float64)
    values = np.nan_to_num(x, nan=0.0)
    rows, sums, squares = known.T @ known, values.T @ known, (values * values).T @ known
    with np.errstate(all="ignore"):
        spread = squares - sums**2 / rows
        spread[spread <= 1e-9 * rows] = np.nan
        rho = (values.T @ values - sums * sums.T / rows) / np.sqrt(spread * spread.T)
    return np.minimum(np.abs(rho), 1.0).astype(np.float32)
