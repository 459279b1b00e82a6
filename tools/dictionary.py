"""Write docs/features.md, the dictionary of all columns, from the catalogue and its conventions.

`python -m tools.dictionary` writes it; with ``--check`` it exits with 1 when the file on
disk is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from include import pairs
from include.features.catalogue import CATALOGUE, Family, Feature, catalogue_hash
from include.features.catalogue.model import Row, Section
from include.features.catalogue.symbols import SYMBOLS, UNITS

DOCS = Path(__file__).resolve().parents[1] / "docs"
CONVENTIONS = DOCS / "feature_conventions.md"
DICTIONARY = DOCS / "features.md"

CATEGORIES = (
    "Regression",
    "Statistical moments",
    "Bollinger bands",
    "Technical indicators",
    "Fibonacci levels",
    "Lags",
    "Moving averages",
    "Cross-pair",
    "Dual domain",
    "Time and calendar",
    "Microstructure",
    "Events and regimes",
    "Several resolutions",
    "Correlation",
)
COLUMN_HEADS = (
    "Column", "#", "Formula", "Inputs", "Counts", "min", "warm", "Range", "Unit", "Type", "Flat", "Note",
)  # fmt: skip
TYPES = {"float": "double", "flag": "smallint flag", "category": "smallint class"}
LIST_AT_MOST = 9  # numbers of folded columns; more are shortened


def dictionary() -> str:
    """The whole page."""
    made = {
        "hash": f"`{catalogue_hash()}`",
        "symbols": table(("Symbol", "Meaning"), ((f"`{name}`", text) for name, text in SYMBOLS.items())),
        "units": table(("Unit", "Meaning"), UNITS.items()),
        "pairs": _pair_map(),
        "inventory": "\n\n".join([*_inventory(), _totals()]),
    }
    page = CONVENTIONS.read_text(encoding="utf-8")
    for name, text in made.items():
        page = page.replace(f"<!-- {name} -->", text)
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the dictionary; the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/features.md from the catalogue.")
    parser.add_argument("--check", action="store_true", help="only say whether the file is current")
    if not parser.parse_args(arguments).check:
        DICTIONARY.write_text(dictionary(), encoding="utf-8")
        return 0
    if DICTIONARY.exists() and DICTIONARY.read_text(encoding="utf-8") == dictionary():
        return 0
    print(
        f"{DICTIONARY} is not what the catalogue says. Run: python -m tools.dictionary",
        file=sys.stderr,
    )
    return 1


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _inventory() -> list[str]:
    """Sections 1 to 14 in the order of their numbers."""
    sections = sorted(
        ((section, family) for family in CATALOGUE for section in family.sections),
        key=lambda item: [int(part) for part in item[0].number.split(".")],
    )
    parts = []
    for chapter, members in groupby(sections, key=lambda item: int(item[0].number.split(".")[0])):
        of_chapter = list(members)
        count = sum(len(section.columns) for section, _ in of_chapter)
        parts.append(f"## {chapter} {CATEGORIES[chapter - 1]} ({count})")
        parts += [_section(section, family) for section, family in of_chapter]
    return parts


def _section(section: Section, family: Family) -> str:
    where = f"table `{family.name}_{{pair}}`" if family.stored else f"matrix prefix `{family.name}`"
    parts = [
        f"### {section.number} {section.title}",
        f"{len(section.columns)} columns, {where}, domain {section.domain}, built on {section.source},"
        f" stage {family.stage}.",
    ]
    if section.about:
        parts.append(_prose(section.about))
    parts.append(table(COLUMN_HEADS, map(_cells, section.rows)))
    return "\n\n".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    columns = row.columns
    first = columns[0]
    note = "; ".join(
        part for part in ("*global*" if first.grid == "dollar" else "", _prose(row.note)) if part
    )
    return (
        f"`{row.pattern}`",
        str(len(columns)),
        f"`{row.formula}`",
        ", ".join(dict.fromkeys(f"`{symbol}`" for column in columns for symbol in column.inputs)),
        f"`{first.counts}`",
        _numbers([column.min for column in columns]),
        _numbers([column.warm for column in columns]),
        " / ".join(dict.fromkeys(_prose(column.range) for column in columns)),
        first.unit,
        TYPES[first.kind],
        "-" if first.neutral is None else f"{first.neutral:.4g}",
        note,
    )


def _numbers(values: Sequence[int]) -> str:
    """``29``, ``15 / 30 / 45``, ``2..61``: one number per folded column, as far as they differ."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) == 1:
        return str(distinct[0])
    if distinct == list(range(distinct[0], distinct[-1] + 1)):
        return f"{distinct[0]}..{distinct[-1]}"
    return " / ".join(map(str, values if len(values) <= LIST_AT_MOST else distinct))


def _prose(text: str) -> str:
    """Text with the asterisks of formulas escaped, which Markdown would read as emphasis."""
    return text.replace("*", "\\*")


def _pair_map() -> str:
    def signed(leg: pairs.Leg) -> str:
        return ("+" if leg.sign > 0 else "-") + leg.pair

    def row(pair: str) -> tuple[str, ...]:
        to_third, from_third = pairs.triangle(pair)
        third = to_third.pair.replace(pairs.base(pair), "")
        return pair, ", ".join(pairs.sisters(pair)), third, signed(to_third), signed(from_third)

    return table(("Pair", "Sisters 1 to 5", "C", "Leg A/C", "Leg C/B"), map(row, pairs.PAIRS))


def _totals() -> str:
    def counted(name: str, columns: Sequence[Feature], *more: str) -> tuple[str, ...]:
        domains = Counter(column.domain for column in columns)
        return name, *(str(domains[key]) for key in ("idx", "bqx", "shared")), str(len(columns)), *more

    everything = [column for family in CATALOGUE for column in family.columns]
    rows = [
        counted(
            f"`{family.name}`",
            family.columns,
            "table" if family.stored else "matrix only",
            str(family.lookback),
        )
        for family in CATALOGUE
    ]
    in_tables = sum(len(family.columns) for family in CATALOGUE if family.stored)
    last = counted(
        "**all**", everything, f"{in_tables} in tables, {len(everything) - in_tables} in the matrix only", ""
    )
    kinds = Counter(column.kind for column in everything)
    return "\n\n".join(
        [
            "## 15 Totals",
            table(
                ("Family", "idx", "bqx", "shared", "total", "kept as", "rows to load before"), [*rows, last]
            ),
            f"{kinds['float']} float columns, {kinds['flag']} flags, {kinds['category']} classes."
            " Rows to load before = the longest warm-up of the family in bars of the pair, the bars that b"
            " and q^w need included.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
