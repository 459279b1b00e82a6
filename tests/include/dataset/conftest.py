"""A finished data set for every test that looks at one, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from include.objects import ObjectStore
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.dataset.stores import empty_store


class World(NamedTuple):
    """A database with all tables, a store with the data set ``one``, and what its steps said."""

    database: str
    url: str
    store: ObjectStore
    frame: dict[str, Any]
    answer: dict[str, Any]
    reports: Path


@pytest.fixture(scope="session")
def world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with worlds.database(postgres) as name, empty_store(folder / "s3") as store:
        url = postgres.url(name)
        worlds.fill(url, worlds.market())
        frame = worlds.plan(url)
        answer = worlds.make(url, store, frame, folder / "reports")
        yield World(name, url, store, frame, answer, folder / "reports")
