"""First pass over one pair: every month, all 730 columns; what is learned from it fits into a few megabytes.

Which rows are looked at follows from reference columns and targets alone, so it is decided first; then
the months go by once, each is checked and profiled, and its sampled rows are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.dataset import evidence as learning
from include.dataset import targets
from include.dataset.evidence import FEATURES, FEWEST, Evidence, Profile
from include.dataset.frame import Frame
from include.dataset.matrix import Matrix, ahead, read_features, read_matrix
from include.dataset.profile import PairProfile, describe, shifts
from include.dataset.split import SETS, Interval, sample
from include.errors import BadParameter, QualityError
from include.features.arrays import Columns, Flags, Floats, Minutes
from include.features.catalogue import Feature
from include.names import Month, to_datetime
from include.storage.connection import Connection

__all__ = ["Examined", "Reference", "examine_pair", "read_reference"]

FUZZ = 1e-9  # relative, by which a value may pass a limit of the catalogue: rounding

Rows = npt.NDArray[np.intp]


def _limits(unlimited: float, limit: Callable[[Feature], float | None]) -> Floats:
    """A limit of every column, widened by rounding."""
    found = [limit(column) for column in FEATURES.values()]
    fuzz = math.copysign(FUZZ, unlimited)
    return np.array([unlimited if x is None else x + fuzz * max(abs(x), 1.0) for x in found])


_LOWEST = _limits(-math.inf, lambda column: column.low)
_HIGHEST = _limits(math.inf, lambda column: column.high)
_WHOLE = np.array([column.kind != "float" for column in FEATURES.values()])


class Reference(NamedTuple):
    """Every grid row of the period with its reference columns and targets, in time order."""

    ts: Minutes
    months: Minutes  # number of the month of each row
    base: Columns
    targets: Columns

    def eligible(self, target_window: str) -> Flags:
        """Trainable rows that have all targets the forest learns."""
        found = self.trainable
        for values in targets.scaled_targets(self.base | self.targets, target_window).values():
            found = found & ~np.isnan(values)
        return found

    @property
    def trainable(self) -> Flags:
        """Rows that a model may learn from or be judged on."""
        found: Flags = self.base["base__is_trainable"] == 1.0
        return found

    def take(self, rows: Rows) -> Columns:
        """Reference columns and targets of some rows."""
        return {name: values[rows] for name, values in (self.base | self.targets).items()}


class Examined(NamedTuple):
    """What a pair contributes to the selection, and what the report says of it."""

    evidence: Evidence
    profile: PairProfile


class _Found(NamedTuple):
    """What the months said: profiles of all and of training rows by month, and the sampled rows."""

    whole: list[Profile]
    train: Profile
    rows: Rows
    values: Floats  # (sampled rows, columns)

    def at(self, rows: Rows) -> Floats:
        """Values of some of the sampled rows."""
        return self.values[np.searchsorted(self.rows, rows)]


def examine_pair(url: str, frame: Frame, pair: str) -> Examined:
    """Check, profile and rank all columns of a pair.

    Memory: three months of the matrix and the sampled rows, 1.4 GiB for a year.

    Raises:
        QualityError: a value is not finite, outside its column's range, or no whole number where it must be.
        LeakedColumn: a column follows a future target.
        BadParameter: a set has no rows, or the training set too few.
        Incomplete: a stored table has other rows than the bars ask for, or something changed since the plan.
    """
    reference = read_reference(url, frame, pair)
    eligible = reference.eligible(frame.target_window)
    sets = {name: getattr(frame.split, name) for name in SETS}
    rows = {
        name: int(np.count_nonzero(reference.trainable & _in(part, reference))) for name, part in sets.items()
    }
    samples = {name: sample(eligible & _in(part, reference), frame.rows) for name, part in sets.items()}
    _refuse_few(pair, frame, samples)
    of_folds = [sample(eligible & _in(fold.train, reference), frame.rows) for fold in frame.folds]
    found = _pass_over(url, frame, pair, reference, [*samples.values(), *of_folds])
    known = reference.take(samples["train"])
    evidence = learning.gather(
        _table(found.at(samples["train"])),
        pd.DataFrame(targets.futures(known)),
        _learned(reference, samples["train"], frame.target_window),
        profile=found.train,
        trees=frame.trees,
    )
    importance = [_importance(frame, reference, found, each) for each in of_folds]
    values = {name: found.at(each) for name, each in samples.items()}
    mean, sd = describe([values[name] for name in SETS])
    total = _total(found.whole)
    profile = PairProfile(
        pair=pair,
        columns=tuple(FEATURES),
        months=frame.months,
        grid_rows=np.array([each.rows for each in found.whole], np.int64),
        filled_rows=_filled(reference, len(frame.months)),
        rows=rows,
        known=np.array([1.0 - each.null_share for each in found.whole]),
        low=np.where(np.isinf(total.low), np.nan, total.low),
        high=np.where(np.isinf(total.high), np.nan, total.high),
        mean=mean,
        sd=sd,
        shift=shifts(tuple(FEATURES), values["train"], [values["val"], values["test"]]),
        targets={name: _learned(reference, each, "matched").to_numpy() for name, each in samples.items()},
        fold_importance=np.array(importance).reshape(len(frame.folds), len(FEATURES)),
    )
    return Examined(evidence, profile)


def read_reference(url: str, frame: Frame, pair: str) -> Reference:
    """Reference columns and targets of every grid row of the period."""
    planned = frame.inputs[pair]

    def read(connection: Connection, month: Month) -> Matrix:
        return read_matrix(connection, pair, month, (), planned[str(month)])

    months = list(ahead(url, read, _months(frame)))
    inside = [_inside(frame, month.ts) for month in months]
    parts = list(zip(months, inside, strict=True))
    return Reference(
        ts=np.concatenate([month.ts[rows] for month, rows in parts]),
        months=np.repeat(np.arange(len(months)), [rows.stop - rows.start for rows in inside]),
        base=_joined([_cut(month.base, rows) for month, rows in parts]),
        targets=_joined([_cut(month.targets, rows) for month, rows in parts]),
    )


def _pass_over(url: str, frame: Frame, pair: str, reference: Reference, samples: Sequence[Rows]) -> _Found:
    """Read every month once."""
    wanted: Rows = np.unique(np.concatenate(samples))
    kept = np.empty((len(wanted), len(FEATURES)))
    train = reference.trainable & _in(frame.split.train, reference)
    of_months: list[Profile] = []
    of_train: list[Profile] = []
    first = 0
    planned = frame.inputs[pair]

    def read(connection: Connection, month: Month) -> tuple[Minutes, Columns]:
        return read_features(connection, pair, month, None, planned[str(month)])

    for ts, features in ahead(url, read, _months(frame)):
        inside = _inside(frame, ts)
        minutes, values = ts[inside], _cut(features, inside)
        own = slice(first, first + len(minutes))
        assert np.array_equal(minutes, reference.ts[own]), "both passes read the same bars"
        columns = list(values.values())
        of_months.append(Profile.over(columns, len(minutes)))
        _check(pair, minutes, values, of_months[-1])
        learning_rows = np.flatnonzero(train[own])
        of_train.append(Profile.over([column[learning_rows] for column in columns], len(learning_rows)))
        place = slice(*np.searchsorted(wanted, (own.start, own.stop)))
        sampled = wanted[place] - first
        for number, column in enumerate(columns):
            kept[place, number] = column[sampled]
        first = own.stop
    return _Found(of_months, _total(of_train), wanted, kept)


def _months(frame: Frame) -> Iterable[Month]:
    return map(Month.parse, frame.months)


def _inside(frame: Frame, ts: Minutes) -> slice:
    """The rows of a month that lie in the period."""
    return slice(*np.searchsorted(ts, (frame.start, frame.end)))


def _cut(columns: Columns, rows: slice) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def _joined(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _in(part: Interval, reference: Reference) -> Flags:
    return part.rows(reference.ts)


def _total(parts: Sequence[Profile]) -> Profile:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _filled(reference: Reference, months: int) -> npt.NDArray[np.int64]:
    filled = reference.months[reference.base["base__is_filled"] == 1.0]
    return np.bincount(filled, minlength=months).astype(np.int64)


def _table(values: Floats) -> pd.DataFrame:
    return pd.DataFrame(values, columns=list(FEATURES))


def _learned(reference: Reference, rows: Rows, target_window: str) -> pd.DataFrame:
    return pd.DataFrame(targets.scaled_targets(reference.take(rows), target_window))


def _importance(frame: Frame, reference: Reference, found: _Found, rows: Rows) -> Floats:
    """Importance in one fold; NaN where this pair has too few rows to say anything."""
    if rows.size < FEWEST:
        return np.full(len(FEATURES), np.nan)
    learned = _learned(reference, rows, frame.target_window)
    return learning.importances(_table(found.at(rows)), learned, trees=frame.trees)


def _refuse_few(pair: str, frame: Frame, samples: Mapping[str, Rows]) -> None:
    for name, rows in samples.items():
        least = FEWEST if name == "train" else 1
        if rows.size < least:
            raise BadParameter(
                f"{pair} has {rows.size} rows with all targets in {name}, {getattr(frame.split, name)}; "
                f"{least} or more are needed. Choose a longer period, or leave the pair out."
            )


def _check(pair: str, ts: Minutes, features: Columns, profile: Profile) -> None:
    """Refuse the first value that its column may not have."""
    beyond = (profile.low < _LOWEST) | (profile.high > _HIGHEST)
    endless = np.isinf(profile.low) | np.isinf(profile.high)
    suspect = (beyond | endless | _WHOLE) & (profile.nulls < profile.rows)
    for number, (name, values) in enumerate(features.items()):
        if not suspect[number]:
            continue
        bad = (values < _LOWEST[number]) | (values > _HIGHEST[number]) | np.isinf(values)
        if _WHOLE[number]:
            bad |= ~np.isnan(values) & (values != np.rint(values))
        if bad.any():
            row = int(np.argmax(bad))
            raise _refused(FEATURES[name], pair, int(ts[row]), float(values[row]))


def _refused(column: Feature, pair: str, minute: int, value: float) -> QualityError:
    whole = "" if column.kind == "float" else ", whole numbers only"
    return QualityError(
        f"{pair}, column {column.full_name}, {to_datetime(minute):%Y-%m-%d %H:%M} UTC: the value is {value}, "
        f"but the catalogue allows {column.range}{whole}. Build that month again if the column is stored "
        "(DAG bqx_features, rebuild); otherwise its code or its bars are wrong."
    )
