"""Reading the files of a pair: any known format in, checked bars in UTC out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from include.errors import BadParameter
from include.features.arrays import Minutes
from include.features.bars import Bars
from include.market.checks import COLUMNS, RawBars, Repeats, check, once, shown
from include.market.declared import Declaration, Declarations
from include.market.files import BarFile, Content, contents, refuse_foreign
from include.market.folder import find_files
from include.market.formats import histdata, parquet, text
from include.market.naming import SUFFIXES, ending_of, pairs_in
from include.market.problems import bad
from include.market.timezones import rule_of
from include.names import to_datetime, to_minute
from include.pairs import PAIRS

_BYTES_OF_A_ROW = 60  # as text

__all__ = ["PairRead", "find_files", "read_files", "read_pair"]


@dataclass(frozen=True)
class PairRead:
    """The bars of one pair, and what was decided on reading them.

    Attributes:
        bars: of all files, each minute once.
        read: one entry per file: ``file``, ``format``, ``clock``, ``spread`` (its unit), ``rows`` and, where
            some stand twice, ``repeated``.
        passed_over: files beside the bars that hold none, and why.
        sides: price side that ``bars.yaml`` says of a file, by file; None where it says none.
    """

    bars: Bars
    read: list[dict[str, Any]]
    passed_over: dict[str, str]
    sides: dict[str, str | None]


class _Part(NamedTuple):
    """The bars of one file; `rows` are their 1-based data rows."""

    source: str
    bars: Bars
    rows: Minutes
    told: dict[str, Any]


def read_pair(
    files: Sequence[BarFile],
    pair: str,
    *,
    timezone: str | None,
    now: datetime,
    declarations: Declarations | None = None,
) -> Bars:
    """The bars that `read_files` finds."""
    return read_files(files, pair, timezone=timezone, now=now, declarations=declarations).bars


def read_files(
    files: Sequence[BarFile],
    pair: str,
    *,
    timezone: str | None,
    now: datetime,
    declarations: Declarations | None = None,
    most_bytes: int | None = None,
) -> PairRead:
    """Read and check the files of one pair.

    The format is found from the content, order and overlap of the files from their rows. Rows that stand
    twice with the same values count once. Nothing is repaired, filled or dropped otherwise: the first
    problem is raised with file, row and remedy.

    Args:
        files: one file or several, as `find_files` gives them.
        pair: the pair they hold.
        timezone: clock of the files that do not state it themselves: a key of
            `include.market.timezones.RULES` or an IANA name. None if every file states it.
        now: aware time by which every bar must have ended.
        declarations: what ``bars.yaml`` beside the files says of them.
        most_bytes: read no more than the beginning of each file, to look at it; None reads it whole.

    Returns:
        Bars labelled by open time, epoch minutes UTC, with what was decided.

    Raises:
        BadInput: a file is bad, or two contradict each other; docs/market_data.md lists every kind.
        BadParameter: the pair is unknown, or no file is given.
    """
    if pair not in PAIRS or not files:
        raise BadParameter(f"{pair!r} with {len(files)} files: give one of {', '.join(PAIRS)} and its files.")
    declarations = declarations or Declarations()
    parts: list[_Part] = []
    passed_over: dict[str, str] = {}
    sides: dict[str, str | None] = {}
    for path in files:
        for content in _with_bars(path, passed_over, most_bytes):
            declaration = declarations.of(content.names)
            raw = _read(content, pair, timezone, declaration, most_bytes)
            parts.append(_checked(raw, pair, to_minute(now)))
            sides[content.source] = declaration.price_side
    if not parts:
        raise bad("no-bars", str(files[0]), "; ".join(f"{name}: {why}" for name, why in passed_over.items()))
    return PairRead(_merged(parts), [part.told for part in parts], passed_over, sides)


def _with_bars(path: BarFile, passed_over: dict[str, str], most_bytes: int | None) -> Iterator[Content]:
    """The contents of a file without the reports beside the bars; an archive must hold bars."""
    for content in contents(path, most_bytes):
        name, is_packed = content.names[0], len(content.names) > 1
        ending = ending_of(name)
        if ending == ".txt" and histdata.is_gap_report(content.body[:2000]):
            passed_over[content.source] = "a report of gaps holds no bars"
        elif is_packed and ending and ending not in SUFFIXES:
            passed_over[content.source] = f"{ending} holds no bars"
        else:
            yield content


def _read(
    content: Content, pair: str, timezone: str | None, declaration: Declaration, most_bytes: int | None
) -> RawBars:
    source, name = content.source, content.names[0]
    named = pairs_in(name)
    if named and pair not in named:
        raise bad("wrong-pair-name", source, f"the name says {named[0]}, it is to be loaded as {pair}")
    if timezone is not None:
        rule_of(timezone, source)
    refuse_foreign(content.body, source)
    is_parquet, ending = content.body.startswith(parquet.MAGIC), ending_of(name)
    if ending and (ending == ".parquet") != is_parquet:
        what = "Parquet" if is_parquet else "no Parquet"
        raise bad("wrong-extension", source, f"the name ends in {ending}, the content is {what}")
    if is_parquet:
        most_rows = most_bytes and most_bytes // _BYTES_OF_A_ROW
        return parquet.read(content.body, source, pair, timezone, declaration, most_rows)
    body = content.body
    if most_bytes is not None and len(body) >= most_bytes:
        body = body[:most_bytes].rpartition(b"\n")[0] or body
    return text.read(body, source, pair, timezone, declaration)


def _checked(raw: RawBars, pair: str, now: int) -> _Part:
    kept, repeats = once(raw, now)
    bars = check(kept, pair, now)
    told = {"file": raw.source, **raw.told, "rows": len(bars)}
    if repeats:
        told["repeated"] = _repeated(repeats)
    rows = kept.rows if kept.rows is not None else np.arange(1, len(bars) + 1)
    return _Part(raw.source, bars, rows, told)


def _repeated(repeats: Repeats) -> str:
    return (
        f"{repeats.rows:,} rows stand twice with the same values and count once, from "
        f"{_shown(repeats.first)} to {_shown(repeats.last)}"
    )


def _shown(minute: int) -> str:
    return f"{to_datetime(minute):%Y-%m-%d %H:%M} UTC"


def _merged(parts: Sequence[_Part]) -> Bars:
    """Bars of all files in order of time; minutes that two files hold must agree and count once."""
    if len(parts) == 1:
        return parts[0].bars
    parts = sorted(parts, key=lambda part: int(part.bars.ts[0]))
    columns = {
        name: np.concatenate([getattr(part.bars, name) for part in parts]) for name in ("ts", *COLUMNS)
    }
    owner = np.repeat(np.arange(len(parts)), [len(part.bars) for part in parts])
    minutes, first, which = np.unique(columns["ts"], return_index=True, return_inverse=True)
    original = first[which]
    differs = np.zeros(owner.size, dtype=bool)
    for name in COLUMNS:
        column = columns[name]
        differs |= ~np.isclose(column, column[original], rtol=1e-9, atol=0.0, equal_nan=True)
    if differs.any():
        here = int(differs.argmax())
        there = int(original[here])
        raise _contradiction(parts, owner, int(columns["ts"][here]), (there, here), int(differs.sum()))
    for number, part in enumerate(parts):
        shared = int(((owner == number) & (original != np.arange(owner.size))).sum())
        if shared:
            part.told["shared"] = f"{shared:,} rows stand in a file before it as well and count once"
    return Bars(minutes, *(columns[name][first] for name in COLUMNS))


def _contradiction(
    parts: Sequence[_Part], owner: Any, minute: int, positions: tuple[int, int], count: int
) -> Exception:
    begins = np.searchsorted(owner, np.arange(len(parts)))
    said = []
    for position in positions:
        part = parts[int(owner[position])]
        at = position - int(begins[owner[position]])
        name = part.source.rpartition("/")[2]
        said.append((part, int(part.rows[at]), f"{name}, row {part.rows[at]:,}: {shown(part.bars, at)}"))
    part, row, here = said[1]
    text = f"{_shown(minute)} differs, {said[0][2]}; {here}"
    return bad("files-overlap", part.source, text, row=row, count=count)
