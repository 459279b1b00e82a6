"""What a partition has of its own stays with the month: rights, owner, comments, indexes, policies ...

PostgreSQL gives a new partition what its parent has, and nothing of what the replaced one had besides.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg import sql

from include.errors import SchemaMismatch
from include.names import SCHEMA
from include.storage import locks
from include.storage.connection import Connection, qualified, statement


class Belongings(NamedTuple):
    """Statements that give a new month what the old one had.

    Attributes:
        owner: name of the partition that has it.
        first: to be carried out while nobody sees the month, under the name in which it is built.
        names: when the old month is gone, so that names of indexes are free.
        last: when the month has its name and its place.
    """

    owner: str
    first: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


def read(connection: Connection, present: str, staging: str, name: str) -> Belongings:
    """Read what a partition has of its own.

    Args:
        connection: the transaction that replaces the month.
        present: the partition that is replaced.
        staging: the table that replaces it, by the name in which it is built.
        name: the name it gets.
    """
    tables = {"present": present, "staging": staging, "final": name}
    values = {key: qualified(table).as_string(connection) for key, table in tables.items()}
    values |= {"short": staging, "schema": SCHEMA}
    rows = connection.execute(statement("storage/list_belongings"), values).fetchall()
    found = [tuple(str(command) for phase, command in rows if phase == wanted) for wanted in (1, 2, 3)]
    return Belongings(present, *found)


def give(connection: Connection, belongings: Belongings, commands: tuple[str, ...]) -> None:
    """Carry out some of the statements.

    Raises:
        SchemaMismatch: one of them is refused; call it in the transaction that replaces the month.
        psycopg.Error: one of `locks.REFUSED`: somebody holds the table.
    """
    for command in commands:
        try:
            connection.execute(sql.SQL(command))
        except locks.REFUSED:
            raise
        except psycopg.Error as error:
            raise SchemaMismatch(
                f"The partition {SCHEMA}.{belongings.owner} has something of its own that a new month cannot "
                f"get: {command} ({error.diag.message_primary or error}). The old month is untouched. Remove "
                "that or give it to the whole table, then clear this task."
            ) from error
