"""Tiny data sets in the form of the contract, made from a simulated market without any database.

What matters is exact: bars lie on the causal grid, reference columns and targets come from
`include.dataset.targets`, the sets from `include.dataset.split`, scalers from `include.dataset.transform`,
files and manifest from `include.dataset.export`. Only the features are a handful of simple ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from include.dataset import transform
from include.dataset.export import finish, open_manifest, write_document, write_part
from include.dataset.manifest import NAME, Manifest, Part
from include.dataset.split import GAP, SETS, Interval, Split, split
from include.dataset.targets import TARGETS, base_columns, raw_targets
from include.features.arrays import Columns, Floats, lagged
from include.features.bars import Bars
from include.features.grid import make_grid
from include.features.series import Series
from include.market.synthetic import simulate
from include.names import months_between, to_datetime, to_minute
from include.objects import FolderStore, ObjectStore

FIRST_DAY = datetime(2024, 7, 1, tzinfo=UTC)  # a Monday
PAIRS = ("eurusd", "gbpusd")
MOMENTUM = "lag__momentum_30"  # what a planted signal follows
PRICES = ("open", "high", "low", "close")
SPANS = (30, 5, 15, 60)  # rows of the momentum columns, in their order


class FolderBucket(NamedTuple):
    """A folder in place of a bucket: what `include.dataset.export` needs of an `ObjectStore`.

    Attributes:
        path: of the folder.
        prefix: folder in it that holds the data sets.
        bucket: for messages.
    """

    path: Path
    prefix: str = "datasets"
    bucket: str = "folder"

    def key(self, *parts: str) -> str:
        return "/".join(part for part in (self.prefix, *parts) if part)

    def get(self, key: str) -> bytes | None:
        return FolderStore(self.path).get(key)

    def put(self, key: str, body: bytes) -> None:
        FolderStore(self.path).put(key, body)

    def put_once(self, key: str, body: bytes) -> bool:
        if self.get(key) is not None:
            return False
        self.put(key, body)
        return True


def make_dataset(
    place: ObjectStore | Path,
    pairs: Sequence[str] = PAIRS,
    days: int = 12,
    *,
    signal: float = 0.0,
    columns: int = 8,
    seed: int = 5,
    dataset_id: str = "tiny",
    leak: str = "",
    fades: bool = False,
) -> str:
    """Write a complete data set; the same arguments give the same bytes.

    Args:
        place: a store of a bucket, or a folder in which ``datasets/{dataset_id}/...`` is made.
        pairs: spelt as in ``eurusd``.
        days: calendar days from Monday 2024-07-01 on; 70 % of them are train. Their first 1,440 rows have no
            s, as in every data set.
        signal: 0 for martingales, else the planted momentum of `include.market.synthetic.simulate`,
            up to 0.9; the column `MOMENTUM` carries it.
        columns: features, at least 6: four momentums, volatility, hour of the day, then noise.
        seed: of market and noise.
        dataset_id: name of the data set.
        fades: the signal is gone when the test set begins: what was foreseen on val cannot be on test.
        leak: name of a target such as ``target__w15_h15``: the last column follows it, with noise; a canary.

    Returns:
        The data set's id.
    """
    store: Any = FolderBucket(place) if isinstance(place, Path) else place
    start = to_minute(FIRST_DAY)
    period = Interval(start, start + days * 1440)
    cut = split(period.start, period.end)
    bars = simulate(period.start, period.end, seed, signal, pairs)
    if fades:
        quiet = simulate(period.start, period.end, seed, 0.0, pairs)
        bars = {pair: _followed(bars[pair], quiet[pair], cut.test.start) for pair in pairs}
    watermark = max(int(each.ts[-1]) for each in bars.values())
    files: list[Part] = []
    scalers: dict[str, Any] = {}
    names: tuple[str, ...] = ()
    for number, pair in enumerate(pairs):
        series = Series.of(make_grid(bars[pair], watermark), float(bars[pair].close[0]))
        targets = raw_targets(series)
        features = _features(series, columns, np.random.default_rng([seed, number]))
        names = tuple(features)
        if leak:
            noise = np.random.default_rng([seed, number, 1]).normal(
                0, 0.1 * np.nanstd(targets[leak]), len(series)
            )
            features[names[-1]] = targets[leak] + noise
        written, scalers[pair] = _write(store, dataset_id, pair, series, cut, features, targets)
        files += written
    if len({(part.pair, part.split) for part in files}) < len(pairs) * len(SETS):
        raise ValueError(f"with {days} days a set falls on a weekend; take 5, or 9 and more")
    body = json.dumps(scalers, sort_keys=True).encode()
    document = write_document(store, dataset_id, "scalers.json", body)
    manifest = _manifest(dataset_id, names, period, cut, files, pairs)
    finish(store, Manifest(**manifest, documents={"scalers": document}))
    return dataset_id


def as_channel(place: ObjectStore | Path, dataset_id: str, pair: str, base: Path) -> Path:
    """Lay one pair's files where a training job finds them: ``{base}/input/data/dataset``.

    Returns:
        The folder.
    """
    store: Any = FolderBucket(place) if isinstance(place, Path) else place
    manifest = open_manifest(store, dataset_id)
    folder = base / "input" / "data" / "dataset"
    shutil.rmtree(folder, ignore_errors=True)
    keys = [store.key(dataset_id, NAME), manifest.documents["scalers"].key]
    keys += [part.key for part in manifest.files if part.pair == pair]
    for key in keys:
        path = folder / key.removeprefix(store.key(dataset_id) + "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.get(key))
    return folder


def content_hash(place: ObjectStore | Path, dataset_id: str) -> str:
    """The content hash of a data set, as a request names it."""
    store: Any = FolderBucket(place) if isinstance(place, Path) else place
    return open_manifest(store, dataset_id).content_hash


def _followed(first: Bars, then: Bars, minute: int) -> Bars:
    """The first bars before a minute, the others from it on, at the level that the first had reached."""
    early, late = first.ts < minute, then.ts >= minute
    level = first.close[early][-1] / then.close[~late][-1]
    return Bars(
        **{
            field.name: np.concatenate((
                getattr(first, field.name)[early],
                getattr(then, field.name)[late] * (level if field.name in PRICES else 1),
            ))
            for field in fields(Bars)
        }
    )  # fmt: skip


def _features(series: Series, columns: int, random: np.random.Generator) -> Columns:
    """Simple features: momentum over some spans, volatility, hour; the rest is noise."""
    step = series.r
    out: Columns = {f"lag__momentum_{rows}": _trailing_mean(step, rows) for rows in SPANS}
    out["statistics_idx__volatility_60"] = np.sqrt(_trailing_mean(step**2, 60))
    out["regime__hour"] = (series.ts // 60 % 24).astype(np.float64)
    for number in range(columns - len(out)):
        out[f"reg_idx__noise_{number}"] = random.normal(size=len(series))
    return out


def _trailing_mean(values: Floats, rows: int) -> Floats:
    return np.mean([lagged(values, row) for row in range(rows)], axis=0)


def _write(
    store: Any,
    dataset_id: str,
    pair: str,
    series: Series,
    cut: Split,
    features: Columns,
    targets: Columns,
) -> tuple[list[Part], dict[str, Any]]:
    """The files of one pair, and its scaler."""
    base = base_columns(series)
    sets = cut.assign(series.ts)
    sets[base["base__is_trainable"] != 1.0] = -1
    for values in features.values():
        sets[np.isnan(values)] = -1
    singles = {name: values.astype(np.float32) for name, values in features.items()}
    doubles = base | targets
    files = []
    for month in months_between(int(series.ts[0]), int(series.ts[-1])):
        inside = Interval(month.first_minute, month.end_minute).rows(series.ts)
        for number, name in enumerate(SETS):
            rows = (sets == number) & inside
            if rows.any():
                table = _table(series.ts[rows], singles, doubles, rows)
                files.append(write_part(store, dataset_id, pair, name, str(month), table))
    fitted = {name: values.astype(np.float64) for name, values in singles.items()}
    return files, transform.fit(fitted, sets == 0).to_dict()


def _table(ts: Any, singles: dict[str, Any], doubles: Columns, rows: Any) -> pa.Table:
    minutes = pa.array(ts * 60_000_000, pa.int64()).cast(pa.timestamp("us", "UTC"))
    columns = {name: pa.array(values[rows], from_pandas=True) for name, values in (singles | doubles).items()}
    return pa.table({"ts_utc": minutes, **columns})


def _manifest(
    dataset_id: str,
    names: tuple[str, ...],
    period: Interval,
    cut: Split,
    files: list[Part],
    pairs: Sequence[str],
) -> dict[str, Any]:
    def told(part: Interval) -> dict[str, Any]:
        return {"from": to_datetime(part.start).isoformat(), "to": to_datetime(part.end).isoformat()}

    rows = {name: sum(part.rows for part in files if part.split == name) for name in SETS}
    return {
        "dataset_id": dataset_id,
        "catalogue_hash": "c" * 64,
        "columns_total": len(names),
        "columns_selected": names,
        "targets": TARGETS,
        "splits": {name: told(getattr(cut, name)) | {"rows": rows[name]} for name in SETS},
        "files": tuple(files),
        "source": told(period),
        "code_version": "0.1.0",
        "extra": {
            "named": True,
            "pairs": list(pairs),
            "selected": len(names),
            "stability": None,
            "target_window": "matched",
            "gap_minutes": GAP,
        },
    }
