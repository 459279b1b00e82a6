"""A bucket for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.objects import ObjectStore
from tests.s3 import connect, served


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    """A bucket of its own for each test."""
    with served(tmp_path) as server:
        store = ObjectStore(connect(server.server_port), "bqx", "")
        store.ensure_bucket()
        yield store
        store.client.close()
