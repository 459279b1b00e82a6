"""A small legacy database: three pairs, two months, and one of everything that hangs on a table."""

from __future__ import annotations

import os
import subprocess

import psycopg

from include.migration import baseline, execute
from include.migration.model import Plan
from include.migration.names import LEGACY_COLUMNS
from include.migration.plan import make_plan
from include.storage.connection import connect
from local.postgres import binaries

PAIRS = ("eurusd", "gbpusd", "usdjpy")
FAMILIES = {"reg": "reg_idx", "statistics_features": "statistics_idx"}
ROWS = 300  # per month

_PARTITION = """
CREATE TABLE bqx.{parent}_2024_{month:02d} PARTITION OF bqx.{parent}
FOR VALUES FROM ('2024-{month:02d}-01 00:00+00') TO ('2024-{next:02d}-01 00:00+00');
INSERT INTO bqx.{parent}_2024_{month:02d} (ts_utc, {columns})
SELECT '2024-{month:02d}-01'::timestamptz + n * interval '1 minute', {values}
FROM generate_series(1, {rows}) AS n;
"""


def _table(parent: str, columns: list[str]) -> str:
    plain = [name for name in columns if name != "created_at"]
    text = f"CREATE TABLE bqx.{parent} (ts_utc TIMESTAMPTZ PRIMARY KEY"
    text += "".join(f", {name} DOUBLE PRECISION" for name in plain)
    text += ", created_at TIMESTAMPTZ DEFAULT '2024-03-01 00:00+00'" * ("created_at" in columns)
    text += ") PARTITION BY RANGE (ts_utc);"
    for month in (1, 2):
        values = ", ".join(f"n * {number + 1.5} + {month}" for number in range(len(plain)))
        text += _PARTITION.format(
            parent=parent,
            month=month,
            next=month + 1,
            columns=", ".join(plain),
            values=values,
            rows=ROWS,
        )
    return text


_AROUND = """
CREATE INDEX idx_reg_eurusd_rate ON bqx.reg_eurusd (rate_index);
CREATE SEQUENCE bqx.reg_eurusd_seq OWNED BY bqx.reg_eurusd.rate_index;
COMMENT ON TABLE bqx.reg_eurusd IS 'regressions of the rate';
CREATE TABLE bqx.regime_eurusd (ts_utc TIMESTAMPTZ PRIMARY KEY);
CREATE TABLE bqx.reg_gbpusd_2023_12 (LIKE bqx.reg_gbpusd);
CREATE SCHEMA bqx_features;
CREATE VIEW bqx_features.filtered AS SELECT ts_utc, w60_r2 FROM bqx.reg_eurusd WHERE rate_index > 3;
CREATE MATERIALIZED VIEW bqx_features.joined AS
SELECT r.ts_utc, r.rate_index, s.entropy_60min
FROM bqx.reg_eurusd AS r JOIN bqx.statistics_features_eurusd AS s USING (ts_utc);
"""

FUNCTION = """
CREATE FUNCTION bqx_features.count_reg() RETURNS bigint LANGUAGE plpgsql
AS $$ BEGIN RETURN (SELECT count(*) FROM bqx.reg_eurusd); END $$;
"""


def build(url: str) -> None:
    """Create the legacy tables."""
    with connect(url) as connection:
        connection.execute("CREATE SCHEMA bqx")
        for pair in PAIRS:
            for prefix, family in FAMILIES.items():
                connection.execute(_table(f"{prefix}_{pair}", list(LEGACY_COLUMNS[family])))
        connection.execute(_table("reg_bqx_eurusd", ["w15_r2", "w60_quad_norm", "odd"]))
        connection.execute(_AROUND)


def migrate(url: str, pairs: tuple[str, ...] = PAIRS, **options: bool) -> Plan:
    """Plan, baseline and execute, as a run does after its approval."""
    plan = make_plan(url, pairs=pairs)
    for pair in pairs:
        baseline.take(url, plan, pair)
        execute.run(url, plan, pair, **options)
    return plan


def dump(url: str) -> str:
    """The schema as pg_dump prints it, our own records left out."""
    command = [
        str(binaries() / "pg_dump"),
        "--schema-only",
        "--restrict-key=fixed",
        "--exclude-table=bqx.migration_*",
        url,
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
    return done.stdout


def catalog(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    """Every object of the schema with the transaction that wrote it last: no statement goes unseen."""
    return connection.execute(
        "SELECT 'class', oid::int8, relname::text, xmin::text FROM pg_class"
        " WHERE relnamespace::regnamespace::text LIKE 'bqx%'"
        " UNION ALL SELECT 'constraint', oid::int8, conname, xmin::text FROM pg_constraint"
        " WHERE connamespace::regnamespace::text LIKE 'bqx%'"
        " UNION ALL SELECT 'column', attrelid::int8, attname, xmin::text FROM pg_attribute"
        " WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'bqx%')"
        " ORDER BY 1, 2, 3"
    ).fetchall()


def exists(connection: psycopg.Connection, name: str) -> bool:
    """Is there such a table, index or view in the schema?"""
    return connection.execute("SELECT to_regclass(%s)", [f"bqx.{name}"]).fetchone() != (None,)
