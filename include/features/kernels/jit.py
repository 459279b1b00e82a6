"""The one way kernels are compiled, and where the machine code is kept."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

__all__ = ["BLOCK", "kernel"]

F = TypeVar("F", bound=Callable[..., Any])

BLOCK = 512  # rows worked on together: the accumulators of one block stay in the first-level cache


def _keep_code_by_source() -> None:
    """Keep machine code in a folder named after the source of ALL kernels.

    numba looks only at the file a kernel stands in, and would go on using a kernel whose helpers in
    another file have changed. A cache folder that the user has chosen (NUMBA_CACHE_DIR) is the parent.
    """
    folder = Path(__file__).parent
    digest = blake2b(digest_size=8)
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    config: Any = numba.config
    parent = Path(config.CACHE_DIR or folder / "__pycache__")
    config.CACHE_DIR = str(parent / f"kernels-{digest.hexdigest()}")


def kernel(function: F) -> F:
    """Compile on first use, keep the machine code on disk, release the interpreter lock.

    Division by zero gives inf or NaN instead of an exception, without which loops are not vectorised.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


_keep_code_by_source()
