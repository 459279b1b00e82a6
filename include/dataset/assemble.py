"""Second pass over one pair: the chosen columns, reference columns and targets, written month by month."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.dataset import transform
from include.dataset.evidence import FEATURES
from include.dataset.export import write_part
from include.dataset.frame import Frame
from include.dataset.manifest import Part
from include.dataset.matrix import Matrix, ahead, read_matrix
from include.dataset.select import Selection
from include.dataset.split import SETS
from include.dataset.transform import ColumnScale, Scaler
from include.errors import BadParameter
from include.features.arrays import Columns, Flags
from include.names import Month
from include.objects import ObjectStore
from include.storage.connection import Connection

__all__ = ["Exported", "export_pair", "features_of"]

MICROSECONDS = 60_000_000  # of a minute

Singles = npt.NDArray[np.float32]


class Exported(NamedTuple):
    """What was written of one pair.

    Attributes:
        files: its files.
        scaler: fitted on its training rows as they are in the files.
    """

    files: tuple[Part, ...]
    scaler: Scaler

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers survive exactly."""
        return {"files": [part._asdict() for part in self.files], "scaler": self.scaler.to_dict()}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Exported:
        """What `to_dict` wrote."""
        return cls(tuple(Part(**part) for part in plain["files"]), Scaler.of(plain["scaler"]))


def features_of(frame: Frame, selection: Selection) -> tuple[str, ...]:
    """Feature columns of the files, in the order of the catalogue."""
    return tuple(FEATURES) if frame.columns == "all" else selection.columns


def export_pair(url: str, store: ObjectStore, frame: Frame, pair: str, selection: Selection) -> Exported:
    """Write the rows of a pair, one file for each set and month that has any.

    Rows are those that may be trained on, lie in a set and have all SELECTED features, whichever are
    written. Memory: three months, and the training rows of the written features in single precision.

    Raises:
        BadParameter: a set has no rows, as a selected column is NULL in all of them. Files of the other sets
            may be written by then; without a manifest nobody sees them.
        DatasetConflict: the data set is complete and has other files.
        Incomplete: a stored table has other rows than the bars ask for, or something changed since the plan.
    """
    names = features_of(frame, selection)
    files: list[Part] = []
    train: list[list[Singles]] = []
    nulls = np.zeros((len(SETS), len(selection.columns)), np.int64)
    months = map(Month.parse, frame.months)
    planned = frame.inputs[pair]

    def read(connection: Connection, month: Month) -> Matrix:
        return read_matrix(connection, pair, month, names, planned[str(month)])

    for matrix in ahead(url, read, months):
        sets = _sets(frame, matrix, selection.columns, nulls)
        singles = [values.astype(np.float32) for values in matrix.features.values()]
        for number, name in enumerate(SETS):
            rows = sets == number
            if rows.any():
                files.append(
                    write_part(
                        store, frame.dataset_id, pair, name, str(matrix.month), _table(matrix, singles, rows)
                    )
                )
        train.append([values[sets == 0] for values in singles])
    _refuse_empty(frame, pair, selection.columns, {part.split for part in files}, nulls)
    return Exported(tuple(files), _scaler(names, train))


def _sets(
    frame: Frame, matrix: Matrix, selected: Sequence[str], nulls: npt.NDArray[np.int64]
) -> npt.NDArray[np.int8]:
    """Number of the set of every row; -1 for rows that are not written.

    Args:
        frame: what the data set is to be.
        matrix: the rows.
        selected: columns that must have a value.
        nulls: how often each has none, (sets, columns) over rows that may be trained on; is added to.
    """
    usable = frame.split.assign(matrix.ts)
    usable[matrix.base["base__is_trainable"] != 1.0] = -1
    sets = usable.copy()
    for column, name in enumerate(selected):
        unknown = np.isnan(matrix.features[name])
        nulls[:, column] += np.bincount(usable[unknown & (usable >= 0)], minlength=len(SETS))
        sets[unknown] = -1
    return sets


def _refuse_empty(
    frame: Frame, pair: str, selected: Sequence[str], filled: Collection[str], nulls: npt.NDArray[np.int64]
) -> None:
    """Name the first set without rows, and the column that cost it most."""
    for name, counts in zip(SETS, nulls, strict=True):
        if name not in filled:
            worst = int(counts.argmax())
            raise BadParameter(
                f"{pair} has no row with all selected columns in {name}, {getattr(frame.split, name)}; most "
                f"often NULL is {selected[worst]}, in {counts[worst]:,} rows. Leave the pair out, or choose "
                "a longer period."
            )


def _table(matrix: Matrix, singles: Sequence[Singles], rows: Flags) -> pa.Table:
    ts = pa.array(matrix.ts[rows] * MICROSECONDS, pa.int64()).cast(pa.timestamp("us", "UTC"))
    features = zip(matrix.features, singles, strict=True)
    columns: dict[str, pa.Array] = {"ts_utc": ts}
    columns |= {name: _array(values[rows]) for name, values in features}
    columns |= {name: _array(values[rows]) for name, values in _doubles(matrix).items()}
    return pa.table(columns)


def _doubles(matrix: Matrix) -> Columns:
    return matrix.base | matrix.targets


def _array(values: npt.NDArray[Any]) -> pa.Array:
    """NaN becomes NULL."""
    return pa.array(values, from_pandas=True)


def _scaler(names: Sequence[str], months: Sequence[Sequence[Singles]]) -> Scaler:
    """Column by column: all training rows in double precision at once would take gigabytes.

    A column without any value there, which only a data set of all columns can have, is left out.
    """
    columns: dict[str, ColumnScale] = {}
    for number, name in enumerate(names):
        values = np.concatenate([month[number] for month in months]).astype(np.float64)
        if not np.isnan(values).all():
            columns |= transform.fit({name: values}, np.ones(values.size, np.bool_)).columns
    return Scaler(columns)
