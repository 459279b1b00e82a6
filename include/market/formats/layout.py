"""The description of a text format: what each column means and how its clock is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REQUIRED = ("open", "high", "low", "close")
IGNORED = "-"


@dataclass(frozen=True)
class Layout:
    """How to read one text file.

    Attributes:
        name: provider and variant, for messages.
        delimiter: one character.
        columns: meaning of each column in file order: ``time`` (or ``date`` and ``clock``), ``open``,
            ``high``, ``low``, ``close``, ``volume``, ``spread`` (price units), ``points`` (spread in
            ticks), ``symbol``, or "-" for a column that is not used.
        header: names as they stand in the header line, or () if the format has none.
        clocks: names of the ways to write time that the format allows, keys of `clock.PATTERNS`.
        utc: the format says that its clock is UTC.
        counts_ticks: volume is a whole number of ticks.
        has_fillers: zero-volume bars may stand for minutes without a quote.
    """

    name: str
    delimiter: str
    columns: tuple[str, ...]
    header: tuple[str, ...]
    clocks: tuple[str, ...]
    utc: bool = False
    counts_ticks: bool = True
    has_fillers: bool = False


@dataclass(frozen=True)
class Dialect:
    """A family of text files that name their columns in a header.

    Attributes:
        name: provider and variant, for messages.
        meanings: header name in lower case -> meaning, as in `Layout.columns`.
        marks: header names of which one suffices to recognise the family.
        clocks, utc, counts_ticks, has_fillers: as in `Layout`.
    """

    name: str
    meanings: Mapping[str, str]
    marks: frozenset[str]
    clocks: tuple[str, ...]
    utc: bool = False
    counts_ticks: bool = True
    has_fillers: bool = False
