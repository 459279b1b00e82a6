"""The archive: the same modules give the same bytes, and it holds nothing but them."""

from __future__ import annotations

import ast
import io
import shutil
import tarfile
from pathlib import Path

from include.training.archive import CONTAINER, code_hash, pack
from include.training.container.code import modules

ALONE = "include.training.container"


def names(body: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.getnames()


def test_it_holds_the_modules_and_where_to_begin() -> None:
    found = names(pack())
    inside = [f"include/training/container/{path.name}" for path in modules()]
    assert found == sorted([*inside, "include/__init__.py", "include/training/__init__.py", "train.py"])
    assert len(inside) > 10


def test_the_same_modules_give_the_same_bytes(tmp_path: Path) -> None:
    shutil.copytree(CONTAINER, tmp_path / "copy")
    (tmp_path / "copy" / "notes.txt").write_text("is not code")
    assert pack(tmp_path / "copy") == pack()
    assert code_hash(tmp_path / "copy") == code_hash()


def test_another_line_gives_another_hash(tmp_path: Path) -> None:
    shutil.copytree(CONTAINER, tmp_path / "copy")
    with (tmp_path / "copy" / "train.py").open("a") as file:
        file.write("\n")
    assert code_hash(tmp_path / "copy") != code_hash()
    assert pack(tmp_path / "copy") != pack()


def test_the_hash_is_the_same_in_the_unpacked_archive(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack())) as archive:
        archive.extractall(tmp_path, filter="data")
    assert code_hash(tmp_path / "include" / "training" / "container") == code_hash()


def test_the_modules_import_nothing_else_of_ours() -> None:
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [
                (path.name, name) for name in names if name.split(".")[0] in ("include", "bqx", "local")
            ]
    assert found
    assert [(file, name) for file, name in found if not name.startswith(f"{ALONE}.")] == []
