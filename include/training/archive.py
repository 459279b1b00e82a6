"""The archive of the code that SageMaker's toolkit unpacks and runs in a training job.

``train.py`` lies at its root. The modules keep their path ``include/training/container/``, so that they
import each other by the same names there and in this repository; the packages around them are empty there.
The archive of a network also has the package ``networks``, and at its root the requirements that the toolkit
installs on top of the image.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from include.training.container.code import HERE, REQUIREMENTS, code_hash, modules
from include.training.container.models import NETWORKS

__all__ = ["CONTAINER", "ENTRY", "PACKAGES", "code_hash", "code_key", "pack", "pack_files"]

CONTAINER = HERE
ENTRY = "train.py"
INSIDE = "include/training/container"
FOLDER = "code"  # in the bucket
PACKAGES = ("include/__init__.py", "include/training/__init__.py")


def code_key(model: str) -> str:
    """Key of the archive with the code of a model; other code has another key."""
    return f"{FOLDER}/training-{code_hash(model)[:16]}.tar.gz"


def pack(model: str, folder: Path = CONTAINER) -> bytes:
    """The archive with the code of a model, a tar.gz; the same files give the same bytes.

    Args:
        model: trees share an archive, and networks share another.
        folder: where the modules are.
    """
    files = dict.fromkeys(PACKAGES, b"")
    files |= {f"{INSIDE}/{name}": (folder / name).read_bytes() for name in modules(model, folder)}
    files[ENTRY] = (folder / ENTRY).read_bytes()
    if model in NETWORKS:
        files |= {name: (folder / "networks" / name).read_bytes() for name in REQUIREMENTS}
    return pack_files(files)


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of some files by name; the same files give the same bytes."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, body in sorted(files.items()):
            entry = tarfile.TarInfo(name)  # owner, time and mode are fixed
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return gzip.compress(tar.getvalue(), compresslevel=9, mtime=0)
