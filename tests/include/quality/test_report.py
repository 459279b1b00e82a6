"""The report in words: what a person reads, escaped, complete, and written at once."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from include.features.catalogue import family
from include.quality import report
from include.quality.findings import Finding, Inspection
from include.quality.report import render, write_report
from tests.reports import in_folder

FAMILY = "bollinger_idx"
TABLE = "bollinger_idx_eurusd"


class Words(HTMLParser):
    """Collects text, tags and the attributes that would load something from outside."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.feed(page)
        self.words = re.sub(r"\s+", " ", " ".join(self.text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [str(value) for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def record(column: str, month: str = "2024-01", **changes: Any) -> dict[str, Any]:
    return {
        "family": FAMILY, "table": TABLE, "month": month, "column": column, "rows": 31_022,
        "low": -0.25, "high": 1.25, "null_warm_up": 19, "null_absent": 0, "null_unexplained": 0,
    } | changes  # fmt: skip


@pytest.fixture
def inspection() -> Inspection:
    made = Inspection("eurusd", (FAMILY,), "manual__2024-05-01T00:00:00+00:00")
    made.columns[FAMILY] = 10
    for month in ("2024-01", "2024-02"):
        made.add_month(month, 31_022, {"volume": 31_022})
        made.records += [record(column.name, month) for column in family(FAMILY).columns]
    made.sampled = [f"{TABLE} 2024-02"]
    return made


def test_a_good_run_is_summed_up(inspection: Inspection) -> None:
    page = Words(render(inspection))
    for words in (
        "eurusd passed",
        "Rows 62,044",
        "Columns 10",
        "NULL in warm-up 380",
        "eurusd: source has no volume",
        "2024-01 · 31,022 2024-02 · 31,022 · read completely",
        "bb_percent_b_20 −0.25 1.25 −0.58972 to 1.5897 38 0 0",
    ):
        assert words in page.words, words
    assert "What is wrong" not in page.words


def test_every_column_has_a_line(inspection: Inspection) -> None:
    page = Words(render(inspection))
    assert all(column.name in page.words for column in family(FAMILY).columns)


def test_findings_come_first_and_the_gravest_before_the_others(inspection: Inspection) -> None:
    inspection.findings = [
        Finding("differs", TABLE, "2024-01", "bb_upper_20", "the values are other"),
        Finding("rows", TABLE, "2024-02", "", "9 rows, 31,022 expected"),
    ]
    words = Words(render(inspection)).words
    assert "eurusd 2 findings" in words
    places = [words.index(part) for part in ("9 rows, 31,022", "the values are other", "Families")]
    assert places == sorted(places)


def test_values_are_escaped(inspection: Inspection) -> None:
    inspection.run_label = "<script>alert(1)</script>"
    inspection.findings = [Finding("cells", TABLE, "2024-01", "bb_upper_20", "values like <img src=x>")]
    page = render(inspection)
    assert "script" not in Words(page).tags
    assert "img" not in Words(page).tags
    assert "&lt;img src=x&gt;" in page


def test_the_page_needs_nothing_from_outside(inspection: Inspection) -> None:
    page = render(inspection)
    assert Words(page).outside == []
    assert "url(" not in page
    assert "@import" not in page
    assert 'name="viewport"' in page


def test_it_is_kept_with_the_run_under_the_name_of_the_stage(inspection: Inspection, tmp_path: Path) -> None:
    path = Path(write_report(inspection, in_folder(tmp_path / "not" / "there")))
    assert path.name == "bollinger_idx_eurusd.html"
    assert path.parent == tmp_path / "not" / "there" / "quality" / "manual__2024-05-01T00-00-00+00-00"
    inspection.families = ("technical_idx",)
    inspection.columns, inspection.records = {}, []
    other = Path(write_report(inspection, in_folder(tmp_path / "not" / "there")))
    assert other.name == "s1_6_10_technical_idx_eurusd.html"
    assert "1.6.10 Technical IDX build" in other.read_text(encoding="utf-8")
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, other.name}


def test_a_failure_leaves_the_old_page(
    inspection: Inspection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(write_report(inspection, in_folder(tmp_path)))
    before = path.read_text(encoding="utf-8")
    monkeypatch.setattr(report, "render", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(inspection, in_folder(tmp_path))
    assert path.read_text(encoding="utf-8") == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
