"""The reference is made of the training rows of a data set, kept, and refused if it is another thing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from include.dataset.evidence import FEATURES
from include.dataset.export import finish, open_manifest, write_part
from include.errors import MissingInput, QualityError
from include.monitoring.reference import HOURS, Reference, build, hour_of, load, watched
from include.objects import ObjectStore
from tests.include.dataset.stores import empty_store, manifest
from tests.include.monitoring.markets import NAMES, features, minutes

DAYS, COLUMNS = 12, 4
CLOCK = "time__session_hour"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path) as opened:
        yield opened


def export(store: ObjectStore, values: np.ndarray) -> None:
    """A data set of one pair: training rows in two files, another split, and a column of the clock."""
    names = [*NAMES[:COLUMNS], CLOCK]
    ts = minutes(DAYS)
    files = []
    for split, month, part in (
        ("train", "2024-07", slice(0, 100)),
        ("train", "2024-08", slice(100, None)),
        ("val", "2024-08", slice(0, 50)),
    ):
        columns = {"ts_utc": pa.array(ts[part] * 60_000_000, pa.int64()).cast(pa.timestamp("us", "UTC"))}
        shift = 5.0 if split == "val" else 0.0
        flat = values.reshape(-1, COLUMNS)[part] + np.float32(shift)
        columns |= {name: pa.array(flat[:, place]) for place, name in enumerate(NAMES[:COLUMNS])}
        columns[CLOCK] = pa.array(hour_of(ts)[part].astype(np.float32))
        files.append(write_part(store, "one", "eurusd", split, month, pa.table(columns)))
    splits = {
        name: {"rows": sum(each.rows for each in files if each.split == name)} for name in ("train", "val")
    }
    finish(store, manifest("one", files, columns_selected=tuple(names), splits=splits))


def test_it_is_made_of_the_training_rows_once(store: ObjectStore) -> None:
    values = features(np.random.default_rng(1), 1, DAYS, COLUMNS)[0]
    export(store, values)
    told, bucket = open_manifest(store, "one"), store._replace(prefix="")
    assert load(bucket, told, "eurusd") is None
    made, kept = build(bucket, store, told, "eurusd"), load(bucket, told, "eurusd")
    assert kept is not None
    direct = Reference.of(NAMES[:COLUMNS], minutes(DAYS), values.reshape(-1, COLUMNS))
    for found in (made, kept):
        assert found.columns == tuple(NAMES[:COLUMNS])
        for name in ("edges", "days", "by_day", "by_hour"):
            np.testing.assert_array_equal(getattr(found, name), getattr(direct, name))


def test_counts_are_those_of_a_histogram() -> None:
    values = features(np.random.default_rng(2), 1, DAYS, COLUMNS)[0]
    found = Reference.of(NAMES[:COLUMNS], minutes(DAYS), values.reshape(-1, COLUMNS))
    for column in range(COLUMNS):
        edges = [-np.inf, *np.quantile(values[:, :, column], np.arange(1, 10) / 10), np.inf]
        for day in range(DAYS):
            assert (
                found.by_day[day, column].tolist() == np.histogram(values[day, :, column], edges)[0].tolist()
            )
        for hour in range(HOURS):
            told = np.histogram(values[:, hour, column], edges)[0].tolist()
            assert found.by_hour[hour, column].tolist() == told
    np.testing.assert_array_equal(found.by_day.sum(axis=0), found.by_hour.sum(axis=0))


def test_columns_of_the_calendar_are_left_out_and_no_others() -> None:
    left = set(FEATURES) - set(watched(tuple(FEATURES)))
    assert {name.partition("__")[0] for name in left} == {"time"}
    assert "time__days_to_holiday_us" in left
    assert "time__session_vol_regime" not in left, "it follows from the market"


def test_what_is_no_reference_is_refused(store: ObjectStore) -> None:
    values = features(np.random.default_rng(3), 1, DAYS, COLUMNS)[0]
    export(store, values)
    told, bucket = open_manifest(store, "one"), store._replace(prefix="")
    build(bucket, store, told, "eurusd")
    key = f"monitoring/references/{told.content_hash[:16]}/eurusd.npz"
    whole = bucket.get(key)
    assert whole is not None
    for body in (b"", b"nothing", whole[:-100]):
        bucket.put(key, body)
        with pytest.raises(QualityError, match="no reference of training rows"):
            load(bucket, told, "eurusd")
    with pytest.raises(MissingInput, match="has no rows of gbpusd"):
        build(bucket, store, told, "gbpusd")
