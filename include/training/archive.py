"""The archive of the code that SageMaker's toolkit unpacks and runs in a training job.

``train.py`` lies at its root. The modules keep their path ``include/training/container/``, so that they
import each other by the same names there and in this repository; the packages around them are empty there.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from include.training.container.code import HERE, code_hash, modules

__all__ = ["CONTAINER", "code_hash", "pack"]

CONTAINER = HERE
ENTRY = "train.py"
INSIDE = "include/training/container"
PACKAGES = ("include/__init__.py", "include/training/__init__.py")


def pack(folder: Path = CONTAINER) -> bytes:
    """The archive, a tar.gz; the same modules give the same bytes.

    Args:
        folder: where the modules are.
    """
    files = dict.fromkeys(PACKAGES, b"") | {
        f"{INSIDE}/{path.name}": path.read_bytes() for path in modules(folder)
    }
    files[ENTRY] = (folder / ENTRY).read_bytes()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, body in sorted(files.items()):
            entry = tarfile.TarInfo(name)  # owner, time and mode are fixed
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return gzip.compress(tar.getvalue(), compresslevel=9, mtime=0)
