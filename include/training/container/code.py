"""The hash of the code that trains: it is part of every model.

Trees and networks have hashes of their own: what is changed in the package ``networks`` alone is nothing to a
tree.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from include.training.container.models import NETWORKS

HERE = Path(__file__).resolve().parent
FOLDERS = {False: (".",), True: (".", "networks")}  # by whether a network is trained
REQUIREMENTS = ("requirements.txt", "constraints.txt")  # of the networks; SageMaker's toolkit installs them


def modules(model: str, folder: Path = HERE) -> list[str]:
    """The files that make up the training code of a model, relative to the folder, by name."""
    patterns = [f"{name}/*.py" for name in FOLDERS[model in NETWORKS]]
    patterns += [f"networks/{name}" for name in REQUIREMENTS if model in NETWORKS]
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    return sorted(str(path.relative_to(folder)) for path in found)


def code_hash(model: str, folder: Path = HERE) -> str:
    """SHA-256 over names and contents of the files: the same here and in an unpacked archive."""
    content = [
        [name, hashlib.sha256((folder / name).read_bytes()).hexdigest()] for name in modules(model, folder)
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
