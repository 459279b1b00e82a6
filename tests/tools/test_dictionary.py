"""docs/features.md: current, and complete when read back as a stranger would."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from include import pairs
from include.features.catalogue import CATALOGUE, Feature, catalogue_hash
from include.features.catalogue.symbols import SYMBOLS, UNITS
from tools import dictionary

PAGE = dictionary.dictionary()
SECTIONS = [section for family in CATALOGUE for section in family.sections]


def part(number: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    return re.split(r"\n#+ ", PAGE.split(f"\n### {number} ", 1)[1])[0]


def rows(text: str) -> list[list[str]]:
    """Cells of the table rows, without heads and rule."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines][2:]


def unfolded(pattern: str) -> list[str]:
    """``a_{1,2}`` to ``a_1``, ``a_2``; ``{1..3}`` counts."""
    choices = []
    for token in re.split(r"(\{[^}]*\})", pattern):
        run = re.fullmatch(r"\{(\d+)\.\.(\d+)\}", token)
        if run:
            choices.append([str(number) for number in range(int(run[1]), int(run[2]) + 1)])
        else:
            choices.append(token.strip("{}").split(","))
    return ["".join(one) for one in itertools.product(*choices)]


def test_the_committed_page_is_current() -> None:
    assert dictionary.main(["--check"]) == 0


def test_check_fails_with_the_command_that_repairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "features.md"
    monkeypatch.setattr(dictionary, "DICTIONARY", stale)
    assert dictionary.main(["--check"]) == 1
    assert "python -m tools.dictionary" in capsys.readouterr().err
    stale.write_text(PAGE + "edited by hand", encoding="utf-8")
    assert dictionary.main(["--check"]) == 1
    assert dictionary.main([]) == 0
    assert dictionary.main(["--check"]) == 0


def test_every_marker_was_replaced() -> None:
    assert "<!--" not in PAGE
    assert catalogue_hash() in PAGE


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.number)
def test_a_section_lists_its_columns_in_order(section) -> None:
    found = [name for cells in rows(part(section.number)) for name in unfolded(cells[0].strip("`"))]
    assert found == [column.name for column in section.columns]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.number)
def test_a_row_holds_for_every_column_folded_into_it(section) -> None:
    table = rows(part(section.number))
    for cells, row in zip(table, section.rows, strict=True):
        assert len(cells) == 12
        assert cells[1] == str(len(row.columns))
        assert set(re.findall(r"`(\w+)`", cells[3])) == {name for c in row.columns for name in c.inputs}
        for name, text in (("min", cells[5]), ("warm", cells[6])):
            assert _numbers(text) == {getattr(column, name) for column in row.columns}
        for name in ("unit", "kind", "counts", "grid", "neutral"):
            assert len({getattr(column, name) for column in row.columns}) == 1, "cannot share a row"


def _numbers(text: str) -> set[int]:
    if ".." in text:
        first, last = text.split("..")
        return set(range(int(first), int(last) + 1))
    return {int(number) for number in text.split(" / ")}


def test_sections_are_in_the_order_of_their_numbers() -> None:
    numbers = re.findall(r"^### (\d+\.\d+) ", PAGE, flags=re.MULTILINE)
    inventory = [number for number in numbers if not number.startswith("0.")]
    assert inventory == sorted(inventory, key=lambda number: [int(n) for n in number.split(".")])
    assert set(inventory) == {section.number for section in SECTIONS}


def test_every_symbol_and_unit_is_explained() -> None:
    symbols = part("0.1")
    assert all(f"| `{name}` |" in symbols for name in SYMBOLS)
    units = part("0.8")
    assert all(f"| {name} |" in units for name in UNITS)


def test_no_symbol_or_unit_is_explained_in_vain() -> None:
    columns: list[Feature] = [column for family in CATALOGUE for column in family.columns]
    assert {name for column in columns for name in column.inputs} == SYMBOLS.keys()
    assert {column.unit for column in columns} == UNITS.keys()


def test_the_map_of_pairs_is_complete_and_signed() -> None:
    table = {cells[0]: cells[1:] for cells in rows(part("0.6"))}
    assert tuple(table) == pairs.PAIRS
    assert table["eurusd"] == ["eurgbp, eurjpy, euraud, gbpusd, usdjpy", "gbp", "+eurgbp", "+gbpusd"]
    assert table["audusd"] == ["euraud, gbpaud, audjpy, eurusd, gbpusd", "eur", "-euraud", "+eurusd"]
    assert table["eurnzd"][1:] == ["usd", "+eurusd", "-nzdusd"]


def test_the_totals_add_up() -> None:
    totals = rows(PAGE.split("\n## 15 Totals", 1)[1].split("\n## 16", 1)[0])
    assert len(totals) == 23
    assert totals[-1][:6] == ["**all**", "268", "254", "208", "730", "378 in tables, 352 in the matrix only"]
    for place in range(1, 5):
        assert sum(int(cells[place]) for cells in totals[:-1]) == int(totals[-1][place])
