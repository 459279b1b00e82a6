"""What the scheduler has in memory: libraries as they are, project code as long as it has not changed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.airflow import ROOT
from local.preload import LIBRARIES, PROJECT, stamps

FORKING = """
import os, sys
from pathlib import Path
from local.preload import forget_changed, stamps
import toy.formula
folder = Path(toy.__file__).parent
before = stamps(folder)
os.register_at_fork(after_in_child=lambda: forget_changed(folder, before))
if sys.argv[1:]:
    (folder / sys.argv[1]).write_text(sys.argv[2])
child = os.fork()
if child == 0:
    here = "toy.formula" in sys.modules
    import toy.formula
    print(here, toy.formula.VALUE, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("toy.formula" in sys.modules, toy.formula.VALUE)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A package whose formula reads a file beside it."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "days.csv").write_text("1")
    (folder / "formula.py").write_text(
        "from pathlib import Path\nVALUE = 10 * int(Path(__file__).with_name('days.csv').read_text())\n"
    )
    return folder


def forked(toy: Path, *change: str) -> list[str]:
    """Whether the package is in memory and what it says: in a fork after a change, and in its parent."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING, *change],
        env=os.environ | {"PYTHONPATH": f"{toy.parent}:{ROOT}"},
        cwd=toy.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_fork_has_the_code_in_memory(toy: Path) -> None:
    assert forked(toy) == ["True 10", "True 10"]


@pytest.mark.parametrize(
    ("change", "value"),
    [(("formula.py", "VALUE = 7\n"), 7), (("days.csv", "3"), 30), (("new.py", ""), 10)],
)
def test_a_fork_after_a_change_imports_anew(toy: Path, change: tuple[str, str], value: int) -> None:
    assert forked(toy, *change) == [f"False {value}", "True 10"]


def test_compiled_code_is_no_change(toy: Path) -> None:
    before = stamps(toy)
    (toy / "__pycache__").mkdir()
    (toy / "__pycache__" / "formula.pyc").touch()
    assert stamps(toy) == before


@pytest.mark.parametrize("module", LIBRARIES)
def test_libraries_are_no_project_code(module: str) -> None:
    # What is not below include/ would be kept in memory whatever happens to it.
    assert not module.startswith(("include", "bqx", "dags", "local"))


@pytest.mark.parametrize("module", PROJECT)
def test_project_code_is_below_the_folder_that_is_looked_at(module: str) -> None:
    assert module.startswith("include.")
    importlib.import_module(module)


def test_descriptions_of_services_are_read_once() -> None:
    script = """
from botocore.loaders import Loader
from local import preload
preload._keep_descriptions()
first, second = (Loader().load_service_model(name, "service-2") for name in ("s3", "s3"))
other = Loader().load_service_model("sns", "service-2")
print(first["operations"] is second["operations"], other["metadata"]["serviceId"])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "SNS"], done.stderr
