"""Pages and links belong together, and no command of a page is left without a drill."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from include.monitoring.declaration import declared
from tests.include.monitoring.worlds import BUDGET
from tests.runbooks import pages

HERE = Path(__file__).parent
VALUES = declared(BUDGET)
DAGS = {path.stem for path in (pages.FOLDER.parents[1] / "dags").glob("*.py")} | {"bqx_retrain"}


def drilled() -> dict[str, set[str]]:
    """Headings that the drills follow, by page: read from the calls in test_drills.py."""
    found: dict[str, set[str]] = {}
    for function in ast.parse((HERE / "test_drills.py").read_text()).body:
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            texts = {
                name: [arg.value for call in calls if _name(call) == name for arg in call.args
                       if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                for name in ("Drill", "follow")
            }  # fmt: skip
            for page in texts["Drill"]:
                found.setdefault(page, set()).update(texts["follow"])
    return found


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_every_alarm_leads_to_a_page_that_names_its_value() -> None:
    alarmed = {name: value.runbook for name, value in VALUES.items() if value.rules}
    assert set(alarmed.values()) <= set(pages.names())
    for name, page in alarmed.items():
        text = pages.read(page).text
        shown = "retraining" if name.startswith("retraining") else name
        assert shown in text, f"{page} says nothing of {name}"


def test_the_index_has_every_page() -> None:
    index = (pages.FOLDER / "README.md").read_text()
    assert set(re.findall(r"\]\(([\w-]+)\.md\)", index)) == set(pages.names())


@pytest.mark.parametrize("name", pages.names())
def test_each_page_looks_acts_and_says_when_it_is_healed(name: str) -> None:
    page = pages.read(name)
    assert list(page.commands)[-1] == "Healed"
    assert "Look" in page.commands
    assert len(page.commands) >= 3
    for blocks in page.commands.values():
        for block in blocks:
            assert set(pages.triggered(block)) <= DAGS
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.text)
    assert [link for link in links if not (pages.FOLDER / link).resolve().is_file()] == []


@pytest.mark.parametrize("name", pages.names())
def test_every_command_of_a_page_is_drilled(name: str) -> None:
    assert set(pages.read(name).commands) <= drilled().get(name, set())
