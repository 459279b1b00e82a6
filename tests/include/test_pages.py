"""Pages are there as a whole or not at all, and what people wrote cannot become mark-up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markdown_it import MarkdownIt

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


HOSTILE = (
    "f![x](https://evil.example/a.png)",
    "a`b` [y](javascript:z)",
    "<img src=x onerror=y>",
    "line\n# heading\n| a | b |",
    "**bold** _it_ ~~gone~~ $x$",
    "``two``",
    "`",
)


def rendered(text: str) -> str:
    """The text as a reader of Markdown shows it, and nothing but text."""
    tokens = MarkdownIt("js-default").enable("table").parse(text)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special", "code_inline"}
    return "".join(child.content for child in children)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_anybody_stays_text_in_markdown(text: str) -> None:
    shown = " ".join(text.split())
    assert rendered(f"said: {pages.markdown(text)}.") == f"said: {shown}."
    assert rendered(f"called: {pages.code(text)}.") == f"called: {shown}."


@given(st.text(max_size=40))
def test_any_text_stays_text_in_markdown(text: str) -> None:
    text = "".join(one for one in text if one.isprintable())
    shown = " ".join(f"y{text}y".split())
    assert rendered(f"x{pages.markdown(f'y{text}y')}x") == f"x{shown}x"
    assert rendered(f"x {pages.code(f'y{text}y')} x") == f"x {shown} x"


def test_names_are_left_as_they_are() -> None:
    assert pages.markdown("bqx.reg_idx_eurusd_2024_01 (2.5%)") == "bqx.reg_idx_eurusd_2024_01 (2.5%)"
    assert pages.code("reg_eurusd") == "`reg_eurusd`"
