"""The tables of the alerts, an AWS with a topic, and a mail server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.alerts import store
from include.storage.connection import Connection, connect
from local.mail.smtp import Server
from local.services import TOPIC
from tests.alerts import mail_server, published
from tests.sagemaker import Aws, served


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """To a database with the tables."""
    with connect(database_url) as connection:
        store.ensure_tables(connection)
        yield connection


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """One for all tests of a module: loading moto takes seconds."""
    with served(tmp_path_factory.mktemp("aws"), topics=(TOPIC,)) as aws:
        yield aws


@pytest.fixture
def aws(cloud: Aws) -> Iterator[Aws]:
    """Without faults and messages of other tests."""
    cloud.trouble.clear()
    yield cloud
    cloud.trouble.clear()
    published(cloud)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Where mails are caught."""
    return tmp_path / "mail"


@pytest.fixture
def postman(inbox: Path) -> Iterator[Server]:
    """The mail server."""
    with mail_server(inbox) as server:
        yield server
