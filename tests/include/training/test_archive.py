"""The archive: the same modules give the same bytes, and it holds nothing but them."""

from __future__ import annotations

import ast
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from include.training.archive import CONTAINER, code_hash, pack
from include.training.container.code import modules
from include.training.container.models import MODELS

ALONE = "include.training.container"


def names(body: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.getnames()


def test_it_holds_the_modules_and_where_to_begin() -> None:
    found = names(pack("xgboost"))
    inside = [f"include/training/container/{name}" for name in modules("xgboost")]
    assert found == sorted([*inside, "include/__init__.py", "include/training/__init__.py", "train.py"])
    assert len(inside) > 10
    more = set(names(pack("tft"))) - set(found)
    assert more == {
        "requirements.txt",
        "constraints.txt",
        *(f"include/training/container/{name}" for name in modules("tft") if name.startswith("networks/")),
    }
    assert "include/training/container/networks/kind.py" in more


def test_the_models_of_a_kind_share_their_code() -> None:
    assert pack("random_forest") == pack("xgboost") != pack("tft") == pack("multi_task")


def test_a_change_of_a_network_is_nothing_to_a_tree(tmp_path: Path) -> None:
    shutil.copytree(CONTAINER, tmp_path / "copy")
    with (tmp_path / "copy" / "networks" / "fitting.py").open("a") as file:
        file.write("\n")
    assert code_hash("xgboost", tmp_path / "copy") == code_hash("xgboost")
    assert pack("xgboost", tmp_path / "copy") == pack("xgboost")
    assert code_hash("tft", tmp_path / "copy") != code_hash("tft")


@pytest.mark.parametrize("model", MODELS)
def test_the_same_modules_give_the_same_bytes(model: str, tmp_path: Path) -> None:
    shutil.copytree(CONTAINER, tmp_path / "copy")
    (tmp_path / "copy" / "notes.txt").write_text("is not code")
    assert pack(model, tmp_path / "copy") == pack(model)
    assert code_hash(model, tmp_path / "copy") == code_hash(model)


@pytest.mark.parametrize("model", MODELS)
def test_another_line_gives_another_hash(model: str, tmp_path: Path) -> None:
    shutil.copytree(CONTAINER, tmp_path / "copy")
    with (tmp_path / "copy" / "train.py").open("a") as file:
        file.write("\n")
    assert code_hash(model, tmp_path / "copy") != code_hash(model)
    assert pack(model, tmp_path / "copy") != pack(model)


@pytest.mark.parametrize("model", MODELS)
def test_the_hash_is_the_same_in_the_unpacked_archive(model: str, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(model))) as archive:
        archive.extractall(tmp_path, filter="data")
    assert code_hash(model, tmp_path / "include" / "training" / "container") == code_hash(model)


def imported(name: str) -> list[str]:
    """What a module of the archive imports."""
    out = []
    for node in ast.walk(ast.parse((CONTAINER / name).read_text())):
        out += [each.name for each in node.names] if isinstance(node, ast.Import) else []
        out += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return out


def sources(model: str) -> list[str]:
    return [name for name in modules(model) if name.endswith(".py")]


def test_the_modules_import_nothing_else_of_ours() -> None:
    found = [(name, each) for name in sources("tft") for each in imported(name)]
    ours = [(name, each) for name, each in found if each.split(".")[0] in ("include", "bqx", "local")]
    assert ours
    assert [(name, each) for name, each in ours if not f"{each}.".startswith(f"{ALONE}.")] == []


def test_a_tree_imports_no_torch() -> None:
    found = {each.split(".")[0] for name in sources("xgboost") for each in imported(name)}
    assert not found & {"torch", "safetensors", "lightning", "pytorch_forecasting"}
    networks = [name for name in sources("tft") if "torch" in imported(name)]
    assert networks
    assert all(name.startswith("networks/") for name in networks)
