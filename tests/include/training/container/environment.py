"""A virtual environment with what AWS's XGBoost image has, and nothing else: ``.venv-container``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import pythons

ROOT = Path(__file__).resolve().parents[4]
REQUIREMENTS = ROOT / "requirements-container.txt"
FOLDER = ROOT / ".venv-container"
UV = Path(sys.executable).with_name("uv")
VERSION = "3.12"  # of the image; without it the version of this process


def container_python() -> Path:
    """Python of the environment; whoever comes first makes it, the others wait."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    stamp, inside = FOLDER / "requirements.sha256", FOLDER / "bin" / "python"
    with FOLDER.with_name(f"{FOLDER.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(FOLDER, ignore_errors=True)
            _make(inside)
            stamp.write_text(wanted)
    return inside


def _make(inside: Path) -> None:
    python = pythons.find(VERSION)
    command = [python.command] if python else [sys.executable]
    settings = {**os.environ, "UV_SYSTEM_CERTS": "1", **(python.environment if python else {})}
    subprocess.run([*command, "-m", "venv", "--without-pip", str(FOLDER)], check=True, env=settings)
    subprocess.run(
        [str(UV), "pip", "install", "--quiet", "--python", str(inside), "-r", str(REQUIREMENTS)],
        check=True, env=settings, timeout=900,
    )  # fmt: skip
