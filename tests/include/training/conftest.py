"""What tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.include.training.container import environment


@pytest.fixture(scope="session")
def container_python() -> Path:
    """Python with exactly the packages of AWS's XGBoost image."""
    return environment.container_python()
