"""A running CloudWatch for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloudwatch import Watch, watched


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """At noon of a day in 2024, until a test turns its clock."""
    with watched(tmp_path) as watch:
        yield watch
