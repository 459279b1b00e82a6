"""Airflow connections as the plain values that ``include`` takes."""

from __future__ import annotations

from airflow.sdk import BaseHook


def database_url(conn_id: str) -> str:
    """Connection string (libpq) of an Airflow connection of type postgres.

    The string holds the password: pass it on, never return it from a task and never log it.
    """
    from psycopg.conninfo import make_conninfo

    connection = BaseHook.get_connection(conn_id)
    return make_conninfo(
        host=connection.host,
        port=connection.port,
        user=connection.login,
        password=connection.password,
        dbname=connection.schema,
        **connection.extra_dejson,
    )
