"""What tests of serving share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.objects import ObjectStore
from tests.include.dataset.stores import empty_store


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    """An empty bucket, whole."""
    with empty_store(tmp_path / "s3") as store:
        yield store._replace(prefix="")
