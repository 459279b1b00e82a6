"""Tables are made from their definitions; a table that looks different is refused, not used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from include.errors import SchemaMismatch
from include.features.catalogue import STORED, family
from include.names import MAX_IDENTIFIER, Month, partition
from include.pairs import PAIRS
from include.storage.connection import connect
from include.storage.schema import columns_of, ensure_tables
from include.storage.tables import Table, table_of

EVERY_FAMILY = ("m1", "bqx", *STORED)


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_a_family_becomes_a_table_with_exactly_its_columns(database_url: str, name: str) -> None:
    with connect(database_url) as connection:
        ensure_tables(connection, [table_of(name, "eurusd")])
        columns = columns_of(connection, f"{name}_eurusd")
    assert next(iter(columns)) == "ts_utc"
    if name in STORED:
        wanted = {feature.name: feature.dtype for feature in family(name).columns}
        assert columns == {"ts_utc": "TIMESTAMP WITH TIME ZONE"} | wanted
    else:
        assert columns["created_at"] == "TIMESTAMP WITH TIME ZONE"
        assert len(columns) == {"m1": 26, "bqx": 41}[name]


def test_running_it_again_and_at_once_changes_nothing(database_url: str) -> None:
    tables = [table_of("technical_idx", pair) for pair in PAIRS[:4]]

    def ensure(_: int) -> None:
        with connect(database_url) as connection:
            ensure_tables(connection, tables)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ensure, range(12)))


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("bqx", "DROP COLUMN w60_bqx_return", "missing: w60_bqx_return"),
        ("m1", "ADD COLUMN w60_a_coef float8", "not ours: w60_a_coef"),
        ("bqx", "ALTER COLUMN w60_bqx_return TYPE numeric", "w60_bqx_return is NUMERIC"),
        ("bollinger_idx", "ALTER COLUMN bb_upper_20 TYPE numeric", "bb_upper_20 is NUMERIC.*bqx_migrate"),
        ("volume_idx", "ALTER COLUMN volume_regime TYPE float8", "volume_regime is DOUBLE PRECISION"),
        ("bollinger_idx", "RENAME COLUMN ts_utc TO time", "no key ts_utc"),
        ("bollinger_idx", "DROP CONSTRAINT bollinger_idx_eurusd_pkey, ADD x int", "found: RANGE .* and none"),
        ("bollinger_idx", "ADD COLUMN loaded text NOT NULL", "NOT NULL without a default.*: loaded"),
    ],
)
def test_a_table_with_other_columns_is_refused_by_name(
    db: psycopg.Connection, database_url: str, name: str, change: str, told: str
) -> None:
    with connect(database_url) as connection:
        ensure_tables(connection, [table_of(name, "eurusd")])
        db.execute(f"ALTER TABLE bqx.{name}_eurusd {change}")
        with pytest.raises(SchemaMismatch, match=told):
            ensure_tables(connection, [table_of("reg_idx", "eurusd"), table_of(name, "eurusd")])
        assert columns_of(connection, "reg_idx_eurusd") == {}, "nothing may be half done"


def test_a_table_that_is_not_partitioned_by_its_key_is_refused(
    db: psycopg.Connection, database_url: str
) -> None:
    db.execute("CREATE SCHEMA bqx; CREATE TABLE bqx.bollinger_idx_eurusd (ts_utc timestamptz PRIMARY KEY)")
    with connect(database_url) as connection, pytest.raises(SchemaMismatch, match="must be partitioned"):
        ensure_tables(connection, [table_of("bollinger_idx", "eurusd")])


def test_sessions_are_utc_whatever_the_server_thinks(db: psycopg.Connection, database_url: str) -> None:
    database = db.info.dbname
    db.execute(f"ALTER DATABASE \"{database}\" SET TimeZone = 'America/New_York'")
    with connect(database_url) as connection:
        assert connection.execute("SHOW TimeZone").fetchone() == ("UTC",)


def test_every_name_fits_postgresql() -> None:
    longest = [
        partition(table_of(name, pair).name, Month(2024, 12)) for name in EVERY_FAMILY for pair in PAIRS
    ]
    assert len(set(longest)) == len(longest)
    assert max(len(name + "__build_pkey") for name in longest) <= MAX_IDENTIFIER


def test_a_name_that_does_not_fit_is_refused(database_url: str) -> None:
    with connect(database_url) as connection, pytest.raises(SchemaMismatch, match="too long"):
        ensure_tables(connection, [Table("x" * 50, "eurusd", {"a": "SMALLINT"})])
