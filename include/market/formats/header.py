"""From the names of a header to the meaning of each column, whichever provider wrote them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from include.market.formats import dukascopy, metatrader, plain
from include.market.formats.layout import IGNORED, REQUIRED, Dialect, Layout
from include.market.problems import bad

DIALECTS: tuple[Dialect, ...] = (plain.OURS, *metatrader.DIALECTS, *dukascopy.DIALECTS, plain.OTHER)

_TIME_WORDS = {"time", "datetime", "timestamp", "date", "ts", "dt", "utc", "gmt", "eet", "unix", "epoch", "t"}
_TIME_QUALIFIERS = {"local", "open", "bar", "candle", "server", "s", "ms", "us", "ns"}
_DATES = {"date", "dtyyyymmdd"}
_UTC = re.compile(r"(?<![a-z])(utc|gmt)(?![a-z]|\s*[+-]\s*\d)")
_EPOCH = re.compile(r"unix|epoch|^timestamp")
_INDEX = re.compile(r"|index|unnamed: \d+|level_\d+|__index_level_\d+__")
_MEANINGS = {
    **{name: name for name in REQUIRED},
    **{name[0]: name for name in REQUIRED},
    **dict.fromkeys(("tickvol", "tick_volume", "tick volume", "ticks"), "volume"),
    **dict.fromkeys(("volume", "vol", "v"), "volume"),
    **dict.fromkeys(("real_volume", "real volume", "per", "openint"), IGNORED),
    **dict.fromkeys(("symbol", "pair", "ticker", "instrument"), "symbol"),
    "spread": "spread",
    "spread_points": "points",
    "spread_pips": "pips",
}
_TICK_COUNTS = {"tickvol", "tick_volume", "tick volume"}


def is_header(names: Sequence[str]) -> bool:
    """Whether names of columns hold a price."""
    return any(_MEANINGS.get(_bare(name)) in REQUIRED for name in names)


def layout(names: tuple[str, ...], delimiter: str, source: str) -> Layout:
    """The layout of a table with these columns.

    Args:
        names: header in lower case, in file order.
        delimiter: what divides the cells.
        source: file to blame.

    Raises:
        BadInput: a column is unknown, missing or there twice.
    """
    dialect = next(one for one in DIALECTS if one.marks & set(names) or not one.marks)
    columns = tuple(_meaning(name, names, dialect, source) for name in names)
    columns = _one_time(columns, names, source)
    for name, meaning in zip(names, columns, strict=True):
        is_twice = names.count(name) > 1 or (meaning != "symbol" and columns.count(meaning) > 1)
        if meaning != IGNORED and is_twice:
            text = f"two columns hold the {meaning}: {', '.join(names)}"
            if names.count(name) > 1:
                text = f"column {name!r} occurs {names.count(name)} times"
            raise bad("column-duplicate", source, text)
    for meaning in REQUIRED:
        if meaning not in columns:
            text = f"{dialect.name} needs a column {meaning!r}, found {', '.join(names)}"
            raise bad("column-missing", source, text)
    time = names[columns.index("time" if "time" in columns else "date")]
    marked = set(names) & set().union(*(one.marks for one in metatrader.DIALECTS))
    if marked and dialect.spread_unit == "price":
        dialect = replace(dialect, spread_unit=None)  # our name of the time, MetaTrader's other columns
    return Layout(
        dialect,
        delimiter,
        columns,
        names,
        is_utc=_UTC.search(time.replace("_", " ")) is not None,
        epoch_is_utc=_EPOCH.search(_bare(time)) is not None and not marked,
    )


def _bare(name: str) -> str:
    return name.strip("<>")


def _meaning(name: str, names: Sequence[str], dialect: Dialect, source: str) -> str:
    bare = _bare(name)
    if bare in _MEANINGS:
        is_second = (
            _MEANINGS[bare] == "volume"
            and bare not in _TICK_COUNTS
            and any(_bare(other) in _TICK_COUNTS for other in names)
        )
        return IGNORED if is_second else _MEANINGS[bare]
    if _INDEX.fullmatch(bare):
        return "index"
    words = set(re.findall(r"[a-z]+", bare))
    if bare in _DATES or (words & _TIME_WORDS and words <= _TIME_WORDS | _TIME_QUALIFIERS):
        return "date" if bare in _DATES else "time"
    raise bad("column-unknown", source, f"column {name!r} is no column of {dialect.name}")


def _one_time(columns: tuple[str, ...], names: Sequence[str], source: str) -> tuple[str, ...]:
    """Settle which columns are the time: one, or a date and the time of day; an index may be it."""
    if "date" in columns:
        alone = "time" not in columns
        columns = tuple(
            {"date": "time" if alone else "date", "time": "clock"}.get(one, one) for one in columns
        )
    has_time = "time" in columns or "clock" in columns
    if not has_time and columns.count("index") == 1:
        return tuple("time" if one == "index" else one for one in columns)
    if not has_time:
        raise bad("column-missing", source, f"no column of time in {', '.join(names)}")
    return tuple(IGNORED if one == "index" else one for one in columns)
