"""Times written as text, to milliseconds; strict about shape and calendar."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.features.arrays import Flags, Minutes
from include.market.problems import bad

_TIME = r"(?P<H>\d{2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.(?P<f>\d{1,6}))?)?"
_ZONE = r"(?: ?(?:GMT|UTC)?(?P<z>Z|GMT|UTC|[+-]\d{2}:?\d{2}))?"
PATTERNS = {
    "compact": r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2}) (?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})$",
    "dotted": rf"^(?P<y>\d{{4}})\.(?P<m>\d{{2}})\.(?P<d>\d{{2}}) {_TIME}$",
    "iso": rf"^(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})[ T]{_TIME}{_ZONE}$",
    "european": rf"^(?P<d>\d{{2}})\.(?P<m>\d{{2}})\.(?P<y>\d{{4}}) {_TIME}{_ZONE}$",
    "epoch-s": r"^(?P<s>\d{9,10})$",
    "epoch-ms": r"^(?P<ms>\d{12,13})$",
}


class Clock(NamedTuple):
    """Times of a file.

    Attributes:
        ms: milliseconds since 1970-01-01, on the file's clock, or in UTC if `is_utc`.
        is_utc: every row states its offset from UTC. Seconds since the epoch do not count: MetaTrader
            counts them on the server's clock.
    """

    ms: Minutes
    is_utc: bool


def parse(texts: Any, allowed: tuple[str, ...], source: str) -> Clock:
    """Read a column of times; the first row decides which of the allowed ways holds for all.

    Args:
        texts: pyarrow string array, one time per row, at least one.
        allowed: keys of `PATTERNS`.
        source: file to blame.

    Raises:
        BadInput: a time of another shape, or a date that does not exist (``bad-time``).
    """
    first = texts[0].as_py()
    ways = [way for way in allowed if re.search(PATTERNS[way], first)]
    if not ways:
        raise bad("bad-time", source, f"{first!r} is no time", row=1)
    fields = pc.extract_regex(texts, pattern=PATTERNS[ways[0]])
    _blame(texts, np.asarray(fields.is_null()), source)
    if ways[0].startswith("epoch"):
        seconds = ways[0] == "epoch-s"
        count = _integers(fields, "s" if seconds else "ms")
        return Clock(count * 1000 if seconds else count, is_utc=False)
    ms, exists = _calendar(fields)
    _blame(texts, ~exists, source)
    offset = _offsets(texts, fields, source)
    return Clock(ms, is_utc=False) if offset is None else Clock(ms - offset, is_utc=True)


def _blame(texts: Any, wrong: Flags, source: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        text = f"{texts[row].as_py()!r} is no time"
        raise bad("bad-time", source, text, row=row + 1, count=int(wrong.sum()))


def _text(fields: Any, name: str) -> Any:
    return pc.struct_field(fields, name)


def _integers(fields: Any, name: str) -> Minutes:
    texts = _text(fields, name)
    return np.asarray(pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), pa.int64()))


def _calendar(fields: Any) -> tuple[Minutes, Flags]:
    """Milliseconds, and whether date and time of day exist."""
    year, month, day, hour, minute, second = (_integers(fields, name) for name in "ymdHMS")
    month_start = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    date = month_start.astype("datetime64[D]") + (day - 1)
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (date.astype("datetime64[M]") == month_start)
    exists &= (hour < 24) & (minute < 60) & (second < 60)
    seconds = (date.astype(np.int64) * 24 + hour) * 3600 + minute * 60 + second
    return seconds * 1000 + _fraction(fields), exists


def _fraction(fields: Any) -> Minutes:
    """Milliseconds of the fraction of a second; parts of one round up, so that none is lost."""
    if "f" not in [field.name for field in fields.type]:
        return np.zeros(len(fields), dtype=np.int64)
    micro = pc.cast(pc.utf8_rpad(_text(fields, "f"), 6, "0"), pa.int64())
    return -(-np.asarray(micro) // 1000)


def _offsets(texts: Any, fields: Any, source: str) -> Minutes | None:
    """Milliseconds ahead of UTC that each row states, or None if no row states any."""
    if "z" not in [field.name for field in fields.type]:
        return None
    zones = _text(fields, "z")
    silent = np.asarray(pc.equal(zones, ""))
    if silent.all():
        return None
    _blame(texts, silent, source)
    by_zone = {zone: _offset(zone) for zone in pc.unique(zones).to_pylist()}
    encoded = zones.dictionary_encode()
    table = np.array([by_zone[zone] for zone in encoded.dictionary.to_pylist()], dtype=np.int64)
    indices: Minutes = np.asarray(encoded.indices, dtype=np.int64)
    return table[indices]


def _offset(zone: str) -> int:
    if zone in ("Z", "GMT", "UTC"):
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if zone[0] == "-" else minutes) * 60_000
