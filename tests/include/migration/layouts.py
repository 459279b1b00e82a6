"""Legacy tables that are partitioned in every way people partition, and what else stands against builds."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import psycopg

from include.migration.names import LEGACY_COLUMNS

NAME, NEW = "statistics_features_eurusd", "statistics_idx_eurusd"
ROWS = 90 * 24  # hours of the first quarter of 2024


class Layout(NamedTuple):
    """How a table is partitioned and what is wrong with that.

    Attributes:
        statements: make the partitions; ``{t}`` is the table.
        says: of the reason in the plan.
        by: the partition key.
        key: the primary key.
        after: statements once the rows are there.
    """

    statements: str
    says: str
    by: str = "RANGE (ts_utc)"
    key: str = "ts_utc"
    after: str = ""


def ranges(*edges: str) -> str:
    """Partitions between some moments, one after the other."""
    return ";".join(
        f"CREATE TABLE bqx.{{t}}_r{n} PARTITION OF bqx.{{t}} FOR VALUES FROM ({first}) TO ({end})"
        for n, (first, end) in enumerate(pairwise(edges))
    )


def moments(*texts: str) -> str:
    return ranges(*(f"'{text}'" for text in texts))


MONTHS = ";".join(
    f"CREATE TABLE bqx.{{t}}_2024_{m:02d} PARTITION OF bqx.{{t}} "
    f"FOR VALUES FROM ('2024-{m:02d}-01 00:00+00') TO ('2024-{m + 1:02d}-01 00:00+00')"
    for m in (1, 2, 3)
)
DAYS = moments(*(f"{date(2024, 1, 1) + timedelta(days=day)} 00:00+00" for day in range(92)))
NO_MONTHS = "partitions are no months of UTC"

LAYOUTS = {
    "quarters": Layout(moments("2024-01-01 00:00+00", "2024-04-01 00:00+00"), NO_MONTHS),
    "years": Layout(moments("2024-01-01 00:00+00", "2025-01-01 00:00+00"), NO_MONTHS),
    "days": Layout(DAYS, NO_MONTHS),
    "one without an end": Layout(
        MONTHS + ";CREATE TABLE bqx.{t}_rest PARTITION OF bqx.{t} "
        "FOR VALUES FROM ('2024-04-01 00:00+00') TO (MAXVALUE)",
        NO_MONTHS,
    ),
    "months of New York": Layout(
        moments("2024-01-01 00:00-05", "2024-02-01 00:00-05", "2024-03-01 00:00-05", "2024-04-01 00:00-04")
        + ";CREATE TABLE bqx.{t}_before PARTITION OF bqx.{t} "
        "FOR VALUES FROM ('2023-12-01 00:00-05') TO ('2024-01-01 00:00-05')",
        NO_MONTHS,
    ),
    "hash": Layout(
        ";".join(
            f"CREATE TABLE bqx.{{t}}_{n} PARTITION OF bqx.{{t}} FOR VALUES WITH (MODULUS 3, REMAINDER {n})"
            for n in range(3)
        ),
        "partitioned by HASH",
        by="HASH (ts_utc)",
    ),
    "list of an expression": Layout(
        "CREATE TABLE bqx.{t}_all PARTITION OF bqx.{t} DEFAULT",
        "partitioned by LIST",
        by="LIST (date_trunc('day', ts_utc AT TIME ZONE 'UTC'))",
        key="",
    ),
    "a DEFAULT partition with rows": Layout(
        MONTHS.rpartition(";")[0] + ";CREATE TABLE bqx.{t}_default PARTITION OF bqx.{t} DEFAULT",
        "its DEFAULT partition statistics_features_eurusd_default holds rows",
    ),
    "months in partitions": Layout(
        "CREATE TABLE bqx.{t}_2024_01 PARTITION OF bqx.{t} FOR VALUES FROM ('2024-01-01 00:00+00') "
        "TO ('2024-02-01 00:00+00') PARTITION BY HASH (ts_utc);"
        "CREATE TABLE bqx.{t}_part PARTITION OF bqx.{t}_2024_01 FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        + MONTHS.partition(";")[2],
        "is partitioned itself",
    ),
}  # their remedy is the recipe of docs/migration.md

OTHERS = {
    "a foreign key to the table": Layout(
        MONTHS,
        "the foreign key orders_ts_utc_fkey of bqx.orders refers to it",
        after="CREATE TABLE bqx.orders (ts_utc timestamptz REFERENCES bqx.{t});"
        "INSERT INTO bqx.orders SELECT ts_utc FROM bqx.{t} LIMIT 3",
    ),
    "a foreign key to a partition": Layout(
        MONTHS,
        "the foreign key orders_ts_utc_fkey of bqx.orders refers to it",
        after="CREATE TABLE bqx.orders (ts_utc timestamptz REFERENCES bqx.{t}_2024_02)",
    ),
    "a view of a partition": Layout(
        MONTHS,
        "the partition bqx.statistics_features_eurusd_2024_02 itself, which builds replace: "
        "view bqx.february",
        after="CREATE VIEW bqx.february AS SELECT ts_utc FROM bqx.{t}_2024_02",
    ),
    "no primary key": Layout(MONTHS, "ts_utc has to be its primary key", key=""),
    "names of other months": Layout(
        MONTHS,
        "holds 2024-01, so a build of 2024-02",
        after="ALTER TABLE bqx.{t}_2024_02 RENAME TO february;"
        "ALTER TABLE bqx.{t}_2024_01 RENAME TO {t}_2024_02",
    ),
    "a column that asks for values": Layout(
        MONTHS,
        "NOT NULL without a default",
        after="ALTER TABLE bqx.{t} ALTER COLUMN entropy_60min SET NOT NULL",
    ),
    "a partition of another schema": Layout(
        MONTHS,
        "partitions are in another schema: archive.statistics_features_eurusd_2024_01",
        after="CREATE SCHEMA archive; ALTER TABLE bqx.{t}_2024_01 SET SCHEMA archive",
    ),
}  # their remedies are in the reason


def make(db: psycopg.Connection, layout: Layout, name: str = NAME) -> None:
    """The table with a row per hour of a quarter."""
    columns = LEGACY_COLUMNS["statistics_idx"]
    listed = ", ".join(f"{column} float8" for column in columns)
    key = f", PRIMARY KEY ({layout.key})" if layout.key else ""
    db.execute("CREATE SCHEMA IF NOT EXISTS bqx; SET TimeZone = 'UTC'")
    db.execute(
        f"CREATE TABLE bqx.{name} (ts_utc timestamptz NOT NULL, {listed}{key}) PARTITION BY {layout.by}"
    )
    db.execute(layout.statements.format(t=name))
    db.execute(
        f"INSERT INTO bqx.{name} SELECT '2024-01-01 00:00+00'::timestamptz + n * interval '1 hour', "
        f"{', '.join(['n'] * len(columns))} FROM generate_series(0, {ROWS - 1}) AS n"
    )
    db.execute(layout.after.format(t=name))
