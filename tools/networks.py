"""``python -m tools.networks``: make ``.venv-tft``, in which networks are trained on this machine.

pip resolves before anything is fetched, and finds a CPU build of torch by its own configuration where there
is one. Without such a build torch brings gigabytes of CUDA libraries, which are of no use without a GPU: then
it says how many, and goes on only with ``ALLOW_CUDA=1``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements-networks.txt"
FOLDER = ROOT / ".venv-tft"
STAMP = "requirements.sha256"  # in the folder: what it was made from; written last
_CUDA = ("nvidia", "cuda", "triton")  # how the names of CUDA's packages begin


def python_of(folder: Path = FOLDER) -> Path | None:
    """Python of the environment, None if it is not there or was made from other requirements."""
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == _wanted():
        return folder / "bin" / "python"
    return None


def main(folder: Path = FOLDER) -> int:
    """Make the environment; returns the exit code."""
    if python_of(folder):
        print(f"{folder.name} is there, made from {REQUIREMENTS.name}.")
        return 0
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    found = _resolved(folder)
    size = download_size([str(each["download_info"]["url"]) for each in found])
    names = ", ".join(f"{each['metadata']['name']} {each['metadata']['version']}" for each in found)
    print(f"pip would fetch {len(found)} packages, {size}: {names}", flush=True)
    if refusal := refused([str(each["metadata"]["name"]) for each in found], size):
        shutil.rmtree(folder)
        print(refusal)
        return 1
    _pip(folder)
    (folder / STAMP).write_text(_wanted())
    print(f"{folder.name} is ready: networks can be trained on this machine.")
    return 0


def refused(names: Sequence[str], size: str) -> str:
    """Why these packages are not fetched unless they are allowed; empty if they are."""
    cuda = [name for name in names if name.lower().startswith(_CUDA)]
    if not cuda or shutil.which("nvidia-smi") or os.environ.get("ALLOW_CUDA") == "1":
        return ""
    return (
        f"This torch is no CPU build: it brings {len(cuda)} packages of CUDA, {size} in all, and there is no "
        "GPU here. Let pip find a CPU build (pip config set global.find-links ...), or fetch all of it: "
        "make tft ALLOW_CUDA=1"
    )


def download_size(addresses: Sequence[str]) -> str:
    """How much a list of files is, in words."""
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(_size, addresses))
    known = [size for size in sizes if size is not None]
    unknown = len(sizes) - len(known)
    return f"{sum(known) / 1e9:.2f} GB" + (f" and {unknown} files of unknown size" if unknown else "")


def _size(address: str) -> int | None:
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.headers["Content-Length"])
    except (urllib.error.URLError, OSError, TypeError, ValueError):
        return None


def _resolved(folder: Path) -> list[dict[str, Any]]:
    """The packages that pip would install, as its report tells them."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        _pip(folder, "--dry-run", "--report", str(report))
        return list(json.loads(report.read_text())["install"])


def _pip(folder: Path, *arguments: str) -> None:
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*command, "--requirement", str(REQUIREMENTS), *arguments], check=True)


def _wanted() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
