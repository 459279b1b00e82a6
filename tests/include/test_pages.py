"""Pages are there as a whole or not at all, and what people wrote cannot become mark-up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from include import pages


def test_a_page_is_written_with_its_folder_and_for_everybody(tmp_path: Path) -> None:
    path = pages.write(tmp_path / "a" / "b" / "page.html", "é")
    assert path.read_bytes() == b"\xc3\xa9"
    assert path.stat().st_mode & 0o777 == 0o644
    assert pages.write(path, b"new").read_text() == "new"


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pages.write(tmp_path / "page.html", "old")
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pages.write(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    ("name", "shown"), [("page.html.j2", "&lt;b&gt; 1,234\n"), ("page.md.j2", "<b> 1,234\n")]
)
def test_values_are_escaped_in_html_only(tmp_path: Path, name: str, shown: str) -> None:
    path = tmp_path / name
    path.write_text("{% if text %}\n    {{ text | small }} {{ 1234 | number }}\n{% endif %}\n")
    assert pages.template(path, small=str.lower).render(text="<B>").strip(" ") == shown


def test_a_name_nobody_gave_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "page.md.j2"
    path.write_text("{{ absent }}")
    with pytest.raises(UndefinedError, match="absent"):
        pages.template(path).render()


@pytest.mark.parametrize(
    ("text", "name"),
    [("../../etc", "etc"), ("a b/c", "a-b-c"), ("..", "run"), ("", "run"), ("x" * 200, "x" * 100)],
)
def test_a_run_label_cannot_leave_the_folder(text: str, name: str) -> None:
    assert pages.file_name(text) == name
