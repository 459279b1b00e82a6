"""The one way kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["BLOCK", "kernel"]

F = TypeVar("F", bound=Callable[..., Any])

BLOCK = 512  # rows worked on together: the accumulators of one block stay in the first-level cache


def kernel(function: F) -> F:
    """Compile on first use, keep the machine code on disk, release the interpreter lock.

    Division by zero gives inf or NaN instead of an exception, without which loops are not vectorised.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
