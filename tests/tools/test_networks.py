"""`make tft`: it says what it would fetch, and asks before it fetches gigabytes that are of no use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.training import archive
from include.training.container import code
from tests.test_requirements import pins
from tools import networks

CUDA = ["torch", "nvidia-cublas-cu12", "cuda-bindings", "numpy"]


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks.shutil, "which", lambda _: None)
    monkeypatch.delenv("ALLOW_CUDA", raising=False)


def test_a_cpu_build_is_fetched() -> None:
    assert networks.refused(["torch", "numpy", "lightning"], "0.3 GB") == ""


def test_gigabytes_of_cuda_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = networks.refused(CUDA, "5.1 GB")
    assert "2 packages of CUDA, 5.1 GB in all, and there is no GPU here" in said
    assert said.endswith("make tft ALLOW_CUDA=1")
    monkeypatch.setenv("ALLOW_CUDA", "1")
    assert networks.refused(CUDA, "5.1 GB") == ""


def test_with_a_gpu_they_are_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert networks.refused(CUDA, "5.1 GB") == ""


def test_sizes_are_added_up_and_unknown_ones_counted(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(bytes(12_000_000))
    found = networks.download_size([(tmp_path / "a.whl").as_uri(), (tmp_path / "gone.whl").as_uri()])
    assert found == "0.01 GB and 1 files of unknown size"


def test_an_environment_of_other_requirements_does_not_count(tmp_path: Path) -> None:
    assert networks.python_of(tmp_path) is None
    (tmp_path / networks.STAMP).write_text("of others")
    assert networks.python_of(tmp_path) is None
    (tmp_path / networks.STAMP).write_text(networks._wanted())
    assert networks.python_of(tmp_path) == tmp_path / "bin" / "python"


def test_what_the_image_gets_is_what_was_tested() -> None:
    """The archive's requirements name the versions of the environment, and keep the image's torch."""
    tested = pins(networks.REQUIREMENTS.name)
    folder = archive.CONTAINER / "networks"
    added, kept = ((folder / name).read_text() for name in code.REQUIREMENTS)
    asked = dict(re.findall(r"^([a-z-]+)==(.+)$", added, re.MULTILINE))
    assert {"pytorch-forecasting", "lightning", "safetensors"} <= set(asked)
    assert all(tested[name] == version for name, version in asked.items())
    assert "-c constraints.txt" in added
    assert "torch" not in asked
    assert kept.strip() == f"torch=={tested['torch']}"
