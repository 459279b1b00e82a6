"""What tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.include.training.container import environment
from tests.include.training.worlds import make_dataset


@pytest.fixture(scope="session")
def container_python() -> Path:
    """Python with exactly the packages of AWS's XGBoost image."""
    return environment.container_python()


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set ``tiny`` of eurusd, in which a signal is planted; nobody writes to it."""
    folder = tmp_path_factory.mktemp("planted")
    make_dataset(folder, ["eurusd"], 12, signal=0.9)
    return folder


@pytest.fixture(scope="session")
def martingale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without any signal."""
    folder = tmp_path_factory.mktemp("martingale")
    make_dataset(folder, ["eurusd"], 12)
    return folder
