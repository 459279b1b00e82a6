"""Why a process of the stack has died, in words that say what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

from local import services
from local.processes import tail

POSTGRES, API_SERVER = "postgres", "api-server"
FULL = 32 << 20  # free bytes of a disk on which nothing can go on
_NO_SPACE, _IN_USE = "No space left on device", "ddress already in use"
_LOOKED_AT = 100  # lines of a log


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder is full."""
    return shutil.disk_usage(folder).free < FULL


def lost_its_port(log: Path) -> bool:
    """Whether a process ended because another program had its port."""
    return _IN_USE in tail(log, _LOOKED_AT)


def cause(name: str, log: Path, folder: Path, port: int) -> str:
    """Why a process has died, as far as can be told.

    Args:
        name: of the process.
        log: what it said.
        folder: the state folder.
        port: of the API server.
    """
    if is_full(folder) or _NO_SPACE in tail(log, _LOOKED_AT):
        free = shutil.disk_usage(folder).free >> 20
        return (
            f"The disk of {folder} is full ({free} MiB free now), so {part(name)} has died. "
            "Free some space, then make run goes on from there."
        )
    if name == API_SERVER and lost_its_port(log):
        return f"Port {port} is taken by another program. Choose another: make run PORT={port + 1}"
    told = part(name)
    return f"{told[0].upper()}{told[1:]} has died. The end of {log}:\n{tail(log)}"


def part(name: str) -> str:
    """What a process is, for people."""
    if name == POSTGRES:
        return "PostgreSQL"
    stand_ins = {service.name for service in services.SERVICES}
    return f"the stand-in {name}" if name in stand_ins else f"Airflow's {name}"
