"""The page for users says what the code does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.market import problems, readers, timezones
from include.market.formats import header, text

PAGE = (Path(__file__).parents[3] / "docs/market_data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- example(?:: (\S+))? -->\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_page_lists_every_problem() -> None:
    found = re.search(r"<!-- problems: .*?-->\n\n(.*?)\n<!-- end of problems -->", PAGE, re.DOTALL)
    assert found is not None
    assert found[1] == problems.as_markdown(), "run python -m include.market.problems and paste its output"


def test_codes_are_unique_and_every_problem_has_a_remedy() -> None:
    listed = [problem for group in problems.GROUPS.values() for problem in group]
    assert len(listed) == len(problems.PROBLEMS)
    assert len(listed) >= 45
    for problem in listed:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", problem.code)
        assert problem.remedy.endswith(".")
        assert len(problem.remedy) > 15


def test_page_lists_every_named_rule_of_time() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", PAGE.partition("## 2 ")[2].partition("## 3 ")[0], re.MULTILINE)
    assert rows == ["timezone", *timezones.RULES]
    for rule in timezones.RULES:
        assert rule in problems.ZONE_CHOICES


def test_page_has_an_example_of_every_text_format() -> None:
    assert len(EXAMPLES) == len(header.DIALECTS) + len(text.HEADLESS)


@pytest.mark.parametrize(("zone", "example"), EXAMPLES)
def test_examples_of_the_page_are_read(zone: str, example: str, tmp_path: Path) -> None:
    (tmp_path / "eurusd.csv").write_text(example, encoding="utf-8")
    bars = readers.read_pair(
        [tmp_path / "eurusd.csv"], "eurusd", timezone=zone or None, now=datetime.now(UTC)
    )
    assert len(bars) == 2


def test_long_details_are_cut() -> None:
    error = problems.bad("column-unknown", "x.csv", "y" * 10_000, row=3, count=2)
    assert len(str(error)) < 500
    assert str(error).startswith("x.csv, row 3: yyy")
    assert "(2 rows in all)" in str(error)
