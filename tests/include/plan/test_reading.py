"""What is wrong in a YAML file is said with file, line and entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.errors import PlanRefused
from include.plan.reading import Entry, Span, read


def entry(folder: Path, text: str) -> Entry:
    path = folder / "some.yaml"
    path.write_text(text, "utf-8")
    return read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "some.yaml is no valid YAML: .*line 2"),
        ("", "some.yaml is empty"),
        ("- a\n", "some.yaml is empty or no list"),
        ("a: 1\nb: 2\na: 3\n", "some.yaml, line 3: 'a' is there twice"),
        ("? [a, b]\n: 1\n", "some.yaml, line 1: a name was expected"),
        ("a: 1\nb: !!python/name:os.system x\n", "some.yaml, line 2: "),
        ("a: 2025-02-31\n", "some.yaml, line 1: .*Put it in quotes"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PlanRefused, match=message):
        entry(tmp_path, text)


def test_missing_file_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanRefused, match=r"absent\.yaml is missing in .*Restore it"):
        read(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: gr\xfcn\n".encode("latin-1"))
    with pytest.raises(PlanRefused, match=r"latin\.yaml: not UTF-8 at byte 5"):
        read(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("four", "not 'four'"),
        ("-1", "not -1"),
        (".nan", "zero or more"),
        (".inf", "zero or more"),
        ("yes", "not True"),
        ("", "not nothing"),
        ("[1, 2]", "not a list"),
        ("1,5", "not '1,5'"),
    ],
)
def test_numbers(tmp_path: Path, value: str, message: str) -> None:
    with pytest.raises(
        PlanRefused, match=rf"some\.yaml, line 1 \(TSK-1\): 'hours' has to be .*{message}"
    ) as it:
        entry(tmp_path, f"task: TSK-1\nhours: {value}\n").number("hours")
    assert "\n" not in str(it.value)


def test_whole_numbers(tmp_path: Path) -> None:
    assert entry(tmp_path, "pairs: 28.0\n").whole("pairs") == 28
    with pytest.raises(PlanRefused, match=r"whole number, not 2\.5"):
        entry(tmp_path, "pairs: 2.5\n").whole("pairs")


def test_spans(tmp_path: Path) -> None:
    found = entry(tmp_path, "a: 15\nb: [25, 30]\nc: [30, 25]\nd: [1, 2, 3]\ne: [1, x]\n")
    assert found.span("a") == Span(15, 15)
    assert [str(found.span(name)) for name in "ab"] == ["15", "25-30"]
    for name, message in (("c", "30 is more than 25"), ("d", "one number or"), ("e", "not 'x'")):
        with pytest.raises(PlanRefused, match=message):
            found.span(name)


def test_texts_need_quotes_where_they_look_like_numbers(tmp_path: Path) -> None:
    found = entry(tmp_path, "stage: 5.1\nname: ''\nafter: [1.6, x]\nalone: x\n")
    for ask, message in (
        (lambda: found.text("stage"), "put numbers in quotes"),
        (lambda: found.text("name"), "'name' is empty"),
        (lambda: found.texts("after"), "holds 1.6; put it in quotes"),
        (lambda: found.texts("alone"), "has to be a list, not 'x'"),
        (lambda: found.text("absent"), "'absent' is missing"),
    ):
        with pytest.raises(PlanRefused, match=message):
            ask()
    assert found.text("absent", "") == ""


def test_names_choices_and_yes(tmp_path: Path) -> None:
    found = entry(tmp_path, "priority: high\nnew: maybe\nlist: [1]\n")
    for ask, message in (
        (lambda: found.only("priority", "new"), "'list' means nothing here. Known: priority, new"),
        (lambda: found.choice("priority", ("High", "Low")), "one of High, Low, not 'high'"),
        (lambda: found.yes("new"), "yes or no, not 'maybe'"),
        (lambda: found.entries("list"), "holds 1 where an entry was expected"),
        (lambda: found.entries("absent"), "'absent' is missing"),
        (lambda: found.entry("list"), "has to be a list of 'name: value'"),
    ):
        with pytest.raises(PlanRefused, match=message):
            ask()


def test_lines_are_those_of_the_entry(tmp_path: Path) -> None:
    found = entry(tmp_path, "# comment\nstages:\n  - stage: a\n\n  - stage: b\n    hours: x\n")
    with pytest.raises(PlanRefused, match=r"some\.yaml, line 5 \(b\): 'hours'"):
        found.entries("stages")[1].number("hours")
