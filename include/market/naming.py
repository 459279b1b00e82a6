"""What the name of a file says: which pair, which price, which year or month, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from include.market import packed
from include.pairs import PAIRS, base, quote

SUFFIXES = (".parquet", ".csv", ".txt")
READ = (*SUFFIXES, *packed.READ)
NOT_UNPACKED = (".zst", ".bz2", ".xz", ".7z", ".rar", ".tar", ".tgz", ".xlsx", ".xls")

# What brokers and exporters put behind the name of a pair; EURUSDT is another instrument.
_BEHIND = "m|c|i|r|pro|ecn|raw|std|micro|mini|cash|bid|ask|mid"
_ENDING = re.compile(r"\.([a-z][a-z0-9]{1,6}|7z)$")  # a date or a broker's ".1" is none
_SIDE = re.compile(r"(?<![a-z])(bid|ask|mid)(?![a-z])")
_PERIOD = re.compile(r"(?<!\d)((?:19|20)\d{2})(0[1-9]|1[0-2])?(?!\d)")


class Period(NamedTuple):
    """Months a file name speaks of, counted from year 0, half open; and the rest of the name."""

    first: int
    end: int
    rest: str


def pairs_in(name: str) -> list[str]:
    """Pairs that a name mentions: ``EURUSD``, ``eur_usd``, ``EUR/USD`` or a broker's ``EURUSDm``.

    A pair inside a longer word is not mentioned.
    """
    text = name.lower()
    return [pair for pair in PAIRS if re.search(rf"(?<![a-z]){_spelled(pair)}({_BEHIND})?(?![a-z])", text)]


def ending_of(name: str) -> str:
    """What a name ends in, with its dot and in lower case; empty if it has no ending."""
    found = _ENDING.search(name.lower())
    return found[0] if found else ""


def why_not_read(name: str) -> str:
    """Why a file that names a pair, or may hold some, is not read; empty if it is, or holds none."""
    pairs, ending = pairs_in(name), ending_of(name)
    inside = next((pair for pair in PAIRS if re.search(_spelled(pair), name.lower())), "")
    if name.startswith("."):
        return "it is hidden" if inside else ""
    if inside and not pairs:
        return f"it names {inside} inside a longer word: call it {inside}{ending}"
    if ending in NOT_UNPACKED or name.lower().endswith(".tar.gz"):
        return f"{ending} is not unpacked here: save bars as CSV, or pack each pair as .csv.gz or .zip"
    if ending in packed.READ and not pairs:
        return "it names no pair: unpack it, or name it after the pair that it holds"
    if pairs and ending and ending not in READ:
        return f"its ending {ending} is none of {', '.join(READ)}"
    return ""


def sides_in(name: str) -> set[str]:
    """Which prices a name mentions, of bid, ask and mid."""
    return set(_SIDE.findall(name.lower()))


def period_of(name: str) -> Period | None:
    """The one year or month in a name, or None if there is none or more than one."""
    marks = list(_PERIOD.finditer(name))
    if len(marks) != 1:
        return None
    mark = marks[0]
    year, month = int(mark[1]) * 12, mark[2]
    first, length = (year, 12) if month is None else (year + int(month) - 1, 1)
    return Period(first, first + length, (name[: mark.start()] + name[mark.end() :]).lower())


def in_order(names: Sequence[str]) -> tuple[list[int], tuple[int, int] | None]:
    """Positions of years and months of one series in order of time, and the first two with a hole between.

    Other names keep their order: their rows say it.
    """
    periods = {i: period for i, name in enumerate(names) if (period := period_of(name)) is not None}
    if len(periods) < len(names) or len({period.rest for period in periods.values()}) > 1:
        return list(range(len(names))), None
    ordered = sorted(periods, key=lambda i: periods[i])
    holes = (two for two in pairwise(ordered) if periods[two[0]].end < periods[two[1]].first)
    return ordered, next(holes, None)


def _spelled(pair: str) -> str:
    return rf"{base(pair)}[-_ /.]?{quote(pair)}"
