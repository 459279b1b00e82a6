"""The fingerprint of code: a formula changes it; a tool, a text and a version of Python do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from include.build import code
from include.build.code import code_version, outline, outlines
from include.features.catalogue import CATALOGUE
from tests import pythons

ROOT = Path(__file__).resolve().parents[3]
OTHER = "3.12" if sys.version_info[:2] == (3, 11) else "3.11"

FORMULA = '''
"""What it is."""

from x import y

def mean(values: list[float], window: int = 20) -> float:
    """The mean."""
    # of the last rows
    return sum(values[-window:]) / window
'''


@pytest.mark.parametrize(
    "change",
    [
        ("window: int = 20", "window: int = 21"),
        ("/ window", "/ (window - 1)"),
        ("-window:", "-window + 1:"),
        ("sum(", "max("),
        ("from x import y", "from x import z"),
    ],
)
def test_whatever_changes_a_value_changes_the_outline(change: tuple[str, str]) -> None:
    assert outline(FORMULA.replace(*change)) != outline(FORMULA)


@pytest.mark.parametrize(
    "change",
    [
        ('"""What it is."""', '"""Another text."""'),
        ('    """The mean."""\n', ""),
        ("# of the last rows", "# something else"),
        ("values: list[float]", "values: Sequence[float]"),
        (" -> float", ""),
        ("sum(values[-window:]) / window", "(sum( values[-window :] )\n        / window)"),
    ],
)
def test_texts_and_layout_do_not(change: tuple[str, str]) -> None:
    assert outline(FORMULA.replace(*change)) == outline(FORMULA)


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The fingerprint over a copy of the engine, in which a test may change something."""
    shutil.copytree(code.ENGINE, tmp_path / "features", ignore=shutil.ignore_patterns("__pycache__"))
    reading = tuple(Path(shutil.copy(path, tmp_path / path.name)) for path in code.READING)
    monkeypatch.setattr(code, "ENGINE", tmp_path / "features")
    monkeypatch.setattr(code, "READING", reading)
    monkeypatch.setattr(code, "cache_from_source", lambda _: str(tmp_path / "kept" / "code.pyc"))
    return lambda: code_version.__wrapped__()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, path
    path.write_text(text.replace(old, new, 1))


def test_a_formula_a_holiday_and_what_is_read_change_it(version, tmp_path: Path) -> None:
    found = {version()}
    edit(tmp_path / "features" / "grid.py", "MAX_FILL = 5", "MAX_FILL = 6")
    found.add(version())
    with (tmp_path / "features" / "holidays.csv").open("a") as stream:
        stream.write("2030-01-01,usd,x\n")
    found.add(version())
    edit(tmp_path / "chunks.py", "STILLNESS = 300", "STILLNESS = 301")
    found.add(version())
    (tmp_path / "features" / "new.py").write_text("x = 1\n")
    found.add(version())
    assert len(found) == 5


def test_a_comment_a_text_of_the_catalogue_and_another_file_do_not(version, tmp_path: Path) -> None:
    before = version()
    for path in (tmp_path / "features").glob("*.py"):
        path.write_text(f"# A comment.\n{path.read_text()}\n# And another.\n")
    (tmp_path / "features" / "readme.txt").write_text("Text.")
    with (tmp_path / "features" / "catalogue" / "regression.py").open("a") as stream:
        stream.write("\nABOUT = 'said otherwise'\n")
    assert version() == before


@pytest.mark.parametrize(
    ("fact", "changes"), [("warm", True), ("min", True), ("note", False), ("formula", False)]
)
def test_of_the_catalogue_only_what_is_computed_with(
    version, monkeypatch: pytest.MonkeyPatch, fact: str, *, changes: bool
) -> None:
    before, first = version(), CATALOGUE[0]
    column = first.columns[0]
    value = getattr(column, fact)
    other = replace(column, **{fact: f"{value}!" if isinstance(value, str) else value + 1})

    class Changed:
        columns = (other, *first.columns[1:])

    monkeypatch.setattr(code, "CATALOGUE", (Changed, *CATALOGUE[1:]))
    assert (version() != before) is changes


def test_outlines_are_kept_until_a_module_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "cache_from_source", lambda _: str(tmp_path / "kept" / "code.pyc"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    modules = [tmp_path / "a.py", tmp_path / "b.py"]
    for number, module in enumerate(modules):
        module.write_text(f"x = {number}\n")
    first = outlines("set", modules)
    assert first == [outline(module.read_text()) for module in modules]
    with monkeypatch.context() as patch:
        patch.setattr(code, "outline", None)  # nothing is made again
        assert outlines("set", modules) == first
    modules[0].write_text("x = 2\n")
    assert outlines("set", modules) == [outline("x = 2"), first[1]]
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_text("{")  # somebody else's
    assert outlines("set", modules) == [outline("x = 2"), first[1]]


def test_outlines_are_made_where_nothing_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.py").write_text("x = 0\n")
    (tmp_path / "kept").touch()  # no folder
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(code, "cache_from_source", lambda _: str(tmp_path / "kept" / "code.pyc"))
    assert outlines("set", [tmp_path / "a.py"]) == [outline("x = 0")]


@pytest.mark.skipif(
    pythons.find(OTHER) is None, reason=f"Python {OTHER}, which has to agree, is not installed"
)
def test_another_python_agrees() -> None:
    other = pythons.find(OTHER)
    assert other is not None
    script = (
        "import sys\nfrom include.build.code import code_version\nprint(sys.version_info[1], code_version())"
    )
    answer = subprocess.run(
        [other.command, "-c", script], env=other.environment, cwd=ROOT, capture_output=True, text=True
    )
    assert answer.stdout.split() == [OTHER.removeprefix("3."), code_version()], answer.stderr
