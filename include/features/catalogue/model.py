"""What a column, a row of the dictionary, a section and a family of the catalogue are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

# Grid bars of a pair before the first value of the series that `min` and `warm` are counted in.
BARS_BEFORE = {"S": 0, "b": 15, "q30": 30, "q45": 45, "q60": 60, "q75": 75}


@dataclass(frozen=True)
class Feature:
    """One column of the catalogue.

    Attributes:
        table: family, which is also the prefix in the matrix: ``reg_idx``, ``lag``, ...
        name: bare column name, as in the stored table.
        domain: ``idx`` | ``bqx`` | ``shared``.
        kind: ``float`` | ``flag`` | ``category``.
        section: section of docs/features.md that explains it.
        formula: exact formula in the symbols of docs/features.md.
        inputs: the series it reads, keys of `symbols.SYMBOLS`.
        min: trailing bars (the current one included) for the first value that is not NULL.
        warm: bars to load before a chunk so that its first row is right.
        counts: the shortest-lived input; `min` and `warm` count bars of it.
        grid: ``pair`` (bars of the pair's own grid) | ``dollar`` (rows of the dollar grid; the
            column is then the same for every pair).
        low: exact lower bound, None = unbounded.
        high: exact upper bound, None = unbounded.
        range: the range for people.
        unit: one of `symbols.UNITS`.
        neutral: value while the inputs do not move, None where that is the level of an input.
        note: what a reader would otherwise get wrong.
    """

    table: str
    name: str
    domain: str
    kind: str
    section: str
    formula: str
    inputs: tuple[str, ...]
    min: int
    warm: int
    counts: str
    grid: str
    low: float | None
    high: float | None
    range: str
    unit: str
    neutral: float | None
    note: str

    @property
    def full_name(self) -> str:
        """Name in the matrix: ``table__column``."""
        return f"{self.table}__{self.name}"

    @property
    def dtype(self) -> str:
        """PostgreSQL type."""
        return "DOUBLE PRECISION" if self.kind == "float" else "SMALLINT"

    @property
    def classes(self) -> tuple[int, ...]:
        """Values that a flag or a class can take; empty for a float column."""
        if self.kind == "float" or self.low is None or self.high is None:
            return ()
        return tuple(range(int(self.low), int(self.high) + 1))

    @property
    def first_row(self) -> int:
        """0-based grid row, from the pair's first bar on, of the first possible value."""
        return BARS_BEFORE[self.counts] + self.min - 1

    @property
    def lookback(self) -> int:
        """Grid bars to load before a chunk."""
        return BARS_BEFORE[self.counts] + self.warm


@dataclass(frozen=True)
class Row:
    """A row of the dictionary: a column, or the columns that differ only in a window or a lag."""

    pattern: str  # "mean_{20,50,120}"
    formula: str  # with letters where the columns have numbers: "mean_n(S)"
    note: str
    columns: tuple[Feature, ...]


@dataclass(frozen=True)
class Section:
    """A numbered group of columns that share a source."""

    number: str
    title: str
    domain: str
    source: str
    about: str
    rows: tuple[Row, ...]

    @property
    def columns(self) -> tuple[Feature, ...]:
        """Its columns in the order of the table."""
        return tuple(itertools.chain.from_iterable(row.columns for row in self.rows))


@dataclass(frozen=True)
class Family:
    """The columns of one stored table per pair, or of one prefix of the matrix.

    Attributes:
        name: table or prefix: ``reg_idx``, ``lag``.
        title: for people.
        stage: stage of the plan that builds it.
        stored: True = a database table per pair, False = computed when the matrix is made.
        sections: its sections in order.
    """

    name: str
    title: str
    stage: str
    stored: bool
    sections: tuple[Section, ...]

    @cached_property
    def columns(self) -> tuple[Feature, ...]:
        """Its columns, in the order of the stored table."""
        return tuple(itertools.chain.from_iterable(section.columns for section in self.sections))

    @property
    def source(self) -> str:
        """The series it is built on, for people."""
        return "; ".join(dict.fromkeys(section.source for section in self.sections))

    @property
    def domain(self) -> str:
        """The domain of its columns; ``shared`` where several meet (lag, ma)."""
        domains = {column.domain for column in self.columns}
        return domains.pop() if len(domains) == 1 else "shared"

    @property
    def lookback(self) -> int:
        """Grid bars to load before a chunk, for its hungriest column."""
        return max(column.lookback for column in self.columns)
