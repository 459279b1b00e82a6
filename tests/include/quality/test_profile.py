"""The profile of a partition is exact: compared with NumPy on the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from include.build.coverage import Keys
from include.names import Month, to_minute
from include.quality.profile import ColumnProfile, Profile, profile
from include.storage.connection import Connection, connect
from include.storage.copying import encode
from include.storage.partitions import lock_month, replace_month
from include.storage.schema import ensure_tables
from include.storage.tables import Table

MONTH = Month(2024, 2)
ROWS = 500
COLUMNS = {
    "complete": "DOUBLE PRECISION",
    "warm": "DOUBLE PRECISION",
    "holes": "DOUBLE PRECISION",
    "empty": "DOUBLE PRECISION",
    "last": "DOUBLE PRECISION",
    "flag": "SMALLINT",
    'odd "name"; --': "DOUBLE PRECISION",
}
TABLE = Table("reg_idx", "eurusd", COLUMNS)


@pytest.fixture
def ts() -> np.ndarray:
    minutes = MONTH.first_minute + np.arange(2 * ROWS)
    return np.sort(np.random.default_rng(1).choice(minutes, ROWS, replace=False))


@pytest.fixture
def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    columns = {name: rng.normal(100, 3, ROWS) for name in COLUMNS}
    columns["flag"] = rng.integers(0, 2, ROWS).astype(float)
    columns["flag"][:20] = np.nan
    columns["warm"][:119] = np.nan
    columns["holes"][[0, 1, 2, 100, 200, ROWS - 1]] = np.nan
    columns["empty"][:] = np.nan
    columns["last"][: ROWS - 1] = np.nan
    return columns


@pytest.fixture
def connection(database_url: str, ts: np.ndarray, values: dict[str, np.ndarray]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        ensure_tables(connection, [TABLE])
        with connection.transaction():
            lock_month(connection, TABLE.name, MONTH)
            replace_month(connection, TABLE, MONTH, encode(ts, values, COLUMNS))
        yield connection


def taken(connection: Connection) -> Profile:
    found = profile(connection, TABLE, MONTH)
    assert found is not None
    return found


def test_every_number_is_exact(connection: Connection, ts: np.ndarray, values: dict[str, np.ndarray]) -> None:
    found = taken(connection)
    assert (found.table, found.month, found.keys.number) == ("reg_idx_eurusd", MONTH, ROWS)
    assert list(found.columns) == list(COLUMNS)
    for name, column in values.items():
        known = np.flatnonzero(~np.isnan(column))
        seen = found.columns[name]
        assert seen.nulls == ROWS - known.size, name
        assert seen.leading_nulls == (known[0] if known.size else ROWS), name
        assert seen.later_nulls == seen.nulls - seen.leading_nulls >= 0
        assert seen.first == (ts[known[0]] if known.size else None)
        assert seen.low == (np.nanmin(column) if known.size else None)
        assert seen.high == (np.nanmax(column) if known.size else None)
        assert seen.total == pytest.approx(np.nansum(column), rel=1e-13)
    assert found.columns["holes"].later_nulls == 3


def test_the_fingerprint_follows_the_keys(connection: Connection) -> None:
    before = taken(connection).keys
    connection.execute(
        "UPDATE bqx.reg_idx_eurusd SET ts_utc = '2024-02-20Z' WHERE ts_utc = "
        "(SELECT max(ts_utc) FROM bqx.reg_idx_eurusd)"
    )
    after = taken(connection).keys
    assert (after.number, after.fingerprint == before.fingerprint) == (before.number, False)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_seen(connection: Connection, value: str) -> None:
    assert taken(connection).columns["complete"].is_finite
    connection.execute(
        "UPDATE bqx.reg_idx_eurusd SET complete = %s::FLOAT8 WHERE ts_utc = "
        "(SELECT min(ts_utc) FROM bqx.reg_idx_eurusd)",
        [value],
    )
    assert not taken(connection).columns["complete"].is_finite


def test_an_empty_partition_has_a_profile_and_a_missing_one_has_none(connection: Connection) -> None:
    assert profile(connection, TABLE, MONTH.next) is None
    connection.execute("TRUNCATE bqx.reg_idx_eurusd")
    empty = taken(connection)
    assert empty.keys == Keys(0, 0)
    assert empty.columns["complete"] == ColumnProfile(0, None, None, 0.0, None, 0)


def test_a_first_value_is_the_first_in_time_not_in_the_file(connection: Connection, ts: np.ndarray) -> None:
    connection.execute(
        "UPDATE bqx.reg_idx_eurusd SET holes = 1 WHERE ts_utc = to_timestamp(%s)", [int(ts[2]) * 60]
    )
    connection.execute(
        "UPDATE bqx.reg_idx_eurusd SET holes = 1 WHERE ts_utc = to_timestamp(%s)", [int(ts[1]) * 60]
    )
    first = connection.execute("SELECT min(ts_utc) FROM bqx.reg_idx_eurusd WHERE holes = 1").fetchone()
    assert taken(connection).columns["holes"].first == to_minute(first[0]) == ts[1]
