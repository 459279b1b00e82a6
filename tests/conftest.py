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
from tests import running
from tests.running import running_bars, running_stack  # noqa: F401 (fixtures)
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
    """Begin with the files that share a whole stack, so that no worker waits for them at the end."""
    places = {name: place for place, name in enumerate(running.FILES)}
    items.sort(key=lambda item: places.get(_file(item.nodeid), len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):  # xdist is not there in every environment
    """Like ``--dist loadfile``, but files that share a whole stack go to one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return running.__name__ if _file(nodeid) in running.FILES else super()._split_scope(nodeid)

    return Scheduling(config, log)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


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
