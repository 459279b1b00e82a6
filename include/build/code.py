"""The one fingerprint of code: it changes if, and only if, a stored value may change.

It covers the syntax trees of the engine and of what reads its inputs, without comments, docstrings and
annotations, and of the catalogue only what the engine and the builds use of a column. So editing a text, a
tool or a document makes no month stale, and two versions of Python agree about the same source.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from importlib.util import cache_from_source
from pathlib import Path

from include import build, features
from include.features.catalogue import CATALOGUE
from include.features.catalogue.model import BARS_BEFORE

ENGINE = Path(features.__file__).parent
READING = tuple(Path(build.__file__).with_name(name) for name in ("chunks.py", "shared.py"))
_FACTS = ("full_name", "kind", "min", "warm", "counts", "grid", "low", "high", "neutral")
_SKIPPED = frozenset(("annotation", "returns", "type_comment", "type_params", "kind", "ctx"))


@cache
def code_version() -> str:
    """Hash of everything in this version that a stored value follows from, besides its inputs."""
    digest = blake2b(digest_size=8)
    for part in _parts():
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def outline(source: str) -> str:
    """What a module does: its syntax tree without texts for people, as one line.

    The same for any version of Python that can read it: fields that are empty, or that only some versions
    have, are left out.
    """
    return _outline(ast.parse(source))


def outlines(name: str, modules: Sequence[Path]) -> list[str]:
    """Outlines of several modules; they are kept beside Python's compiled code until one of them changes.

    Every task needs them, and making them takes longer than computing a month of a family.

    Args:
        name: of this set of modules.
        modules: their files.
    """
    sources = [path.read_text(encoding="utf-8") for path in (*modules, Path(__file__))]
    state = blake2b("\0".join(sources).encode()).hexdigest()
    kept = Path(cache_from_source(__file__)).with_name(f"{name}.outlines.json")
    with suppress(OSError, ValueError):
        before = json.loads(kept.read_text(encoding="utf-8"))
        if before["state"] == state:
            return list(before["outlines"])
    found = [outline(source) for source in sources[:-1]]
    if not sys.dont_write_bytecode:
        _keep(kept, {"state": state, "outlines": found})
    return found


def _keep(path: Path, content: dict[str, object]) -> None:
    """Write a file that readers see whole; where nothing may be written it is made again each time."""
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(path)


def _parts() -> Iterator[str]:
    modules = [path for path in sorted(ENGINE.rglob("*.py")) if ENGINE / "catalogue" not in path.parents]
    modules += READING
    for path, told in zip(modules, outlines("engine", modules), strict=True):
        yield f"{path.name} {told}"
    for path in sorted(ENGINE.rglob("*.csv")):
        yield f"{path.name} {path.read_text(encoding='utf-8')}"
    yield repr(BARS_BEFORE)
    for family in CATALOGUE:
        for column in family.columns:
            yield repr([getattr(column, fact) for fact in _FACTS])


def _outline(node: object) -> str:
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if name not in _SKIPPED]
        told = [f"{name}={_outline(value)}" for name, value in fields if value not in (None, [])]
        return f"{type(node).__name__}({' '.join(told)})"
    if isinstance(node, list):
        return f"[{' '.join(_outline(each) for each in node if not _is_text(each))}]"
    return repr(node)


def _is_text(node: object) -> bool:
    """A docstring, or another string that stands for itself."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
