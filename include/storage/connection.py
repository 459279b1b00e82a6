"""Connections and statements. Every session is UTC; every longer statement lives in ``include/sql``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from include.names import SCHEMA

SQL_FOLDER = Path(__file__).resolve().parents[1] / "sql"

# A worker whose machine vanishes holds its locks until the server notices: after two minutes, not two hours.
_OPTIONS = "-c TimeZone=UTC -c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6"

Connection = psycopg.Connection[tuple[object, ...]]


def connect(url: str) -> Connection:
    """Open a session whose time zone is UTC, in autocommit mode (transactions are explicit blocks).

    Args:
        url: libpq connection string or URL.
    """
    return psycopg.connect(url, autocommit=True, options=_OPTIONS, application_name="bqx")


@cache
def _text(name: str) -> str:
    return (SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def statement(name: str, /, **parts: sql.Composable) -> sql.Composed:
    """The statement of ``include/sql/{name}.sql`` with its ``{placeholders}`` composed safely.

    Values are never put in here: they are bound as ``%(name)s`` when the statement is executed.
    """
    return sql.SQL(_text(name)).format(**parts)


def exists(connection: Connection, *tables: str) -> bool:
    """Whether the schema has each of these tables or views now."""
    values = {"schema": SCHEMA, "tables": list(tables)}
    return connection.execute(statement("storage/tables_exist"), values).fetchone() == (True,)


def qualified(table: str) -> sql.Identifier:
    """A table of our schema as a quoted identifier."""
    return sql.Identifier(SCHEMA, table)
