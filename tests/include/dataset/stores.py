"""An empty object store, and small data sets to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from include.dataset.export import finish, write_part
from include.dataset.manifest import Manifest, Part
from include.objects import ObjectStore
from tests.s3 import connect, served

PAIRS = ("eurusd", "gbpusd")
MONTHS = {"train": ("2018-01", "2018-02"), "val": ("2018-02", "2018-03"), "test": ("2018-03",)}
COLUMNS = ("lag__r_1", "regime__session", "reg_idx__w15_a2_norm")
TARGETS = ("target__w15_h15",)
PARTS = [(pair, split, month) for pair in PAIRS for split in MONTHS for month in MONTHS[split]]


@contextmanager
def empty_store(folder: Path) -> Iterator[ObjectStore]:
    """A store with a bucket and nothing in it."""
    with served(folder) as server:
        client = connect(server.server_port)
        store = ObjectStore(client, "bqx-test")
        store.ensure_bucket()
        yield store
        client.close()


def table(seed: int, rows: int = 500) -> pa.Table:
    """A table with every type a data set has, NULLs included; same seed, same table."""
    random = np.random.default_rng(seed)
    minutes = np.datetime64("2018-01-01", "us") + np.arange(rows) * np.timedelta64(60, "s")
    floats = random.normal(100, 1, rows)
    unknown = random.random(rows) < 0.1
    return pa.table(
        {
            "ts_utc": pa.array(minutes, pa.timestamp("us", "UTC")),
            "pair": pa.array(["eurusd"] * rows),
            "lag__r_1": pa.array(floats, mask=unknown),
            "regime__session": pa.array(random.integers(0, 4, rows), pa.int16(), mask=unknown),
            "reg_idx__w15_a2_norm": pa.array(floats.astype(np.float32), mask=unknown),
            "is_trainable": pa.array(random.random(rows) < 0.5),
            "target__w15_h15": pa.array(floats),
        }
    )


def tables(seed: int = 1, rows: int = 500) -> dict[tuple[str, str, str], pa.Table]:
    """A data set: the table of each (pair, split, month)."""
    return {part: table(100 * seed + number, rows) for number, part in enumerate(PARTS)}


def manifest(dataset_id: str, files: list[Part], **changed: Any) -> Manifest:
    """What `finish` is given for these files."""
    splits = {
        split: {"from": f"{months[0]}-01", "to": f"{months[-1]}-28", "rows": _rows(files, split)}
        for split, months in MONTHS.items()
    }
    values = {
        "dataset_id": dataset_id,
        "catalogue_hash": "c" * 64,
        "columns_total": 730,
        "columns_selected": COLUMNS,
        "targets": TARGETS,
        "splits": splits,
        "files": tuple(files),
        "source": {"from": "2018-01-01", "to": "2018-03-28"},
        "code_version": "0.1.0",
        "extra": {"scaler": {"lag__r_1": [100.0, 1.0]}},
    }
    return Manifest(**{**values, **changed})


def export(
    store: ObjectStore, dataset_id: str, seed: int = 1, rows: int = 500, *, named: bool = False
) -> str:
    """Write a whole data set; returns its content hash."""
    files = [write_part(store, dataset_id, *part, one) for part, one in tables(seed, rows).items()]
    return finish(store, manifest(dataset_id, files, extra={"named": named}))


def contents(store: ObjectStore) -> dict[str, bytes | None]:
    """The bytes of every object."""
    return {one.key: store.get(one.key) for one in store.list("")}


def _rows(files: list[Part], split: str) -> int:
    return sum(part.rows for part in files if part.split == split)
