"""How a declaration becomes columns.

A declaration (`Column`) is written once and read three times: over the windows or lags it names, in
the idx and the bqx domain where both have it, and in words for the dictionary, where the columns
that differ only in a number fold into one row. Placeholders in its texts are filled from the domain
(``{y}`` is S or b) and from its own numbers (``{n}``).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from include.features.catalogue.model import Family, Feature, Row, Section


class Range(NamedTuple):
    """Closed range of a column: exact bounds where they exist, and words."""

    low: float | None
    high: float | None
    text: str


REAL = Range(None, None, "real")
POSITIVE = Range(0.0, None, ">= 0")
UNIT = Range(0.0, 1.0, "[0, 1]")
SIGNED = Range(-1.0, 1.0, "[-1, 1]")
PERCENT = Range(0.0, 100.0, "[0, 100]")


def between(low: float, high: float) -> Range:
    """A closed range, printed with at most four decimals."""
    low_text, high_text = (f"{bound:.4f}".rstrip("0").rstrip(".") for bound in (low, high))
    return Range(float(low), float(high), f"[{low_text}, {high_text}]")


def whole(low: int, high: int) -> Range:
    """Whole numbers: the classes of a category, or a count."""
    text = ", ".join(map(str, range(low, high + 1))) if high - low < 5 else f"{low}..{high}"
    return Range(float(low), float(high), f"{{{text}}}")


def roughly(text: str) -> Range:
    """No exact bound, but words: where the values usually lie."""
    return Range(None, None, text)


def z_range(n: int) -> Range:
    """Bound of (x - mean_n)/sd_n: (n-1)/sqrt(n), attained by one spike in a flat window."""
    bound = (n - 1) / math.sqrt(n)
    return Range(-bound, bound, f"abs <= {bound:.3f}")


def rank_range(n: int) -> Range:
    """Bounds of a mid-rank among n values."""
    return between(0.5 / n, 1 - 0.5 / n)


@dataclass(frozen=True)
class Domain:
    """A series that declarations are read on, and the words that follow from it."""

    name: str
    counts: str
    words: Mapping[str, str]


IDX = Domain("idx", "S", {"y": "S", "H": "H", "L": "L", "u": "index points", "eps": "1e-9"})
BQX = Domain("bqx", "b", {"y": "b", "H": "b_hi", "L": "b_lo", "u": "bqx", "eps": "1e-12"})
SHARED = Domain("shared", "S", {})

Number = int | str | tuple[int, ...]
Size = int | Callable[..., int]
Bounds = Range | Callable[..., Range]


@dataclass(frozen=True)
class Column:
    """Declaration of a column, or of one column per combination of the numbers in `over`.

    A key of `over` may name several numbers at once: ``short_long`` with values like ``(15, 60)``
    fills ``{short_long}`` (15_60), ``{short}`` and ``{long}``. The leftmost key varies slowest.
    `min`, `warm` and `range` are values, or functions of those numbers by name. Left out, `min` is
    the longest number (a window of n bars needs n) and `warm` is `min` - 1 (it starts that far back);
    inputs, counts and grid are those of the section.
    """

    name: str
    formula: str
    over: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    min: Size | None = None
    warm: Size | None = None
    range: Bounds = REAL
    unit: str = "1"
    neutral: float | None = 0.0
    note: str = ""
    kind: str = "float"
    inputs: tuple[str, ...] | None = None
    counts: str | None = None
    grid: str | None = None


flag = partial(Column, kind="flag", range=Range(0.0, 1.0, "{0, 1}"))  # formula: when it is 1
category = partial(Column, kind="category")


def redefine(columns: Sequence[Column], *replacements: Column) -> tuple[Column, ...]:
    """The declarations with those of the same name replaced: a twin domain that differs in a few.

    Raises:
        ValueError: a replacement replaces nothing.
    """
    by_name = {column.name: column for column in replacements}
    unknown = by_name.keys() - {column.name for column in columns}
    if unknown:
        raise ValueError(f"nothing to redefine under {sorted(unknown)}")
    return tuple(by_name.get(column.name, column) for column in columns)


class Common(NamedTuple):
    """What the columns of a section share unless they say otherwise.

    Attributes:
        table: their family.
        domain: their domain, and the words for their placeholders.
        inputs: the series they read.
        source: the same for people; left out, the inputs as a list.
        counts: the series whose bars `min` and `warm` count; left out, that of the domain.
        grid: ``pair`` or ``dollar``, see `Feature`.
    """

    table: str
    domain: Domain
    inputs: tuple[str, ...]
    source: str = ""
    counts: str = ""
    grid: str = "pair"


def section(number: str, title: str, columns: Sequence[Column], common: Common, about: str = "") -> Section:
    """Expand declarations into a section."""
    words = common.domain.words
    source = _fill(common.source or ", ".join(common.inputs), words)
    rows = tuple(_row(column, number, common) for column in columns)
    return Section(number, title, common.domain.name, source, _fill(about, words), rows)


def stored(
    stage: str, number: str, title: str, columns: Sequence[Column], common: Common, about: str = ""
) -> Family:
    """A family with a table of its own, which is one section."""
    return Family(common.table, title, stage, True, (section(number, title, columns, common, about),))


def computed(name: str, title: str, *sections: Section) -> Family:
    """A family computed when the matrix is made."""
    return Family(name, title, "2.2", False, sections)


def _row(column: Column, number: str, common: Common) -> Row:
    folded = {key: "{" + _listed(values) + "}" for key, values in column.over.items()}
    # In the folded formula a one-letter number stands as it is (mean_n), a longer name keeps its braces.
    words = {**common.domain.words, **{key: key for key in column.over if len(key) == 1}}
    features = tuple(
        _feature(column, dict(zip(column.over, numbers, strict=True)), number, common)
        for numbers in itertools.product(*column.over.values())
    )
    return Row(_fill(column.name, folded), _fill(column.formula, words), _fill(column.note, words), features)


def _feature(column: Column, numbers: Mapping[str, Number], section_number: str, common: Common) -> Feature:
    named = _named(numbers)
    words = {**common.domain.words, **{key: _spelled(value) for key, value in {**numbers, **named}.items()}}
    longest = max((value for value in named.values() if isinstance(value, int)), default=1)
    at_least = _size(column.min, named, otherwise=longest)
    bounds = column.range(**named) if callable(column.range) else column.range
    return Feature(
        table=common.table,
        name=_fill(column.name, words),
        domain=common.domain.name,
        kind=column.kind,
        section=section_number,
        formula=_fill(column.formula, words),
        inputs=tuple(_fill(symbol, words) for symbol in column.inputs or common.inputs),
        min=at_least,
        warm=_size(column.warm, named, otherwise=at_least - 1),
        counts=column.counts or common.counts or common.domain.counts,
        grid=column.grid or common.grid,
        low=bounds.low,
        high=bounds.high,
        range=bounds.text,
        unit=_fill(column.unit, words),
        neutral=column.neutral,
        note=_fill(column.note, words),
    )


def _named(numbers: Mapping[str, Number]) -> dict[str, int | str]:
    """Numbers by their own names: short_long=(15, 60) gives short=15, long=60."""
    named: dict[str, int | str] = {}
    for key, value in numbers.items():
        if isinstance(value, tuple):
            named.update(zip(key.split("_"), value, strict=True))
        else:
            named[key] = value
    return named


def _size(size: Size | None, named: Mapping[str, int | str], *, otherwise: int) -> int:
    if size is None:
        return otherwise
    return size(**named) if callable(size) else size


def _spelled(value: Number) -> str:
    return "_".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _listed(values: Sequence[Number]) -> str:
    """``15,30,45``, or ``1..60`` for a range."""
    return f"{values[0]}..{values[-1]}" if isinstance(values, range) else ",".join(map(_spelled, values))


def _fill(text: str, words: Mapping[str, str]) -> str:
    """Replace ``{word}`` by its word; braces of anything else (``{0, 1}``, ``S_{t-1}``) stay."""
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), text)
