"""The hash of the code that trains: it is part of every model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent


def modules(folder: Path = HERE) -> list[Path]:
    """The files that make up the training code, by name."""
    return sorted(folder.glob("*.py"))


def code_hash(folder: Path = HERE) -> str:
    """SHA-256 over names and contents of the modules: the same here and in an unpacked archive."""
    content = [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in modules(folder)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
