"""What a partition has of its own stays with the month, through every replacement and under another name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from psycopg import sql

from include.errors import SchemaMismatch
from include.names import Month
from include.storage.connection import connect
from include.storage.copying import encode
from include.storage.partitions import lock_month, replace_month
from include.storage.schema import ensure_tables
from include.storage.tables import Table
from local.postgres import binaries

TABLE = Table("demo", "eurusd", {"x": "DOUBLE PRECISION", "flag": "SMALLINT"})
MONTH, NAME = Month(2024, 2), "demo_eurusd_2024_02"

OWN = f"""
ALTER TABLE bqx.{NAME} SET (fillfactor = 70, autovacuum_enabled = false);
ALTER TABLE bqx.{NAME} ADD CONSTRAINT "own check" CHECK (x < 1e9);
ALTER TABLE bqx.{NAME} ADD CONSTRAINT demo_own_key UNIQUE (ts_utc, flag);
CREATE INDEX "Own index" ON bqx.{NAME} USING brin (x) WHERE flag = 1;
CREATE UNIQUE INDEX demo_unique ON bqx.{NAME} (ts_utc DESC, x);
COMMENT ON INDEX bqx."Own index" IS 'it''s ours';
COMMENT ON TABLE bqx.{NAME} IS 'February: "checked" %s {{{{}}}}';
COMMENT ON COLUMN bqx.{NAME}.x IS 'of February';
CREATE TABLE bqx.flags (flag SMALLINT PRIMARY KEY);
INSERT INTO bqx.flags VALUES (1);
ALTER TABLE bqx.{NAME} ADD CONSTRAINT own_reference FOREIGN KEY (flag) REFERENCES bqx.flags;
CREATE FUNCTION bqx.stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch BEFORE UPDATE OF x ON bqx.{NAME}
    FOR EACH ROW WHEN (OLD.x > 5) EXECUTE FUNCTION bqx.stop();
CREATE TRIGGER asleep AFTER INSERT ON bqx.{NAME} EXECUTE FUNCTION bqx.stop();
ALTER TABLE bqx.{NAME} DISABLE TRIGGER asleep;
ALTER TABLE bqx.{NAME} ENABLE ROW LEVEL SECURITY;
CREATE POLICY "some rows" ON bqx.{NAME} FOR SELECT TO PUBLIC USING (x > 0);
CREATE POLICY writers ON bqx.{NAME} AS RESTRICTIVE FOR INSERT TO {{role}} WITH CHECK (flag = 1);
ALTER TABLE bqx.{NAME} REPLICA IDENTITY FULL;
CREATE PUBLICATION of_february FOR TABLE bqx.{NAME};
GRANT SELECT, UPDATE ON bqx.{NAME} TO {{role}} WITH GRANT OPTION;
GRANT INSERT (x) ON bqx.{NAME} TO {{role}};
GRANT SELECT ON bqx.{NAME} TO PUBLIC;
ALTER TABLE bqx.{NAME} OWNER TO {{role}}
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as opened:
        ensure_tables(opened, [TABLE])
        opened.execute("CREATE INDEX ON bqx.demo_eurusd (x)")
        write(opened, 1.0)
        yield opened


@pytest.fixture
def role(connection: psycopg.Connection) -> Iterator[str]:
    """A role of another name than any keyword, that owns nothing else."""
    name = sql.Identifier(f"keeper {connection.info.backend_pid}")
    connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    yield name.as_string(connection)
    connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(name))


def write(connection: psycopg.Connection, value: float) -> None:
    ts = np.arange(5) + MONTH.first_minute
    rows = encode(ts, {"x": np.full(5, value), "flag": np.ones(5)}, TABLE.columns)
    with connection.transaction():
        lock_month(connection, TABLE.name, MONTH)
        replace_month(connection, TABLE, MONTH, rows)


def schema(url: str) -> str:
    """All of the schema, as PostgreSQL's own tool describes it."""
    command = [str(binaries() / "pg_dump"), "--schema-only", "--schema=bqx", "--restrict-key=fixed", url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def published(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT pubname, tablename FROM pg_publication_tables").fetchall()


def test_everything_is_there_after_each_replacement(
    connection: psycopg.Connection, database_url: str, role: str
) -> None:
    connection.execute(OWN.format(role=role))
    before = schema(database_url)
    for mark in (
        "own check",
        "demo_own_key",
        "Own index",
        "some rows",
        "asleep",
        "fillfactor",
        "GRANT INSERT(x)",
    ):
        assert mark in before, "the dump does not show it"
    for value in (2.0, 3.0):
        write(connection, value)
        assert schema(database_url) == before
        assert published(connection) == [("of_february", NAME)]
    assert connection.execute(f"SELECT x FROM bqx.{NAME} LIMIT 1").fetchone() == (3.0,)


def test_it_follows_to_the_name_of_the_month(
    connection: psycopg.Connection, database_url: str, role: str
) -> None:
    connection.execute(OWN.format(role=role))
    before = schema(database_url)
    connection.execute(f"ALTER TABLE bqx.{NAME} RENAME TO february")
    write(connection, 2.0)
    assert schema(database_url) == before


def test_default_privileges_do_not_open_a_month(
    connection: psycopg.Connection, database_url: str, role: str
) -> None:
    before = schema(database_url)
    connection.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA bqx GRANT SELECT ON TABLES TO {role}")
    write(connection, 2.0)
    query = f"SELECT has_table_privilege('{role.strip(chr(34))}', 'bqx.{NAME}', 'SELECT')"
    assert connection.execute(query).fetchone() == (False,)
    connection.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA bqx REVOKE SELECT ON TABLES FROM {role}")
    assert "GRANT" not in before


def test_what_cannot_be_kept_is_named_and_the_month_stays(connection: psycopg.Connection) -> None:
    connection.execute(f"ALTER TABLE bqx.{NAME} ADD CONSTRAINT small CHECK (x < 2)")
    with pytest.raises(SchemaMismatch, match=r"ADD CONSTRAINT small CHECK .* violated by some row"):
        write(connection, 2.0)
    assert connection.execute("SELECT DISTINCT x FROM bqx.demo_eurusd").fetchall() == [(1.0,)]
    connection.execute(f"ALTER TABLE bqx.{NAME} DROP CONSTRAINT small")
    write(connection, 2.0)
