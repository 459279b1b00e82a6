"""Whether tables are there."""

from __future__ import annotations

from include.storage.connection import connect, exists
from local.postgres import Postgres
from tests.include.dataset import worlds


def test_a_table_exists_from_its_creation_on(postgres: Postgres) -> None:
    with worlds.database(postgres) as name, connect(postgres.url(name)) as connection:
        assert not exists(connection, "build_log"), "there is no schema yet"
        connection.execute("CREATE SCHEMA bqx")
        connection.execute('CREATE TABLE bqx.build_log (); CREATE VIEW bqx."Odd.name" AS SELECT 1 AS one')
        assert exists(connection, "build_log")
        assert exists(connection, "Odd.name"), "a name is one name, whatever is in it"
        assert exists(connection, "build_log", "Odd.name")
        assert not exists(connection, "build_log", "gate_log")
        assert not exists(connection, "odd.name")
