"""Built tables for tests of the gate: made once per module, copied per test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from include.build.months import build
from include.features.bars import Bars
from local.postgres import Postgres
from tests.include.storage.samples import store

PAIR = "eurusd"
_number = itertools.count()


@contextmanager
def built(postgres: Postgres, name: str, bars: Bars, families: tuple[str, ...]) -> Iterator[str]:
    """A database with the bars and the families of `PAIR`; yields its name."""
    postgres.create_database(name)
    store(postgres.url(name), PAIR, bars)
    build(postgres.url(name), PAIR, families)
    yield name
    _drop(postgres, name)


@contextmanager
def copy_of(postgres: Postgres, template: str) -> Iterator[str]:
    """A copy of a database; yields its URL."""
    name = f"{template}_{next(_number)}"
    with postgres.connect() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    yield postgres.url(name)
    _drop(postgres, name)


def change(url: str, *statements: str) -> None:
    """Do something to a database that none of ours does."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def _drop(postgres: Postgres, name: str) -> None:
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
