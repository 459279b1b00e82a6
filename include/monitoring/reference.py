"""What the features of a pair looked like in training, as counts: what later days are held against.

The reference is the training rows of the data set that the serving model learned from, read by its
manifest. Every column is cut into the bins of the data set's report (`include.dataset.profile`), and rows are
counted by trading day and by hour of the trading clock. A window of later days is compared with training rows
of the same hours: were its hours others, every column that has a daily course would seem to drift.

Columns that follow from the clock and the calendar alone are left out. They cannot drift, and within five
days they never look as in a year.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.dataset import profile
from include.dataset.evidence import FEATURES
from include.dataset.export import read_split
from include.dataset.manifest import Manifest
from include.errors import MissingInput, QualityError
from include.features.arrays import Floats, Minutes
from include.market.timezones import trading_clock
from include.objects import ObjectStore
from include.training.truth.groups import DAY, trading_days

__all__ = ["HOURS", "Reference", "build", "load", "watched"]

FORMAT = 1
FOLDER = "monitoring/references"  # in the bucket
HOURS = 24
HOUR = 60  # minutes
MICROSECONDS = 60_000_000  # of a minute
CLOCK = {"ts", "holidays"}  # inputs of columns that follow from the calendar

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reference:
    """Counts of the training rows of one pair.

    Attributes:
        columns: that are watched, full names.
        edges: first value of each bin but the lowest, shape (columns, bins - 1), filled up with infinity.
        days: trading days, days since 1970, ascending.
        by_day: rows in each bin, shape (days, columns, bins).
        by_hour: the same by hour of the trading clock, shape (24, columns, bins).
    """

    columns: tuple[str, ...]
    edges: Floats
    days: Minutes
    by_day: Integers
    by_hour: Integers

    @classmethod
    def of(cls, columns: Sequence[str], ts: Minutes, values: Floats) -> Reference:
        """Count training rows.

        Args:
            columns: full names.
            ts: epoch minutes.
            values: shape (rows, columns), without NaN.
        """
        edges = [profile.bin_edges(name, values[:, place]) for place, name in enumerate(columns)]
        padded = np.full((len(columns), max((each.size for each in edges), default=0)), np.inf)
        for place, each in enumerate(edges):
            padded[place, : each.size] = each
        days, day = np.unique(trading_days(ts), return_inverse=True)
        bare = cls(tuple(columns), padded, days, np.empty(0, np.int64), np.empty(0, np.int64))
        return cls(
            bare.columns,
            padded,
            days,
            bare.counted(values, day, days.size),
            bare.counted(values, hour_of(ts), HOURS),
        )

    def counted(self, values: Floats, group: Integers, groups: int) -> Integers:
        """How many rows of each group lie in each bin of each column, shape (groups, columns, bins).

        Args:
            values: shape (rows, columns), without NaN.
            group: number of the group of each row.
            groups: how many there are.
        """
        bins = self.edges.shape[1] + 1
        out = np.zeros((groups, len(self.columns), bins), np.int64)
        for column, edges in enumerate(self.edges):
            cell = group * bins + np.searchsorted(edges, values[:, column], side="right")
            out[:, column] = np.bincount(cell, minlength=groups * bins).reshape(groups, bins)
        return out

    def to_bytes(self) -> bytes:
        """A compressed archive for `from_bytes`."""
        stream = io.BytesIO()
        arrays: dict[str, npt.NDArray[Any]] = {
            "format": np.array(FORMAT), "columns": np.array(self.columns, np.str_), "edges": self.edges,
            "days": self.days, "by_day": self.by_day, "by_hour": self.by_hour,
        }  # fmt: skip
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, body: bytes) -> Reference:
        """Read what `to_bytes` wrote.

        Raises:
            QualityError: it is something else, or of another version of this code.
        """
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as stored:
                if int(stored["format"]) != FORMAT:
                    raise ValueError(f"format {stored['format']}; this code reads format {FORMAT}")
                return cls(
                    tuple(stored["columns"].tolist()),
                    *(stored[name] for name in ("edges", "days", "by_day", "by_hour")),
                )
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise QualityError(
                f"This is no reference of training rows: {error}. Delete {FOLDER}/ in the bucket; the next "
                "run of the monitor makes it again."
            ) from error


def hour_of(ts: Minutes) -> Minutes:
    """Hour of the trading clock, 0 from 17:00 in New York on."""
    return trading_clock(ts) % DAY // HOUR


def watched(columns: Sequence[str]) -> tuple[str, ...]:
    """Those of some columns that can drift: not what follows from the clock and the calendar alone."""
    return tuple(name for name in columns if not set(FEATURES[name].inputs) <= CLOCK)


def load(bucket: ObjectStore, manifest: Manifest, pair: str) -> Reference | None:
    """The reference of a pair that an earlier run left; None if there is none.

    Args:
        bucket: the whole bucket.
        manifest: of the data set that its model learned from.
        pair: for example ``eurusd``.
    """
    body = bucket.get(_key(manifest, pair))
    return None if body is None else Reference.from_bytes(body)


def build(bucket: ObjectStore, datasets: ObjectStore, manifest: Manifest, pair: str) -> Reference:
    """Count the training rows of a pair, and leave the reference in the bucket.

    Memory: the training rows in single precision, 140 MB for 195 columns of a year.

    Args:
        bucket: the whole bucket.
        datasets: where data sets are.
        manifest: of the data set.
        pair: for example ``eurusd``.

    Raises:
        MissingInput: the data set has no rows of the pair, or a file is gone.
        QualityError: a file is not the one that was written.
    """
    table = read_split(datasets, manifest, pair, "train")
    names = [name for name in watched(manifest.columns_selected) if not table[name].null_count]
    if not names:
        raise MissingInput(f"Data set {manifest.dataset_id} has no column of {pair} that can drift.")
    ts = np.asarray(table["ts_utc"].cast(pa.int64()).to_numpy(), np.int64) // MICROSECONDS
    values = np.column_stack([np.asarray(table[name].to_numpy()) for name in names])
    found = Reference.of(names, ts, values)
    bucket.put(_key(manifest, pair), found.to_bytes())
    return found


def _key(manifest: Manifest, pair: str) -> str:
    return f"{FOLDER}/{manifest.content_hash[:16]}/{pair}.npz"
