"""A running AWS for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sagemaker import Aws, served


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    """With a grace of 1 second and a bucket."""
    with served(tmp_path, grace=1.0) as aws:
        yield aws
