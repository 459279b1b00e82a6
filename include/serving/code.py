"""The archive of the code that answers in the endpoint's container.

``inference.py`` lies at its root, where AWS's toolkit finds it. The modules that it imports keep their path,
as in the archive of the training code. Only those are there: what is changed elsewhere in the training code
changes neither this archive nor the endpoint.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from include.training.archive import PACKAGES, pack_files

__all__ = ["ENTRY", "code_key", "pack"]

ROOT = Path(__file__).resolve().parents[2]
ENTRY = "inference.py"
SCRIPT = f"include/serving/container/{ENTRY}"
FOLDER = "code"  # in the bucket
DIGITS = 16  # of the hash in a key
_NETWORKS = "include/training/container/networks/"  # no tree needs them


def code_key() -> str:
    """Key of the archive; other code has another key."""
    return f"{FOLDER}/serving-{hashlib.sha256(pack()).hexdigest()[:DIGITS]}.tar.gz"


@cache
def pack() -> bytes:
    """The archive, a tar.gz; the same modules give the same bytes."""
    modules = _closure(SCRIPT)
    files = {name: (ROOT / name).read_bytes() for name in modules}
    folders = {str(parent) for name in modules for parent in Path(name).parents if str(parent) != "."}
    files |= dict.fromkeys((*PACKAGES, *(f"{folder}/__init__.py" for folder in folders)), b"")
    return pack_files(files | {ENTRY: files[SCRIPT]})


def _closure(script: str) -> list[str]:
    """A script and the modules of ours that it imports, directly or not."""
    found, waiting = set[str](), [script]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [each for each in _imported(name) if not each.startswith(_NETWORKS)]
    return sorted(found)


def _imported(name: str) -> list[str]:
    modules = set[str]()
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            modules |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    paths = [f"{module.replace('.', '/')}.py" for module in sorted(modules) if module.startswith("include.")]
    return [path for path in paths if (ROOT / path).exists()]
