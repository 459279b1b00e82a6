"""Reading the files of a pair: any known format in, checked bars in UTC out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np

from include.errors import BadParameter
from include.features.bars import Bars
from include.market.checks import RawBars, check
from include.market.files import BarFile, find_files, pairs_in, read_bytes
from include.market.formats import parquet, text
from include.market.problems import bad
from include.market.timezones import rule_of
from include.names import to_datetime, to_minute
from include.pairs import PAIRS

__all__ = ["find_files", "read_pair"]


def read_pair(files: Sequence[BarFile], pair: str, *, timezone: str | None, now: datetime) -> Bars:
    """Read and check the files of one pair.

    The format is found from the content. Nothing is repaired, filled or dropped: the first problem is
    raised with file, row and remedy.

    Args:
        files: one file, or files of consecutive periods, oldest first, as `find_files` gives them.
        pair: the pair they hold.
        timezone: clock of the files, for formats that do not state it themselves: a key of
            `include.market.timezones.RULES` or an IANA name. None if every file states it.
        now: aware time by which every bar must have ended.

    Returns:
        Bars labelled by open time, epoch minutes UTC.

    Raises:
        BadInput: a file is bad; docs/market_data.md lists every kind.
        BadParameter: the pair is unknown, or no file is given.
    """
    if pair not in PAIRS or not files:
        raise BadParameter(f"{pair!r} with {len(files)} files: give one of {', '.join(PAIRS)} and its files.")
    parts = [check(_read(path, pair, timezone), pair, to_minute(now)) for path in files]
    for (path, part), (other, following) in pairwise(zip(files, parts, strict=True)):
        if following.ts[0] <= part.ts[-1]:
            when = f"{to_datetime(int(following.ts[0])):%Y-%m-%d %H:%M} UTC"
            raise bad("files-overlap", str(other), f"it begins at {when}, before {path.name} ends", row=1)
    return parts[0] if len(parts) == 1 else _join(parts)


def _read(path: BarFile, pair: str, timezone: str | None) -> RawBars:
    source = str(path)
    named = pairs_in(path.name)
    if named and pair not in named:
        raise bad("wrong-pair-name", source, f"the name says {named[0]}, it is to be loaded as {pair}")
    if timezone is not None:
        rule_of(timezone, source)
    content = read_bytes(path)
    is_parquet = content.startswith(parquet.MAGIC)
    if path.suffix and (path.suffix.lower() == ".parquet") != is_parquet:
        what = "Parquet" if is_parquet else "no Parquet"
        raise bad("wrong-extension", source, f"the name ends in {path.suffix}, the content is {what}")
    read = parquet.read if is_parquet else text.read
    return read(content, source, pair, timezone)


def _join(parts: Sequence[Bars]) -> Bars:
    names = ("ts", "open", "high", "low", "close", "volume", "spread")
    return Bars(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
