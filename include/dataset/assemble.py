"""Second pass over one pair: the chosen columns, reference columns and targets, written month by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from include.dataset.store import ObjectStore
from include.dataset.transform import ColumnScale, Scaler
from include.features.arrays import Columns, Flags
from include.names import Month

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
        DatasetConflict: the data set is complete and has other files.
        Incomplete: a stored table has other rows than the bars ask for.
    """
    names = features_of(frame, selection)
    files: list[Part] = []
    train: list[list[Singles]] = []
    months = map(Month.parse, frame.months)
    for matrix in ahead(url, lambda connection, month: read_matrix(connection, pair, month, names), months):
        sets = _sets(frame, matrix, selection.columns)
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
    return Exported(tuple(files), _scaler(names, train))


def _sets(frame: Frame, matrix: Matrix, selected: Sequence[str]) -> npt.NDArray[np.int8]:
    """Number of the set of every row; -1 for rows that are not written."""
    sets = frame.split.assign(matrix.ts)
    sets[matrix.base["base__is_trainable"] != 1.0] = -1
    for name in selected:
        sets[np.isnan(matrix.features[name])] = -1
    return sets


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
