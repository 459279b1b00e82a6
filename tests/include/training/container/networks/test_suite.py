"""What needs torch, run once by the Python of ``.venv-tft``; here each check is a test."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest

from include.training.container.models import NETWORKS
from tests.include.training.container import jobs

SUITE = Path(__file__).with_name("suite.py")
ROOT = Path(__file__).resolve().parents[5]
CHECKS = [
    node.name
    for node in ast.parse(SUITE.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
]
TINY = {"epochs": "2", "train_stride": "40"}


@pytest.fixture(scope="module")
def found(planted: Path, networks_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("networks")
    for model in NETWORKS:
        jobs.prepare(place / model, planted, model=model, **TINY)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(networks_python), "-W", "ignore", str(SUITE), str(place)],
        env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    print(done.stderr[-3000:])
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads((place / "found.json").read_text()))


@pytest.mark.parametrize("check", CHECKS)
def test_of_the_suite(check: str, found: dict[str, str]) -> None:
    assert found[check] == "", found[check]
