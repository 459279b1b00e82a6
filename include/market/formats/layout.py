"""The description of a text format: what each column means and what its provider is known for."""

from __future__ import annotations

from dataclasses import dataclass

REQUIRED = ("open", "high", "low", "close")
IGNORED = "-"


@dataclass(frozen=True)
class Dialect:
    """What is known of the files of one provider, whatever their columns are called.

    Attributes:
        name: provider and variant, for messages.
        marks: header names in lower case of which one suffices to recognise it.
        counts_ticks: volume is a whole number of ticks, otherwise an amount.
        has_fillers: zero-volume bars may stand for minutes without a quote.
        spread_unit: documented unit of the spread, "price" or "points"; None if it must be found out.
        server_clock: its tables may call the broker's clock UTC.
    """

    name: str
    marks: frozenset[str] = frozenset()
    counts_ticks: bool = True
    has_fillers: bool = False
    spread_unit: str | None = None
    server_clock: bool = False


@dataclass(frozen=True)
class Layout:
    """How to read one text file.

    Attributes:
        dialect: what is known of its provider.
        delimiter: one character.
        columns: meaning of each column in file order: ``time`` (or ``date`` and ``clock``), ``open``,
            ``high``, ``low``, ``close``, ``volume``, ``spread`` (in a unit that is found out), ``points``
            and ``pips`` (spread in a unit that the header names), ``symbol``, or "-" for a column that is
            not used.
        header: names in lower case as they stand in the header line, or () if the format has none.
        is_utc: the header says that the clock is UTC.
        epoch_is_utc: numbers count from 1970 in UTC, as their definition says; MetaTrader's do not.
    """

    dialect: Dialect
    delimiter: str
    columns: tuple[str, ...]
    header: tuple[str, ...] = ()
    is_utc: bool = False
    epoch_is_utc: bool = False
