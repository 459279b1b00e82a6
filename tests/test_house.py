"""The rules of the house, read from the source: who may import whom, how long a module may be."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Data flows upwards: a room imports from lower levels only, never from its neighbours.
LEVELS = {
    "pairs": 0, "names": 0, "errors": 0, "settings": 0, "pages": 0,
    "charts": 0,
    "features": 1, "objects": 1, "forms": 1, "aws": 1,
    "storage": 2, "reports": 2, "tracking": 2,
    "build": 3,
    "market": 4, "migration": 4, "dataset": 4, "quality": 4, "events": 4,
    "training": 5, "alerts": 5,
    "serving": 6,
    "monitoring": 7,
    "retraining": 8, "experiments": 9, "review": 9,
    "plan": 8,  # stands beside all rooms: it says of each what has been done
}  # fmt: skip
CORE = [room for room, level in LEVELS.items() if level == 0]
DOES_IO = {
    "boto3",
    "httpx",
    "io",
    "psycopg",
    "pyarrow",
    "requests",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
}
LONGEST = {
    "dags": 150,
    **dict.fromkeys(("include", "plugins", "local", "tools", "benchmarks"), 400),
    "tests": 600,
}
PRODUCT = ("include", "dags", "plugins")
WORKBENCH = {"local", "tools", "tests", "benchmarks"}


class Import(NamedTuple):
    """One import statement: the module it names, and whether it runs when the file is loaded."""

    module: str
    line: int
    at_load: bool
    relative: bool


def sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> list[Import]:
    return list(_imports(ast.parse(path.read_text(), shown(path)), at_load=True))


def _imports(node: ast.AST, *, at_load: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(name.name, child.lineno, at_load, False) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = child.module or ""
            deeper = [f"{module}.{name.name}" for name in child.names] if module == "include" else [module]
            yield from (Import(name, child.lineno, at_load, child.level > 0) for name in deeper)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            inside |= isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from _imports(child, at_load=at_load and not inside)


def room_of(module: str) -> str | None:
    """The room of ``include`` that a module belongs to, None for anything else."""
    parts = module.split(".")
    return parts[1] if parts[0] == "include" and len(parts) > 1 else None


def offences(folder: str, *, allowed: object) -> list[str]:
    """Imports in a folder that a function ``allowed(path, import)`` does not accept."""
    return [
        f"{shown(path)}:{found.line} imports {found.module}"
        for path in sources(folder)
        for found in imports(path)
        if not allowed(path, found)  # type: ignore[operator]
    ]


def own_room(path: Path) -> str:
    return path.relative_to(ROOT / "include").parts[0].removesuffix(".py")


def test_data_flows_one_way() -> None:
    def allowed(path: Path, found: Import) -> bool:
        room, own = room_of(found.module), own_room(path)
        return room is None or room == own or LEVELS[room] < LEVELS.get(own, 0)

    assert offences("include", allowed=allowed) == []


def test_every_room_has_its_place() -> None:
    rooms = {own_room(path) for path in sources("include")} - {"__init__"}
    assert rooms <= set(LEVELS)


def test_the_core_imports_nothing_of_ours() -> None:
    for name in CORE:
        path = ROOT / "include" / f"{name}.py"
        if path.exists():
            assert [found for found in imports(path) if found.module.startswith("include")] == [], name


@pytest.mark.parametrize("folder", PRODUCT)
def test_the_product_does_not_import_the_workbench(folder: str) -> None:
    def allowed(path: Path, found: Import) -> bool:
        return found.module.split(".")[0] not in WORKBENCH

    assert offences(folder, allowed=allowed) == []


def test_include_does_not_import_airflow() -> None:
    def allowed(path: Path, found: Import) -> bool:
        return found.module.split(".")[0] not in {"airflow", "bqx", "dags", "plugins"}

    assert offences("include", allowed=allowed) == []


def test_features_do_no_io() -> None:
    def allowed(path: Path, found: Import) -> bool:
        return own_room(path) != "features" or found.module.split(".")[0] not in DOES_IO

    assert offences("include", allowed=allowed) == []


def test_no_plugin_imports_include_when_it_is_loaded() -> None:
    # api-server, scheduler, triggerer and dag-processor load plugins without the bundle root.
    def allowed(path: Path, found: Import) -> bool:
        return not (found.at_load and found.module.split(".")[0] == "include")

    assert offences("plugins", allowed=allowed) == []


def test_dags_do_not_import_each_other() -> None:
    names = {path.stem for path in sources("dags")}

    def allowed(path: Path, found: Import) -> bool:
        first = found.module.split(".")[0]
        return first != "dags" and first not in names

    assert offences("dags", allowed=allowed) == []


@pytest.mark.parametrize("folder", LONGEST)
def test_imports_are_absolute(folder: str) -> None:
    def allowed(path: Path, found: Import) -> bool:
        return not found.relative

    assert offences(folder, allowed=allowed) == []


@pytest.mark.parametrize("folder", LONGEST)
def test_modules_are_short(folder: str) -> None:
    long = {shown(path): len(path.read_text().splitlines()) for path in sources(folder)}
    assert {path: lines for path, lines in long.items() if lines > LONGEST[folder]} == {}


@pytest.mark.parametrize("folder", ["include", "local", "tools", "tests", "plugins/bqx"])
def test_every_package_says_that_it_is_one(folder: str) -> None:
    folders = {path.parent for path in sources(folder)}
    assert [shown(path) for path in sorted(folders) if not (path / "__init__.py").exists()] == []


def test_no_library_is_called_include() -> None:
    # The bundle root is last on sys.path in Airflow's own processes: such a library would win.
    assert "include" not in importlib.metadata.packages_distributions()
    assert [
        path
        for path in sys.path
        if path != str(ROOT) and (Path(path) / "include").is_dir() and "site-packages" in path
    ] == []


def test_airflow_parses_dags_and_nothing_else(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from airflow._shared.module_loading.file_discovery import find_path_from_directory
root = sys.argv[1]
for path in find_path_from_directory(root, ".airflowignore"):
    print("FOUND", Path(path).relative_to(root))
"""
    done = subprocess.run([sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {
        line.split()[1]
        for line in done.stdout.splitlines()
        if line.startswith("FOUND") and line.endswith(".py")
    }
    assert found == {shown(path) for path in sources("dags")}
