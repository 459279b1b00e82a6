"""Fixtures for every test: one embedded PostgreSQL per session, one empty database per test."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local.postgres import Postgres
from tools import networks

_SERVER_FOLDER = pytest.StashKey[Path]()
_number = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Agree on one folder for the server; with xdist the controller tells its workers."""
    told = getattr(config, "workerinput", {}).get("postgres_folder")
    config.stash[_SERVER_FOLDER] = Path(told or tempfile.mkdtemp(prefix="bqx-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:  # xdist has no public type for a worker
    """Called in the xdist controller for each worker."""
    node.workerinput["postgres_folder"] = str(node.config.stash[_SERVER_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller, or a session without xdist, stops the server: it outlives every worker."""
    folder = config.stash.get(_SERVER_FOLDER, None)
    if folder is None or hasattr(config, "workerinput"):
        return
    Postgres(folder / "postgres", durable=False).stop()
    shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, so that no worker waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Postgres:
    """The server of this session, shared by all xdist workers; whoever comes first starts it."""
    folder = pytestconfig.stash[_SERVER_FOLDER]
    server = Postgres(folder / "postgres", durable=False)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server.start()
    return server


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """Libpq URL of an empty database that only this test has; it is dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_number)}"
    postgres.create_database(name)
    yield postgres.url(name)
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def db(database_url: str) -> Iterator[psycopg.Connection]:
    """An open connection, in autocommit mode, to the database of `database_url`."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def networks_python() -> Path:
    """Python with the packages that networks are trained with; BQX_TFT=1 makes it where it is not there."""
    if os.environ.get("BQX_TFT") == "1":
        networks.main()
    python = networks.python_of()
    if python is None:
        pytest.skip(f"{networks.FOLDER.name} is not there: make tft")
    return python
