"""The rows of one pair, read from the files of the data set into arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.training.container.inference import SMALLEST, margin, no_skill, scaled
from include.training.container.manifest import SETS, File, Manifest, checked_bytes
from include.training.container.models import Seen
from include.training.container.problem import JobProblem
from include.training.container.sets import Flags, Minutes
from include.training.container.settings import Horizon, Settings

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

_MICROSECONDS = 60_000_000  # of a minute


class Rows(NamedTuple):
    """Rows in time order, NaN = NULL.

    Attributes:
        ts: epoch minutes, (rows,).
        x: features in the order of the manifest, (rows, columns).
        q: BQX now, by window.
        s: volatility of one-minute changes of q, by window.
        actual: BQX at the horizon, by target column.
    """

    ts: Minutes
    x: Singles
    q: dict[int, Floats]
    s: dict[int, Floats]
    actual: dict[str, Floats]

    @property
    def seen(self) -> Seen:
        """What a model sees of them."""
        return Seen(self.ts, self.x)

    def take(self, rows: Any) -> Rows:
        """Some of the rows: flags, numbers or a slice."""
        return Rows(
            self.ts[rows],
            self.x[rows],
            {w: values[rows] for w, values in self.q.items()},
            {w: values[rows] for w, values in self.s.items()},
            {name: values[rows] for name, values in self.actual.items()},
        )

    def usable(self, horizon: Horizon) -> Flags:
        """Rows that have an outcome and everything the no-skill forecast needs."""
        w = horizon.window
        known: Flags = (
            (self.s[w] > SMALLEST) & np.isfinite(self.q[w]) & np.isfinite(self.actual[horizon.target])
        )
        if horizon.shorter:
            known &= np.isfinite(self.q[horizon.shorter])
        return known

    def usable_for_all(self, horizons: Sequence[Horizon]) -> Flags:
        """Rows that are usable for every horizon: what a pair learns from."""
        flags: Flags = np.logical_and.reduce([self.usable(horizon) for horizon in horizons])
        return flags


def offset_of(rows: Rows, horizon: Horizon) -> Floats:
    """The offset of some rows for a horizon; NaN where they are not usable for it."""
    w = horizon.window
    with np.errstate(divide="ignore", invalid="ignore"):
        return margin(no_skill(w, horizon.minutes, rows.q), rows.q[w], rows.s[w])


def outcome_of(rows: Rows, horizon: Horizon) -> Floats:
    """The scaled delta that came true."""
    return scaled(rows.actual[horizon.target], rows.q[horizon.window], rows.s[horizon.window])


def read_rows(manifest: Manifest, settings: Settings) -> dict[str, Rows]:
    """All rows of the pair by set, each file checked against the manifest.

    Memory: the features in single precision, and one file with its table.

    Raises:
        JobProblem: a file is missing or is not what the manifest says; it is named.
    """
    return {name: joined(list(_read(manifest, settings, name))) for name in SETS}


def _read(manifest: Manifest, settings: Settings, split: str) -> Iterator[Rows]:
    inside = manifest.splits[split]
    for file in manifest.files:
        if file.split == split:
            rows = _rows(file, manifest, settings)
            if not inside.rows(rows.ts).all():
                raise _damaged(file, f"it holds rows outside the interval of {split}")
            yield rows


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other.

    Raises:
        JobProblem: they are not in time order.
    """
    rows = Rows(
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.x for part in parts]),
        {w: np.concatenate([part.q[w] for part in parts]) for w in parts[0].q},
        {w: np.concatenate([part.s[w] for part in parts]) for w in parts[0].s},
        {name: np.concatenate([part.actual[name] for part in parts]) for name in parts[0].actual},
    )
    if (np.diff(rows.ts) <= 0).any():
        raise JobProblem(
            "The rows of the data set are not in time order. Make it anew with bqx_dataset, under another "
            "dataset_id."
        )
    return rows


def _rows(file: File, manifest: Manifest, settings: Settings) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    body = checked_bytes(file.path, file.sha256)
    reference = {f"base__w{w}_bqx_return": w for w in settings.windows}
    scale = {f"base__ewma_vol_60_w{w}": w for w in settings.windows}
    targets = [horizon.target for horizon in settings.horizons]
    names = ["ts_utc", *manifest.columns, *reference, *scale, *targets]
    try:
        source = pq.ParquetFile(pa.BufferReader(body))
        there = set(source.schema_arrow.names)
        if absent := [name for name in names if name not in there]:
            raise _damaged(file, f"it has no column {absent[0]}")
        table = source.read(columns=names, use_threads=False)
    except pa.ArrowException as error:
        raise _damaged(file, f"it cannot be read ({error})") from error
    if table.num_rows != file.rows:
        raise _damaged(file, f"it holds {table.num_rows:,} rows, the manifest says {file.rows:,}")
    _check_types(file, table.schema, manifest.columns)
    x = np.empty((file.rows, len(manifest.columns)), np.float32)
    for number, name in enumerate(manifest.columns):
        x[:, number] = table[name].to_numpy()
    if np.isinf(x).any():
        raise _damaged(file, f"column {manifest.columns[int(np.isinf(x).any(axis=0).argmax())]} is infinite")
    return Rows(
        table["ts_utc"].cast(pa.int64()).to_numpy() // _MICROSECONDS,
        x,
        {w: table[name].to_numpy() for name, w in reference.items()},
        {w: table[name].to_numpy() for name, w in scale.items()},
        {name: table[name].to_numpy() for name in targets},
    )


def _check_types(file: File, schema: Any, columns: Sequence[str]) -> None:
    """Features are single, the rest double: anything else was not written by this bundle."""
    wanted = {"ts_utc": "timestamp[us, tz=UTC]"} | dict.fromkeys(columns, "float")
    for field in schema:
        kind = wanted.get(field.name, "double")
        if str(field.type) != kind:
            raise _damaged(file, f"column {field.name} is {field.type}, not {kind}")


def _damaged(file: File, what: str) -> JobProblem:
    name = "/".join(file.path.parts[-3:])
    return JobProblem(f"{name}: {what}. Make the data set anew with bqx_dataset, under another dataset_id.")
