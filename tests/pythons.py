"""Other versions of Python on this machine, found by name."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import NamedTuple


class Python(NamedTuple):
    """How to start a version of Python: a command and the environment it needs."""

    command: str
    environment: dict[str, str]


@cache
def find(version: str) -> Python | None:
    """Python of a version such as ``3.12``, or None; pyenv gives it out if it is asked for by name."""
    for extra in ({}, {"PYENV_VERSION": version}):
        found = Python(f"python{version}", {**os.environ, **extra})
        try:
            subprocess.run(
                [found.command, "-c", ""], env=found.environment, check=True, capture_output=True, timeout=60
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return found
    return None
