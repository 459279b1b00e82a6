"""What tests of training share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.include.training.container import environment
from tests.include.training.worlds import make_dataset
from tools import networks


@pytest.fixture(scope="session")
def container_python() -> Path:
    """Python with exactly the packages of AWS's XGBoost image."""
    return environment.container_python()


@pytest.fixture(scope="session")
def networks_python() -> Path:
    """Python with the packages that networks are trained with; BQX_TFT=1 makes it where it is not there."""
    if os.environ.get("BQX_TFT") == "1":
        networks.main()
    python = networks.python_of()
    if python is None:
        pytest.skip(f"{networks.FOLDER.name} is not there: make tft")
    return python


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
